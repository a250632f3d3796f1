#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("uris"), |data: &[u8]| wsmon::testing::fuzz::run("uris", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("http"), |data: &[u8]| wsmon::testing::fuzz::run("http", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("dns"), |data: &[u8]| wsmon::testing::fuzz::run("dns", data));

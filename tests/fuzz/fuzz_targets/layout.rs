#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("layout"), |data: &[u8]| wsmon::testing::fuzz::run("layout", data));

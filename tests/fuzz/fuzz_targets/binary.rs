#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("binary"), |data: &[u8]| wsmon::testing::fuzz::run("binary", data));

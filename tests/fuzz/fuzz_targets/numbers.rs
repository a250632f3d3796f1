#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("numbers"), |data: &[u8]| wsmon::testing::fuzz::run("numbers", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("answers"), |data: &[u8]| wsmon::testing::fuzz::run("answers", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("dialects"), |data: &[u8]| wsmon::testing::fuzz::run("dialects", data));

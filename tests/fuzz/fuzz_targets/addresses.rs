#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("addresses"), |data: &[u8]| wsmon::testing::fuzz::run("addresses", data));

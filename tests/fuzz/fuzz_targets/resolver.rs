#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("resolver"), |data: &[u8]| wsmon::testing::fuzz::run("resolver", data));

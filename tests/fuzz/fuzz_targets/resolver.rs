#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("resolver"), |data: &[u8]| wsmon::fuzzing::run("resolver", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("addresses"), |data: &[u8]| wsmon::fuzzing::run("addresses", data));

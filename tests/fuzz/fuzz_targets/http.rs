#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("http"), |data: &[u8]| wsmon_fuzz::run("http", data));

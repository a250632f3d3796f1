#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("binary"), |data: &[u8]| wsmon_fuzz::run("binary", data));

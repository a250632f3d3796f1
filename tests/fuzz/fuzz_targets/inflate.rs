#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("inflate"), |data: &[u8]| wsmon_fuzz::run("inflate", data));

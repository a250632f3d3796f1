#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("dns"), |data: &[u8]| wsmon_fuzz::run("dns", data));

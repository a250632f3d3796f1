#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("foreign"), |data: &[u8]| wsmon_fuzz::run("foreign", data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("escaping"), |data: &[u8]| wsmon_fuzz::run("escaping", data));

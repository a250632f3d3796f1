#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::write_seeds("samples"), |data: &[u8]| wsmon_fuzz::run("samples", data));

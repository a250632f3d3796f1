#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("arguments"), |data: &[u8]| wsmon_fuzz::cli::properties::run(data));

#![no_main]

libfuzzer_sys::fuzz_target!(init: wsmon_fuzz::plant("dialects"), |data: &[u8]| wsmon::fuzzing::run("dialects", data));

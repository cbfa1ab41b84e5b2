#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::conditional_cache::fuzzing::accept_encoding(data));

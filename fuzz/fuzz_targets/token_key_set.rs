#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::token_auth::fuzzing::key_set(data));

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::token_auth::fuzzing::token_claims(data));

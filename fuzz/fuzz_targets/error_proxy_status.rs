#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::error_mapping::fuzzing::proxy_status(data));

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::lazy_images::fuzzing::attributes(data));

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| donjon::ws_upgrade::fuzzing::frames(data));

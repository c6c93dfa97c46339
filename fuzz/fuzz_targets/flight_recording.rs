//! See `clavitor_fuzz::flight_recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::flight_recording(bytes));

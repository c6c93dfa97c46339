//! See `clavitor_fuzz::frame_round_trip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::frame_round_trip(bytes));

//! See `clavitor_fuzz::frame_decoding`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::frame_decoding(bytes));

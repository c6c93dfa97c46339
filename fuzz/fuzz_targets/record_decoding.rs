//! See `clavitor_fuzz::record_decoding`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::record_decoding(bytes));

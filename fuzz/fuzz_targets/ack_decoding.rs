//! See `clavitor_fuzz::ack_decoding`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::ack_decoding(bytes));

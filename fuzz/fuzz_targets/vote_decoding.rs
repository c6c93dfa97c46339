//! See `clavitor_fuzz::vote_decoding`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::vote_decoding(bytes));

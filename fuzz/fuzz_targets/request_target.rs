//! See `clavitor_fuzz::request_target`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::request_target(bytes));

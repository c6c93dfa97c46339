//! See `clavitor_fuzz::world`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::world(bytes));

//! See `clavitor_fuzz::client_address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::client_address(bytes));

//! See `clavitor_fuzz::dns_question`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::dns_question(bytes));

//! See `clavitor_fuzz::pop_machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::pop_machine(bytes));

//! See `clavitor_fuzz::lease_machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::lease_machine(bytes));

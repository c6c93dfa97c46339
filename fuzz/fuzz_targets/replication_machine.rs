//! See `clavitor_fuzz::replication_machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::replication_machine(bytes));

//! See `clavitor_fuzz::json_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::json_bodies(bytes));

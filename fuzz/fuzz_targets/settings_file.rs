//! See `clavitor_fuzz::settings_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clavitor_fuzz::settings_file(bytes));

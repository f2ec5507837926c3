#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| neuron_fuzz::run("images_parquet", bytes));

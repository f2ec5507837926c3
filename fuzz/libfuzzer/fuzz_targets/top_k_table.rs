#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| neuron_fuzz::run("top_k_table", bytes));

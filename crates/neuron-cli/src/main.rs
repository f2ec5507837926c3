//! neuron
fn main() {}

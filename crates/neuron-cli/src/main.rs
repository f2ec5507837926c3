//! The `neuron` command; all of it is in the library beside it, so that other crates can test its readers.

use std::process::ExitCode;

fn main() -> ExitCode {
    neuron_cli::main()
}

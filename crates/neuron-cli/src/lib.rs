#![doc = include_str!("../README.md")]
#![allow(
    rustdoc::invalid_html_tags,
    rustdoc::broken_intra_doc_links,
    reason = "the comments on commands and flags are help texts for a terminal, not Markdown"
)]

mod channels;
mod claim;
mod classifier;
mod cli;
mod clip_config;
mod command_line;
mod commands;
mod config;
mod defect;
mod demo_network;
mod exported;
mod fetch;
#[doc(hidden)]
pub mod fuzzing;
mod global;
mod indices;
mod input;
mod interrupt;
mod layer_folder;
mod memory;
mod network;
mod not_finite;
mod numbers;
mod origin;
mod outcome;
mod output;
mod patches;
mod place;
mod positions;
mod preprocessing;
mod program;
mod progress;
mod references;
mod rerun;
mod rows;
mod same_layer;
mod say;
mod scan;
mod shard;
mod table;
mod usual;
mod way_out;
mod weights_file;

use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    defect::guard(run)
}

fn run() -> ExitCode {
    let result = cli::parse().and_then(|cli| {
        interrupt::install()?;
        cli::run(cli)
    });
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            say::line(format_args!("error: {}", outcome::describe(&error)));
            outcome::exit_code_of(&error)
        }
    }
}

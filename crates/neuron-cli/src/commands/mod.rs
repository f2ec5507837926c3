//! One file per command: its flags and its execution.

mod completions;
mod man;
mod weights;

use clap::Subcommand;

use crate::cli::Cli;
use crate::outcome::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Completions(completions::Args),
    Man(man::Args),
    Weights(weights::Args),
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { command, global } = cli;
    match command {
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, &global),
        Command::Weights(args) => weights::run(&args, &global),
    }
}

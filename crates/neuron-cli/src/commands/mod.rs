//! One file per command: its flags and its execution.

mod activations;
mod baseline;
mod completions;
mod extract_patches;
mod fvis;
mod layers;
mod man;
mod merge;
mod select_images;
mod weights;

use clap::Subcommand;

use crate::cli::Cli;
use crate::outcome::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Activations(activations::Args),
    Baseline(baseline::Args),
    Completions(completions::Args),
    ExtractPatches(extract_patches::Args),
    Fvis(Box<fvis::Args>),
    Layers(layers::Args),
    Man(man::Args),
    Merge(merge::Args),
    SelectImages(select_images::Args),
    Weights(weights::Args),
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { command, global } = cli;
    match command {
        Command::Activations(args) => activations::run(&args, &global),
        Command::Baseline(args) => baseline::run(&args, &global),
        Command::Completions(args) => completions::run(&args),
        Command::ExtractPatches(args) => extract_patches::run(&args, &global),
        Command::Fvis(args) => fvis::run(&args, &global),
        Command::Layers(args) => layers::run(&args, &global),
        Command::Man(args) => man::run(&args, &global),
        Command::Merge(args) => merge::run(&args, &global),
        Command::SelectImages(args) => select_images::run(&args, &global),
        Command::Weights(args) => weights::run(&args, &global),
    }
}

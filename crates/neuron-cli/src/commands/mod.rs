//! One file per command: its flags and its execution.

mod activations;
mod atlas;
mod attribute;
mod baseline;
mod completions;
mod demo;
pub(crate) mod eval;
mod export;
mod extract_patches;
mod fvis;
mod import;
mod layers;
mod man;
mod merge;
pub(crate) mod plan;
mod select_images;
mod weights;

use clap::Subcommand;

use crate::global::Global;
use crate::outcome::Outcome;
use crate::program::Program;
use crate::scan::ScanFlags;

/// The commands, in the order in which a user meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    SelectImages(select_images::Args),
    ExtractPatches(extract_patches::Args),
    Baseline(baseline::Args),
    Fvis(Box<fvis::Args>),
    Eval(eval::Args),
    Plan(plan::Args),
    Merge(merge::Args),
    Demo(demo::Args),
    Layers(layers::Args),
    Import(import::Args),
    Activations(activations::Args),
    Attribute(attribute::Args),
    Atlas(atlas::Args),
    Export(export::Args),
    Weights(weights::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// The flags of a scan, if it is one.
    pub(crate) fn scan_mut(&mut self) -> Option<&mut ScanFlags> {
        match self {
            Self::SelectImages(args) => Some(&mut args.scan),
            Self::ExtractPatches(args) => Some(&mut args.scan),
            Self::Baseline(args) => Some(&mut args.scan),
            _ => None,
        }
    }
}

/// Runs the command that was asked for.
pub(crate) fn run(command: Command, global: &Global, program: &Program) -> anyhow::Result<Outcome> {
    match command {
        Command::Activations(args) => activations::run(&args, global),
        Command::Atlas(args) => atlas::run(&args, global),
        Command::Attribute(args) => attribute::run(&args, global),
        Command::Baseline(args) => baseline::run(&args, global),
        Command::Completions(args) => completions::run(&args, program),
        Command::Demo(args) => demo::run(&args, global, program),
        Command::Eval(args) => eval::run(&args, global),
        Command::Export(args) => export::run(&args, global),
        Command::ExtractPatches(args) => extract_patches::run(&args, global),
        Command::Fvis(args) => fvis::run(&args, global),
        Command::Import(args) => import::run(&args, global),
        Command::Layers(args) => layers::run(&args, global),
        Command::Man(args) => man::run(&args, global, program),
        Command::Merge(args) => merge::run(&args, global),
        Command::Plan(args) => plan::run(&args, global, program),
        Command::SelectImages(args) => select_images::run(&args, global),
        Command::Weights(args) => weights::run(&args, global),
    }
}

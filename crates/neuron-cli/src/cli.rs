//! The command line as a whole.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use neuron_model::{DeviceRequest, Precision};

use crate::{commands, config};

/// What does each unit of a vision network respond to?
///
/// Four commands answer it, each from the files of the one before: `select-images` finds the images that excite
/// a unit, `extract-patches` the patches in them that do it (`baseline`: patches from all images at once), and
/// `fvis` optimises a picture whose features are distributed like those of the unit's images.
#[derive(Debug, Parser)]
#[command(name = "neuron", version, max_term_width = 100, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: commands::Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags that every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where to compute: auto takes a GPU where this build and the machine have one; several share a scan
    #[arg(long, global = true, default_value = "auto", value_name = "auto|cpu|cuda[:N,M]")]
    pub(crate) device: DeviceRequest,
    /// How a GPU multiplies: tf32 is faster and rounds factors to 10 bits
    #[arg(long, global = true, default_value_t = Precision::F32, value_name = "f32|tf32")]
    pub(crate) precision: Precision,
    /// Number of threads that compute (0: one for each core)
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Weights, safetensors or .pth [default: weights/<arch>.safetensors, else what `weights fetch` got]
    #[arg(long, global = true, env = "NEURON_WEIGHTS", hide_env_values = true, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Images: a folder with train/ and/or val/, class folders, a flat folder, or a file of paths (-: stdin)
    #[arg(long, global = true, env = "NEURON_DATA", hide_env_values = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Flags from a file; what is typed wins over it
    #[arg(long, global = true, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print one machine-readable summary on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print what would be done (images, forwards, memory, disk, time) and write nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Reproduce the quirks of the reference implementation (docs/parity.md lists them)
    #[arg(long, global = true)]
    pub(crate) reference_compat: bool,
    /// Replace results that are there already
    #[arg(long, global = true)]
    pub(crate) overwrite: bool,
    /// Fail at the first image that cannot be read, instead of skipping it
    #[arg(long, global = true)]
    pub(crate) strict: bool,
}

/// Which part of a data set with `train/` and `val/` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Split {
    Train,
    Val,
}

impl From<Split> for neuron_data::Split {
    fn from(split: Split) -> Self {
        match split {
            Split::Train => Self::Train,
            Split::Val => Self::Val,
        }
    }
}

/// The command line's definition, with every flag also in snake case.
pub(crate) fn definition() -> clap::Command {
    with_snake_case(Cli::command())
}

/// Parses the command line; ends the process for `--help` and for wrong usage.
pub(crate) fn parse() -> anyhow::Result<Cli> {
    let definition = definition();
    let commands: Vec<String> =
        definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let arguments = config::expand(std::env::args_os().collect(), &commands)?;
    let matches = definition.get_matches_from(arguments);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// Parses a command line that this program made itself, the program's name first.
///
/// # Errors
/// If it is no valid command line.
pub(crate) fn parse_from<'a>(arguments: impl Iterator<Item = &'a str>) -> anyhow::Result<Cli> {
    Ok(Cli::from_arg_matches(&definition().try_get_matches_from(arguments)?)?)
}

/// Adds the snake_case spelling of every flag, so that command lines written for the reference run unchanged.
fn with_snake_case(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        match argument.get_long().filter(|long| long.contains('-')).map(|long| long.replace('-', "_")) {
            Some(snake) => argument.alias(snake),
            None => argument,
        }
    });
    command.mut_subcommands(with_snake_case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}

//! The command line as a whole.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::global::Global;
use crate::{commands, config, say};

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

/// The command line's definition, with every flag also in snake case.
pub(crate) fn definition() -> clap::Command {
    with_snake_case(Cli::command())
}

/// Parses the command line; ends the process for `--help` and for wrong usage.
pub(crate) fn parse() -> anyhow::Result<Cli> {
    let definition = definition();
    let commands: Vec<String> =
        definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let typed: Vec<OsString> = std::env::args_os().collect();
    let file = config::path(&typed);
    let matches = definition.try_get_matches_from(config::expand(typed, &commands)?);
    Ok(matches.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| {
        if let Some(file) = file.filter(|_| error.use_stderr()) {
            say::line(format_args!("note: flags are also read from {}", file.display()));
        }
        error.exit()
    }))
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

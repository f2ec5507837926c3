//! The command line as a whole.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use neuron_model::check_isa;

use crate::commands::plan::{no_scan, wrong_scan};
use crate::global::Global;
use crate::outcome::{Outcome, WrongUsage};
use crate::program::Program;
use crate::scan::Tasks;
use crate::{commands, config, exported, say};

/// What does each unit of a vision network respond to?
///
/// Four commands answer this question. `select-images` finds the images that excite a unit. `extract-patches` finds
/// the patches in these images that are responsible (`baseline` searches all images for patches). `fvis` optimises
/// a picture with features that are distributed like those of the unit's images.
#[derive(Debug, Parser)]
#[command(name = "neuron", version, max_term_width = 100, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: commands::Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What the commands know of it.
const PROGRAM: Program = Program { definition, run: run_line, plan };

/// The command line's definition, with every flag also in snake case.
pub(crate) fn definition() -> clap::Command {
    without_empty_variables(with_snake_case(Cli::command()))
}

/// Parses the command line; ends the process for `--help` and for wrong usage.
pub(crate) fn parse() -> anyhow::Result<Cli> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let file = config::path(&typed);
    let flags = config::Flags::read(&typed, commands::Command::has_subcommand)?;
    // Before the definition is made: its defaults are those of the network.
    exported::look_for(&flags.before(&typed));
    let definition = definition();
    let typed = flags.unless_typed(&typed, &definition).before(&typed);
    let matches = definition.try_get_matches_from(typed);
    Ok(matches.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| {
        if let Some(file) = file.filter(|_| error.use_stderr()) {
            say::line(format_args!("note: flags are also read from {}", file.display()));
        }
        error.exit()
    }))
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    check_isa().map_err(|error| WrongUsage(error.to_string()))?;
    match commands::run(cli.command, &cli.global, &PROGRAM)? {
        Outcome::Skipped if cli.global.accept_skipped => Ok(Outcome::Done),
        outcome => Ok(outcome),
    }
}

/// Runs a command line that this program made itself, the program's name first.
fn run_line(arguments: &[&str]) -> anyhow::Result<Outcome> {
    run(parse_line(arguments)?)
}

/// Says what tasks take that divide a scan.
fn plan(tasks: Tasks, as_json: bool) -> anyhow::Result<Outcome> {
    let mut planned = parse_line(&tasks.line.words()).map_err(wrong_scan)?;
    let scan = planned.command.scan_mut().ok_or_else(no_scan)?;
    if scan.shard.is_some() {
        return Err(wrong_scan("leave out --shard, which each task adds").into());
    }
    scan.tasks = Some(tasks);
    planned.global.dry_run = true;
    planned.global.json |= as_json;
    run(planned)
}

/// Parses a command line, the program's name first.
///
/// # Errors
/// If it is no valid command line.
fn parse_line(arguments: &[&str]) -> anyhow::Result<Cli> {
    let typed: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let flags = config::Flags::read(&typed, commands::Command::has_subcommand)?;
    let definition = definition();
    let typed = flags.unless_typed(&typed, &definition).before(&typed);
    Ok(Cli::from_arg_matches(&definition.try_get_matches_from(typed)?)?)
}

/// Adds the snake_case spelling of every name of every flag, so that command lines written for the reference run
/// unchanged.
fn with_snake_case(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        let names = argument.get_long().into_iter().chain(aliases).filter(|name| name.contains('-'));
        let snake: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
        argument.aliases(snake)
    });
    command.mut_subcommands(with_snake_case)
}

/// An environment variable that is empty says nothing, as everywhere; clap would take it for a flag without its value.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|argument| {
        if argument.get_env().is_some_and(is_empty) { argument.env(None::<&str>) } else { argument }
    });
    command.mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}

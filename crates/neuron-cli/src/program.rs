use crate::cli::Cli;
use crate::outcome::Outcome;

/// The program as a whole, for the commands that show it or run others of its commands.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// The definition of its command line.
    pub(crate) definition: fn() -> clap::Command,
    /// Parses a command line, the program's name first.
    pub(crate) parse: fn(&[&str]) -> anyhow::Result<Cli>,
    /// Runs a command line, the program's name first, as if it had been typed.
    pub(crate) run: fn(&[&str]) -> anyhow::Result<Outcome>,
}

use crate::outcome::Outcome;
use crate::scan::Tasks;

/// The program as a whole, for the commands that show it or run others of its commands.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// The definition of its command line.
    pub(crate) definition: fn() -> clap::Command,
    /// Runs a command line, the program's name first, as if it had been typed.
    pub(crate) run: fn(&[&str]) -> anyhow::Result<Outcome>,
    /// Says what tasks take that divide a scan; as JSON, if so.
    pub(crate) plan: fn(Tasks, bool) -> anyhow::Result<Outcome>,
}

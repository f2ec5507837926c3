//! What a program is told.

use serde_json::json;

use super::Args;
use super::units::DemoUnit;
use crate::command_line::CommandLine;
use crate::outcome::Outcome;
use crate::output;

/// Prints the units and the commands that were run, as JSON.
pub(super) fn print(args: &Args, units: &[DemoUnit], done: &[CommandLine]) -> anyhow::Result<Outcome> {
    let commands: Vec<String> = done.iter().map(CommandLine::to_string).collect();
    let summary = json!({
        "command": "demo",
        "arch": args.network.arch,
        "output": args.out.display().to_string(),
        "units": units,
        "commands": commands,
    });
    output::print(&format!("{summary:#}\n"))?;
    Ok(Outcome::Done)
}

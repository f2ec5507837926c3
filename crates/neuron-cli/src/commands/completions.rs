use clap_complete::Shell;

use crate::outcome::Outcome;
use crate::program::Program;
use crate::{global, output};

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(
    args = global::hidden_except(&[]),
    after_help = "Example:\n  neuron completions bash > ~/.local/share/bash-completion/completions/neuron"
)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, program: &Program) -> anyhow::Result<Outcome> {
    // In memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (program.definition)(), "neuron", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}

use std::io;

use clap_complete::Shell;

use crate::cli;
use crate::outcome::Outcome;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  neuron completions bash > ~/.local/share/bash-completion/completions/neuron"
)]
pub(crate) struct Args {
    /// The shell to complete in
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    clap_complete::generate(args.shell, &mut cli::definition(), "neuron", &mut io::stdout());
    Ok(Outcome::Done)
}

use std::path::PathBuf;

use anyhow::Context;

use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::program::Program;

/// Write man pages, one per command, to a folder
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["quiet", "dry_run"]))]
#[command(after_help = "Example:\n  neuron man ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// The folder for neuron.1, neuron-fvis.1, ...
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global, program: &Program) -> anyhow::Result<Outcome> {
    let dir = args.dir.display();
    if global.dry_run {
        global.say(0, || format!("man pages would be written to {dir}"));
        return Ok(Outcome::Done);
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot create the folder {dir}"))?;
    clap_mangen::generate_to((program.definition)(), &args.dir)
        .with_context(|| format!("cannot write man pages to {dir}"))?;
    global.say(0, || format!("man pages: {dir}"));
    Ok(Outcome::Done)
}

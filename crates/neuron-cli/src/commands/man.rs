use std::path::PathBuf;

use anyhow::Context;

use crate::cli;
use crate::global::Global;
use crate::outcome::Outcome;

/// Write man pages, one for each command, into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  neuron man ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// The folder for neuron.1, neuron-fvis.1, ...
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let dir = args.dir.display();
    if global.dry_run {
        global.say(0, || format!("man pages would be written to {dir}"));
        return Ok(Outcome::Done);
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make the folder {dir}"))?;
    clap_mangen::generate_to(cli::definition(), &args.dir)
        .with_context(|| format!("cannot write man pages to {dir}"))?;
    global.say(0, || format!("man pages: {dir}"));
    Ok(Outcome::Done)
}

mod markdown;

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;

use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::output;
use crate::program::Program;

/// Write man pages, one per command, to a folder
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["quiet", "dry_run"]))]
#[command(after_help = "Examples:
  neuron man ~/.local/share/man/man1
  neuron man --format markdown commands")]
pub(crate) struct Args {
    /// The folder for neuron.1, neuron-fvis.1, ...
    dir: PathBuf,
    /// What the pages are written in
    #[arg(long, value_enum, default_value = "roff")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As `man` reads them
    Roff,
    /// As web sites are made of them: neuron.md lists the others
    Markdown,
}

pub(crate) fn run(args: &Args, global: &Global, program: &Program) -> anyhow::Result<Outcome> {
    let dir = args.dir.display();
    if global.dry_run {
        let plan = json!({ "command": "man", "output": dir.to_string() });
        return global.print_plan(&format!("man pages would be written to {dir}\n"), &plan);
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot create the folder {dir}"))?;
    let definition = (program.definition)();
    match args.format {
        Format::Roff => clap_mangen::generate_to(definition, &args.dir)
            .with_context(|| format!("cannot write man pages to {dir}"))?,
        Format::Markdown => {
            for page in markdown::pages(definition) {
                output::write_bytes(&args.dir.join(page.file), page.text.as_bytes())?;
            }
        }
    }
    global.say(0, || format!("man pages: {dir}"));
    Ok(Outcome::Done)
}

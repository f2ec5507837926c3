mod lines;
mod summary;
mod units;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use neuron_demo::{Dataset, DemoError, Existing};
use serde_json::json;

use crate::command_line::CommandLine;
use crate::demo_network::DemoNetwork;
use crate::global::{self, Global};
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::program::Program;
use crate::progress::Progress;
use crate::{claim, interrupt, output};
use lines::{Lines, Places};
use units::DemoUnit;

/// Seed of the pictures: not the one that the networks were trained with, so that they have seen none of them.
const SEED: u64 = 2;

/// Run every step on a small generated data set
///
/// Draws twenty kinds of textures and shapes, and runs select-images, extract-patches, baseline, fvis and atlas on
/// these images with a small network that was trained on others of their kind: a residual network, or a DenseNet
/// (--arch densenet_demo). Each command is printed before it runs, so that you can repeat it as it is, or with your own
/// data and weights. Nothing is downloaded. Steps that an earlier run completed are kept; an interrupted step is
/// continued. The demo brings its own weights and data: --weights and --data have no effect.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["device", "precision", "threads", "config", "quiet", "verbose", "json", "dry_run", "overwrite"]))]
#[command(after_help = "Examples:
  neuron demo
  neuron demo --arch densenet_demo
  neuron demo --out shapes --units 20")]
pub(crate) struct Args {
    /// Architecture of the network to look into; each has its own folder of results
    #[arg(long = "arch", default_value = DemoNetwork::USUAL, value_parser = DemoNetwork::parser())]
    network: &'static DemoNetwork,
    /// Folder for the images and the results
    #[arg(long, default_value = "neuron-demo", value_name = "DIR")]
    out: PathBuf,
    /// Images to draw per class
    #[arg(long, default_value = "30", value_name = "N", value_parser = count)]
    pictures: NonZeroUsize,
    /// Maximum number of units to visualise: the most class-selective ones, one per class
    #[arg(long, default_value = "8", value_name = "N", value_parser = count)]
    units: NonZeroUsize,
    /// Steps of each visualisation
    #[arg(long, alias = "epochs", default_value = "500", value_name = "N", value_parser = count)]
    steps: NonZeroUsize,
}

pub(crate) fn run(args: &Args, global: &Global, program: &Program) -> anyhow::Result<Outcome> {
    if global.reference_compat {
        let message = "--reference-compat: the demo has nothing to compare with; leave it out";
        return Err(WrongUsage(message.to_owned()).into());
    }
    let places = Places::below(&args.out, args.network, args.pictures.get())?;
    let lines = Lines { places: &places, args, global };
    if global.dry_run {
        return plan(&lines);
    }

    let _claim = claim::take(&args.out, "demo", &["demo".to_owned()])?;
    let _caught = interrupt::caught();
    let demo = Demo { args, global, program };
    if demo.draw(Path::new(&places.data))? == Outcome::Interrupted {
        return Ok(demo.interrupted());
    }
    demo.write_weights(Path::new(&places.weights))?;
    let mut done = Vec::new();
    if demo.execute(lines.select_images(), &mut done)? == Outcome::Interrupted {
        return Ok(demo.interrupted());
    }
    let units = units::choose(&places.table(), args.pictures.get(), args.units.get())?;
    demo.say_units(&units)?;
    for line in lines.about(&units::channels(&units)).into_iter().chain([lines.atlas()]) {
        if demo.execute(line, &mut done)? == Outcome::Interrupted {
            return Ok(demo.interrupted());
        }
    }
    if global.json {
        return summary::print(args, &units, &done);
    }
    output::print(&format!("# open {}/index.html\n", places.atlas))?;
    Ok(Outcome::Done)
}

/// What would be done, as far as it can be known: the units are chosen by what the first command finds.
fn plan(lines: &Lines<'_>) -> anyhow::Result<Outcome> {
    let dataset = dataset(lines.args, lines.global);
    let (pictures, place) = (dataset.len(), &lines.places.data);
    let first = lines.select_images().to_string();
    let rest: Vec<String> =
        lines.about("UNITS").into_iter().chain([lines.atlas()]).map(|line| line.to_string()).collect();
    let text = format!(
        "# {pictures} pictures would be drawn into {place}\n{first}\n\
         # UNITS: the channels that this command shows to be the most class-selective\n{}\n",
        rest.join("\n")
    );
    let commands: Vec<&String> = [&first].into_iter().chain(&rest).collect();
    let plan = json!({ "command": "demo", "images": pictures, "data": place, "commands": commands });
    lines.global.print_plan(&text, &plan)
}

fn dataset(args: &Args, global: &Global) -> Dataset {
    let existing = if global.overwrite { Existing::Replace } else { Existing::Keep };
    Dataset { per_class: args.pictures.get(), seed: SEED, existing }
}

/// The steps of one run.
struct Demo<'a> {
    args: &'a Args,
    global: &'a Global,
    program: &'a Program,
}

impl Demo<'_> {
    fn draw(&self, folder: &Path) -> anyhow::Result<Outcome> {
        let dataset = dataset(self.args, self.global);
        let mut progress = Progress::new("drawing", "pictures", dataset.len(), 0, self.global.quiet);
        let drawn = dataset.write(folder, &mut |done| {
            progress.update(done, "");
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        progress.finish();
        match drawn {
            Err(DemoError::Stopped) => Ok(Outcome::Interrupted),
            drawn => drawn.context("cannot draw the pictures").map(|()| Outcome::Done),
        }
    }

    fn write_weights(&self, path: &Path) -> anyhow::Result<()> {
        let weights = self.args.network.weights;
        match std::fs::read(path) {
            Ok(found) if found == weights => Ok(()),
            Ok(_) if !self.global.overwrite => anyhow::bail!(
                "{} holds weights other than the demo's: add --overwrite to replace them, or choose another --out",
                path.display()
            ),
            _ => output::write_bytes(path, weights),
        }
    }

    /// Prints a command and runs what was printed, by the parser that reads what users type.
    fn execute(&self, line: CommandLine, done: &mut Vec<CommandLine>) -> anyhow::Result<Outcome> {
        if !self.global.json {
            output::print(&format!("{line}\n"))?;
        }
        let outcome = (self.program.run)(&line.words()).with_context(|| line.to_string())?;
        done.push(line);
        Ok(outcome)
    }

    fn say_units(&self, units: &[DemoUnit]) -> anyhow::Result<()> {
        if self.global.json {
            return Ok(());
        }
        let line = |unit: &DemoUnit| {
            let DemoUnit { channel, class, average_precision } = unit;
            format!("# channel {channel} finds {class} (average precision {average_precision:.2})\n")
        };
        output::print(&units.iter().map(line).collect::<String>())
    }

    fn interrupted(&self) -> Outcome {
        self.global.say(0, || "interrupted; run the same command again to continue".to_owned());
        Outcome::Interrupted
    }
}

mod maker;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use neuron_atlas::{Atlas, AtlasError, Event, Settings, Site, Written};
use serde_json::json;

use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::{claim, indices, interrupt, output};
use maker::Neuron;

/// Turn all results into an atlas: a static web site with a page per unit
///
/// Gathers the results of the other commands from anywhere below DIR: lists of images, patches, visualisations and
/// heat maps. The site needs neither a server nor a network connection: open its index.html. Pictures are scaled to
/// the size at which they are shown. Missing images and damaged results are left out and listed in skipped.tsv; use
/// --data if the images have moved.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["threads", "data", "config", "quiet", "json", "dry_run", "overwrite", "max_pixels", "strict"]))]
#[command(after_help = "Examples:
  neuron atlas results
  neuron atlas results --out site --patches 50 --images 24 --overwrite")]
pub(crate) struct Args {
    /// Folder with the results
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder for the site
    #[arg(long, default_value = "site", value_name = "DIR")]
    out: PathBuf,
    /// Number of patches on the page of a unit, from each command that found some
    #[arg(long, default_value_t = 24, value_name = "N")]
    patches: usize,
    /// Number of images on the page of a unit
    #[arg(long, default_value_t = 12, value_name = "N")]
    images: usize,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    indices::below(&args.folder);
    indices::below(args.folder.parent().unwrap_or(&args.folder));
    let atlas = Atlas::read(&args.folder, &Neuron)?;
    let settings = Settings {
        patches: args.patches,
        images: args.images,
        data: global.data_if_any()?.map(Path::to_owned),
        strict: global.strict,
        limits: global.limits(),
    };
    let site = Site::new(&atlas, settings);
    if global.dry_run {
        return plan(args, global, &atlas, &site);
    }
    let _claim = claim::take_folder(&args.out, "atlas")?;
    let _caught = interrupt::caught();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(global.threads);
    let threads = threads.build().context("cannot start the drawing threads")?;
    let progress = Mutex::new(None);
    let observe = |event| observe(event, &progress, global.quiet);
    let written = match threads.install(|| site.write(&args.out, global.overwrite, &observe)) {
        Err(AtlasError::Stopped) => {
            global.say(0, || "interrupted; nothing was written".to_owned());
            return Ok(Outcome::Interrupted);
        }
        written => written?,
    };
    report(args, global, &written)
}

fn observe(event: Event, progress: &Mutex<Option<Progress>>, quiet: bool) -> ControlFlow<()> {
    // A thread that panicked while it drew a bar has left nothing that matters.
    let mut progress = progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Event::Picture { done, total } = event {
        let bar = progress.get_or_insert_with(|| Progress::new("drawing", "pictures", total, 0, quiet));
        bar.update(done, "");
        if done == total {
            bar.finish();
        }
    }
    if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn plan(args: &Args, global: &Global, atlas: &Atlas, site: &Site<'_>) -> anyhow::Result<Outcome> {
    let (units, images, patches) = (atlas.units(), site.images(), site.patches());
    let out = args.out.display();
    let text =
        format!("units       {units}\nimages      {images}\npatches     {patches}\noutput      {out}\n");
    let plan = json!({
        "command": "atlas", "units": units, "images": images, "patches": patches, "output": out.to_string(),
    });
    global.print_plan(&text, &plan)
}

fn report(args: &Args, global: &Global, written: &Written) -> anyhow::Result<Outcome> {
    let Written { units, index, skipped } = written;
    if !skipped.is_empty() {
        global.say(0, || {
            let list = args.out.join("skipped.tsv");
            let count = skipped.len();
            let s = if count == 1 { "" } else { "s" };
            format!(
                "{count} file{s} could not be shown ({}); pass --data DIR if images have moved",
                list.display()
            )
        });
    }
    global.say(0, || format!("{units} units: open {}", index.display()));
    if global.json {
        let summary = json!({
            "command": "atlas",
            "units": units,
            "skipped": skipped.len(),
            "index": index.display().to_string(),
        });
        output::print(&format!("{summary:#}\n"))?;
    }
    Ok(Outcome::with_skipped(skipped.len()))
}

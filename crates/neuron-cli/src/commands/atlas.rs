use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, anyhow};
use neuron_atlas::{Atlas, AtlasError, Event, Settings, Site, Written};
use neuron_model::{Architecture, Weights};
use serde_json::json;

use crate::global::Global;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::{claim, interrupt, output};

/// Make a static site of everything that was found about units
///
/// Gathers what the other commands left below DIR, wherever it lies: lists of images, patches, visualisations and
/// heat maps. The site needs neither a server nor a network: open its index.html. Pictures are scaled to what is
/// shown. Images that are gone, and results that are damaged, are left out and listed in skipped.tsv; --data says where
/// images lie now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron atlas results
  neuron atlas results --out site --patches 50 --images 24 --overwrite")]
pub(crate) struct Args {
    /// Folder with results
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder for the site
    #[arg(long, default_value = "site", value_name = "DIR")]
    out: PathBuf,
    /// Patches on a unit's page, for each command that found some
    #[arg(long, default_value_t = 24, value_name = "N")]
    patches: usize,
    /// Images on a unit's page
    #[arg(long, default_value_t = 12, value_name = "N")]
    images: usize,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let atlas = Atlas::read(&args.folder, &layer_name).map_err(told)?;
    let settings = Settings {
        patches: args.patches,
        images: args.images,
        data: global.data.clone(),
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
    let threads = threads.build().context("cannot start the threads that draw")?;
    let progress = Mutex::new(None);
    let observe = |event| observe(event, &progress, global.quiet);
    let written = match threads.install(|| site.write(&args.out, global.overwrite, &observe)) {
        Err(AtlasError::Stopped) => {
            global.say(0, || "interrupted; nothing was written".to_owned());
            return Ok(Outcome::Interrupted);
        }
        written => written.map_err(told)?,
    };
    report(args, global, &written)
}

/// What went wrong, with the way out that the command line offers.
fn told(error: AtlasError) -> anyhow::Error {
    let way_out = match &error {
        AtlasError::NoResults { .. } => {
            "run `neuron select-images`, `baseline` or `fvis` first, or name another folder"
        }
        AtlasError::Present { .. } => "pass --overwrite to replace it, or another --out",
        AtlasError::NotAnAtlas { .. } => "choose another --out",
        AtlasError::Skipped { .. } => {
            "pass --data DIR if images have moved, or leave out --strict to skip it"
        }
        _ => return error.into(),
    };
    anyhow!("{error}; {way_out}")
}

/// The name that stands for all layers with the same value: the shortest.
///
/// A layer that this build does not know keeps its name.
fn layer_name(arch: &str, layer: &str) -> String {
    let Ok(architecture) = Architecture::from_name(arch) else { return layer.to_owned() };
    let graph = architecture.graph(&Weights::default());
    let Ok(tap) = graph.tap(layer) else { return layer.to_owned() };
    let same = graph.taps().filter(|other| other.node == tap.node);
    same.min_by_key(|other| other.name.len()).unwrap_or(tap).name
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
    if global.json {
        let plan = json!({
            "command": "atlas",
            "units": units,
            "images": images,
            "patches": patches,
            "output": args.out.display().to_string(),
        });
        output::print(&format!("{plan:#}\n"))?;
    } else {
        let out = args.out.display();
        output::print(&format!(
            "units       {units}\nimages      {images}\npatches     {patches}\noutput      {out}\n"
        ))?;
    }
    Ok(Outcome::Done)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_and_its_last_block_are_one() {
        assert_eq!(layer_name("resnet50", "layer4.2"), "layer4");
        assert_eq!(layer_name("resnet50", "layer4_2"), "layer4");
        assert_eq!(layer_name("resnet50", "layer4.1"), "layer4.1");
        assert_eq!(layer_name("resnet50", "layer9"), "layer9");
        assert_eq!(layer_name("a network of tomorrow", "layer4.2"), "layer4.2");
    }
}

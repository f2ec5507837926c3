mod job;
mod plan;
mod results;
mod stale;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use neuron_data::{Dataset, Preprocessing};
use neuron_model::{Network, Positions, Tap};
use serde::{Deserialize, Serialize};

use crate::channels::{self, Channels};
use crate::global::Global;
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::positions::{self, PositionsFlag};
use crate::scan::{Identity, Scan, ScanFlags, Source, SourceFlags, loaded_together};
use crate::usual::{ARCH, Usual};
use crate::{exported, indices, layer_folder};

pub(super) use results::write_merged;

/// Find the images that excite each unit most, in one pass over a data set
///
/// A unit's score on an image is the maximum of its activation map. For every channel of every requested layer, the
/// best images are listed, best first, in <out>/<arch>/neuron_<layer>/<channel>/files_all.txt; topk.parquet holds
/// all lists with their scores. Memory does not grow with the data set. An interrupted run (Ctrl-C, SIGTERM, a
/// crash) can be resumed with --resume; the results are byte-identical.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron select-images --data imagenet --layer layer4
  neuron select-images --data imagenet --layer layer2,layer3,layer4.2 --topk-images 1000
  neuron select-images --data imagenet --shard 1/8 --out shards   # one of eight machines, then `neuron merge`")]
pub(crate) struct Args {
    /// Layers, separated by commas; `neuron layers` lists them
    #[arg(
        long = "layer",
        visible_alias = "layers",
        alias = "target-layer",
        default_value = Usual::Layer.value(), default_value_ifs = Usual::Layer.values_by_arch(),
        value_name = "LAYERS",
        value_delimiter = ','
    )]
    layers: Vec<String>,
    /// Architecture
    #[arg(long, default_value = ARCH)]
    arch: String,
    /// Maximum batch size; does not affect results
    #[arg(long, default_value = "512", value_name = "N", value_parser = count)]
    batch_size: NonZeroUsize,
    /// Images to keep for each channel
    #[arg(long, default_value = "10000", value_name = "N", value_parser = count)]
    topk_images: NonZeroUsize,
    #[command(flatten)]
    source: SourceFlags,
    /// Channels, such as 0-63,162, or all
    #[arg(long, visible_alias = "channel", default_value = "all")]
    channels: Channels,
    #[command(flatten)]
    positions: PositionsFlag,
    /// Folder for the results
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    pub(super) scan: ScanFlags,
}

/// What decides the result; kept in checkpoints, so that shards can be merged without repeating the flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) arch: String,
    pub(super) layers: Vec<Layer>,
    pub(super) topk_images: usize,
    #[serde(flatten)]
    pub(super) source: Source,
    pub(super) reduction: String,
    #[serde(default, skip_serializing_if = "positions::are_all")]
    pub(super) positions: Positions,
}

/// A layer of which the units are scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Layer {
    /// As it was typed: part of the folder's name.
    pub(super) typed: String,
    /// The canonical name.
    pub(super) tap: String,
    /// Channels that are kept.
    pub(super) channels: Vec<usize>,
    /// Positions before those of the grid.
    #[serde(default, skip_serializing_if = "positions::are_none")]
    pub(super) extra: usize,
    /// Width of the grid, which turns a position into (y, x).
    pub(super) map_width: usize,
}

impl Layer {
    /// Row and column of a position in the grid; -1 where it has no place there.
    pub(super) fn place(&self, position: u32) -> (i32, i32) {
        let Some(position) = (position as usize).checked_sub(self.extra) else { return (-1, -1) };
        ((position / self.map_width) as i32, (position % self.map_width) as i32)
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let network = global.network(&args.arch)?;
    let preprocessing = global.preprocessing(&network)?;
    let taps = taps(&network, &args.layers)?;
    let settings = settings(args, global, &network, &preprocessing, &taps)?;
    let shard = args.scan.shard()?;
    indices::beside(&args.out.join(exported::name(&args.arch)), global);
    let dataset = Arc::new(settings.source.open()?);
    global.say_notices(&dataset);
    let identity = identity(&network, &preprocessing, &settings, &dataset).within(&global.limits());
    let results =
        results::Results { settings: &settings, identity: &identity, dataset: &dataset, out: &args.out };
    let scan = Scan {
        label: "select-images",
        dataset: dataset.clone(),
        preprocessing: preprocessing.clone(),
        shard,
        identity: identity.clone(),
        destination: results.destination(shard),
        batch_size: args.batch_size.get().min(loaded_together(network.device())),
        threads: network.threads(),
        flags: &args.scan,
        global,
    };
    if global.dry_run {
        let (network, settings) = (&network, &settings);
        let request = plan::Request {
            args,
            network,
            taps: &taps,
            preprocessing: &preprocessing,
            settings,
            dataset: &dataset,
        };
        return scan.print_plan(plan::plan(&request)?, network);
    }
    if settings.topk_images > dataset.len() {
        global.say(0, || format!("the data set has {} images: all of them are kept", dataset.len()));
    }
    let job = job::SelectImages::new(&network, &taps, &preprocessing, &settings, &dataset)?;
    scan.drive(job, |job, skipped| {
        results.write(job.into_lists(), skipped)?;
        Ok(Outcome::Done)
    })
}

fn taps(network: &Network, names: &[String]) -> anyhow::Result<Vec<Tap>> {
    let taps = names.iter().map(|name| network.tap(name)).collect::<Result<Vec<_>, _>>()?;
    for (index, tap) in taps.iter().enumerate() {
        if taps[..index].iter().any(|earlier| earlier.name == tap.name) {
            return Err(WrongUsage(format!("--layer names {} twice", tap.name)).into());
        }
        let name = &names[index];
        let has_its_folder = |earlier: &&String| layer_folder::of(earlier) == layer_folder::of(name);
        if let Some(earlier) = names[..index].iter().find(has_its_folder) {
            let message = format!(
                "{earlier} and {name} would have the same folder: scan one at a time, each with its own --out"
            );
            return Err(WrongUsage(message).into());
        }
    }
    Ok(taps)
}

fn settings(
    args: &Args,
    global: &Global,
    network: &Network,
    preprocessing: &Preprocessing,
    taps: &[Tap],
) -> anyhow::Result<Settings> {
    let side = preprocessing.crop;
    let positions = args.positions.of(network, taps, side)?;
    let layer = |(typed, tap): (&String, &Tap)| -> anyhow::Result<Layer> {
        let channels = channels::sorted(&args.channels, tap, network.channels(tap))?;
        let shape = network.graph().shape(tap, (side, side))?;
        Ok(Layer {
            typed: typed.trim().to_owned(),
            tap: tap.name.clone(),
            channels,
            extra: shape.extra,
            map_width: shape.width,
        })
    };
    Ok(Settings {
        arch: args.arch.clone(),
        layers: args.layers.iter().zip(taps).map(layer).collect::<Result<_, _>>()?,
        topk_images: args.topk_images.get(),
        source: Source::new(global.data()?, &args.source),
        reduction: "max".to_owned(),
        positions,
    })
}

fn identity(
    network: &Network,
    preprocessing: &Preprocessing,
    settings: &Settings,
    dataset: &Dataset,
) -> Identity {
    Identity::of("select-images", network, preprocessing)
        .with("settings", settings)
        .with("images", dataset.len())
        .with("dataset_fingerprint", dataset.fingerprint())
}

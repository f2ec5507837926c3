mod job;
mod reference;
mod results;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use neuron_data::{Dataset, Preprocessing};
use neuron_model::{Network, Positions, Tap};
use neuron_patches::Windows;
use serde::{Deserialize, Serialize};

use crate::channels::{self, Channels};
use crate::global::Global;
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::patches::{Boxes, Drawing, DrawingFlags, Kept, WindowInput, WindowScorer, disk_bytes};
use crate::positions::{self, PositionsFlag};
use crate::scan::{Identity, Plan, Scan, ScanFlags, Source, SourceFlags};
use crate::usual::{ARCH, Usual};
use crate::{exported, indices};
use job::Baseline;
use results::Results;

pub(super) use results::write_merged;

/// Find the patches that drive units, among the windows of all images
///
/// Every image is cut into windows that overlap by a fifth. Each window is resized to the network's usual input
/// size; its score for a unit is the mean of the unit's activation map. The best patches, at most one per image, are
/// written to <out>/<arch>/neuron_<layer>/<channel>/top<k> as patches.png, files.txt, topk_files.txt (the same
/// list) and patches.parquet. An interrupted run can be resumed with --resume; the results are byte-identical.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron baseline --data imagenet --layer layer4_2 --channels 54,1935
  neuron baseline --data imagenet --channels all --shard 1/8 --out shards   # one of eight machines, then `neuron merge`")]
pub(crate) struct Args {
    /// Layer of the units; `neuron layers` lists them
    #[arg(long, alias = "target-layer", default_value = Usual::Block.value(), default_value_ifs = Usual::Block.values_by_arch(), value_name = "LAYER")]
    layer: String,
    /// Architecture
    #[arg(long, default_value = ARCH)]
    arch: String,
    /// Maximum batch size; affects results only with --reference-compat
    #[arg(long, default_value = "256", value_name = "N", value_parser = count)]
    batch_size: NonZeroUsize,
    /// Patch side in crop pixels
    #[arg(long, default_value = "64", value_name = "PX", value_parser = count)]
    patch_size: NonZeroUsize,
    /// Channels, such as 0-63,162, or all
    #[arg(long, visible_alias = "channel", alias = "chs", default_value = "54,1935")]
    channels: Channels,
    #[command(flatten)]
    positions: PositionsFlag,
    #[command(flatten)]
    source: SourceFlags,
    /// Patches to keep for each channel
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    topk_patches: NonZeroUsize,
    /// Folder for the results
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// Patches in a row of patches.png
    #[arg(long, default_value = "5", value_name = "N", value_parser = count)]
    grid_columns: NonZeroUsize,
    #[command(flatten)]
    drawing: DrawingFlags,
    #[command(flatten)]
    pub(super) scan: ScanFlags,
}

/// What decides the result; kept in checkpoints, so that shards can be merged without repeating the flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settings {
    arch: String,
    /// The layer as it was typed: part of the folder's name.
    typed_layer: String,
    /// Its canonical name.
    layer: String,
    /// As they are typed.
    channels: String,
    boxes: Boxes,
    topk_patches: usize,
    rule: Rule,
    #[serde(flatten)]
    source: Source,
    drawing: Drawing,
    #[serde(default, skip_serializing_if = "positions::are_all")]
    positions: Positions,
}

/// Which patches are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Rule {
    /// The best, at most one of an image.
    Exact,
    /// What is left by the rule of the reference, which depends on its batches.
    Reference { batch_size: usize },
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let network = global.network(&args.arch)?;
    let preprocessing = global.preprocessing(&network)?;
    let tap = network.tap(&args.layer)?;
    let channels = channels::sorted(&args.channels, &tap, network.channels(&tap))?;
    let windows = Windows::baseline(args.patch_size.get(), preprocessing.crop, preprocessing.crop)?;
    let boxes = Boxes::windows(&windows, preprocessing.crop);
    let positions = args.positions.of(&network, std::slice::from_ref(&tap), preprocessing.crop)?;
    let settings = Settings { positions, ..settings(args, global, &tap, &channels, boxes)? };
    let shard = args.scan.shard()?;
    indices::beside(&args.out.join(exported::name(&args.arch)), global);
    let dataset = Arc::new(settings.source.open()?);
    global.say_notices(&dataset);
    let how = (WindowInput::Resized, positions);
    let scorer = WindowScorer::new(&network, &tap, &preprocessing, windows, how)?;
    let identity = identity(&network, &preprocessing, &settings, &dataset).within(&global.limits());
    let results = Results {
        settings: &settings,
        identity: &identity,
        preprocessing: &preprocessing,
        dataset: &dataset,
        channels: &channels,
        out: &args.out,
        limits: global.limits(),
        quiet: global.quiet,
    };
    let scan = Scan {
        label: "baseline",
        dataset: dataset.clone(),
        preprocessing: preprocessing.clone(),
        shard,
        identity: identity.clone(),
        destination: results.destination(shard),
        batch_size: args.batch_size.get().min(scorer.images_together()),
        threads: network.threads(),
        flags: &args.scan,
        global,
    };
    if global.dry_run {
        let plan = plan(args, &settings, scorer, dataset.len(), channels.len())?;
        let notices = dataset.notices().iter().map(ToString::to_string).collect();
        return scan.print_plan(Plan { notices, ..plan }, &network);
    }
    if settings.topk_patches > dataset.len() {
        global.say(0, || format!("the data set has {} images: one patch of each is kept", dataset.len()));
    }
    let job = Baseline::new(scorer, &dataset, &channels, args.topk_patches, settings.rule)?;
    scan.drive(job, |job, skipped| {
        let kept = job.into_kept(&settings.boxes)?;
        say_short_lists(global, &settings, &channels, &kept);
        results.write(kept, skipped)
    })
}

fn settings(
    args: &Args,
    global: &Global,
    tap: &Tap,
    channels: &[usize],
    boxes: Boxes,
) -> anyhow::Result<Settings> {
    let rule = match global.reference_compat {
        false => Rule::Exact,
        true if args.scan.shard.is_none() => Rule::Reference { batch_size: args.batch_size.get() },
        true => {
            let message = "--reference-compat: the reference's rule depends on the order of all images; leave out --shard";
            return Err(WrongUsage(message.into()).into());
        }
    };
    Ok(Settings {
        arch: args.arch.clone(),
        typed_layer: args.layer.trim().to_owned(),
        layer: tap.name.clone(),
        channels: channels::as_typed(channels),
        boxes,
        topk_patches: args.topk_patches.get(),
        rule,
        source: Source::new(global.data()?, &args.source),
        drawing: Drawing::new(&args.drawing, args.grid_columns.get(), None),
        positions: Positions::default(),
    })
}

/// The reference's rule can lose patches; it fails there itself.
fn say_short_lists(global: &Global, settings: &Settings, channels: &[usize], kept: &[Vec<Kept>]) {
    if settings.rule == Rule::Exact {
        return;
    }
    for (channel, kept) in channels.iter().zip(kept).filter(|(_, kept)| kept.len() < settings.topk_patches) {
        let (found, wanted) = (kept.len(), settings.topk_patches);
        global
            .say(0, || format!("channel {channel}: the reference's rule leaves {found} of {wanted} patches"));
    }
}

fn identity(
    network: &Network,
    preprocessing: &Preprocessing,
    settings: &Settings,
    dataset: &Dataset,
) -> Identity {
    Identity::of("baseline", network, preprocessing)
        .with("settings", settings)
        .with("images", dataset.len())
        .with("dataset_fingerprint", dataset.fingerprint())
}

fn plan(
    args: &Args,
    settings: &Settings,
    mut scorer: WindowScorer,
    images: usize,
    channels: usize,
) -> anyhow::Result<Plan> {
    let kept = settings.topk_patches.min(images);
    Ok(Plan {
        command: "baseline",
        layers: vec![settings.layer.clone()],
        forwards_per_image: scorer.windows().len(),
        channels,
        kept_per_channel: kept,
        other_memory_bytes: 0.0,
        disk_bytes: disk_bytes(channels, kept, settings.boxes.side_px()),
        seconds_per_forward: scorer.seconds_per_forward()?,
        output: args.out.join(exported::name(&settings.arch)),
        notices: Vec::new(),
    })
}

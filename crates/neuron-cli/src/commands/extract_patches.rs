mod image_scores;
mod job;
mod lists;
mod results;
mod scorer;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use neuron_data::Preprocessing;
use neuron_model::{Network, Positions, Tap};
use neuron_patches::Windows;
use neuron_topk::TopK;
use serde::{Deserialize, Serialize};

use crate::channels::{self, Channels};
use crate::global::Global;
use crate::indices;
use crate::numbers::count;
use crate::origin::Origin;
use crate::outcome::{Outcome, WrongUsage};
use crate::patches::{Boxes, Drawing, DrawingFlags, WindowInput, WindowScorer, disk_bytes};
use crate::place::Place;
use crate::positions::{self, PositionsFlag};
use crate::scan::{Identity, Plan, Scan, ScanFlags};
use crate::usual::{ARCH, Usual};
use job::ExtractPatches;
use lists::Lists;
use results::Results;
use scorer::{FieldScorer, Scorer};

pub(super) use results::write_merged;

/// Patches that the reference draws.
const REFERENCE_DRAWS: usize = 16;

/// Find the patches that drive units, in the images that excite them most
///
/// Every image in the lists of the units (<out>/<channel>/files_all.txt, as written by select-images) is visited
/// once. It is cut into windows that overlap by half, and the network sees each window once; the window's score for
/// a unit is the mean of the unit's activation map. The best window of every image is ranked, and the best patches
/// are written to <out>/<channel> as patches.png, topk_files.txt and patches.parquet. An interrupted run can be
/// resumed with --resume; the results are byte-identical.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron extract-patches --channels 162
  neuron extract-patches --channels all --out results/resnet50/neuron_layer4
  neuron extract-patches --channels 0-63 --method receptive-field --patch-size field")]
pub(crate) struct Args {
    /// Layer of the units; `neuron layers` lists them
    #[arg(long, alias = "target-layer", default_value = Usual::Layer.value(), default_value_ifs = Usual::Layer.values_by_arch(), value_name = "LAYER")]
    layer: String,
    /// Architecture
    #[arg(long, default_value = ARCH)]
    arch: String,
    /// Patch side in crop pixels, or (with --method receptive-field) `field` for the whole receptive field
    #[arg(long, default_value = "32", value_name = "PX")]
    patch_size: PatchSize,
    /// Patches to keep for each channel
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    topk_patches: NonZeroUsize,
    /// Folder of the layer: it holds the lists of the channels, and the results go there
    #[arg(long, alias = "save-dir", default_value = Usual::Folder.value(), default_value_ifs = Usual::Folder.values_by_arch(), value_name = "DIR")]
    out: PathBuf,
    /// Channels, such as 162 or 0-63,162, or all that have a list
    #[arg(long, visible_alias = "channel", default_value = "162")]
    channels: Channels,
    /// How patches are found in an image
    #[arg(long, default_value = "sliding")]
    method: Method,
    #[command(flatten)]
    positions: PositionsFlag,
    /// Maximum batch size; does not affect results
    #[arg(long, default_value = "512", value_name = "N", value_parser = count)]
    batch_size: NonZeroUsize,
    /// Patches in a row of patches.png
    #[arg(long, default_value = "4", value_name = "N", value_parser = count)]
    grid_columns: NonZeroUsize,
    #[command(flatten)]
    drawing: DrawingFlags,
    #[command(flatten)]
    pub(super) scan: ScanFlags,
}

/// How patches are found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// Run the network on every window by itself; the best has the highest mean activation
    Sliding,
    /// Run the network on the whole image once, and cut around the highest activation: about 100 times faster
    ReceptiveField,
}

/// The value of `--patch-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatchSize {
    Pixels(usize),
    /// As large as the receptive field.
    Field,
}

/// A text that is no size of patches.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of pixels, at least 1, or field")]
struct ParsePatchSizeError;

impl FromStr for PatchSize {
    type Err = ParsePatchSizeError;

    fn from_str(text: &str) -> Result<Self, ParsePatchSizeError> {
        match text.parse::<NonZeroUsize>() {
            _ if text == "field" => Ok(Self::Field),
            Ok(pixels) => Ok(Self::Pixels(pixels.get())),
            Err(_) => Err(ParsePatchSizeError),
        }
    }
}

/// What decides the result; kept in checkpoints, so that shards can be merged without repeating the flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settings {
    arch: String,
    /// Canonical name of the layer.
    layer: String,
    /// As they are typed.
    channels: String,
    method: Method,
    boxes: Boxes,
    topk_patches: usize,
    /// What windows are made of.
    input: Input,
    #[serde(default, skip_serializing_if = "positions::are_all")]
    positions: Positions,
    save_dir: Place,
    data: Option<Place>,
    drawing: Drawing,
}

impl Settings {
    fn window_input(&self, network: &Network, tap: &Tap) -> WindowInput {
        WindowInput::of(network, tap, self.boxes.side_px(), self.boxes.crop_px())
    }
}

/// What the network is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Input {
    /// Normalised with mean and standard deviation, as the network was trained.
    Normalised,
    /// Values of 0..1, as the reference feeds windows.
    Raw,
}

impl Input {
    fn preprocessing(self, preprocessing: &Preprocessing) -> Preprocessing {
        match self {
            Self::Normalised => preprocessing.clone(),
            Self::Raw => Preprocessing { mean: [0.0; 3], std: [1.0; 3], ..preprocessing.clone() },
        }
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let network = global.network(&args.arch)?;
    let preprocessing = global.preprocessing(&network)?;
    let tap = network.tap(&args.layer)?;
    indices::beside_lists(&args.out, global);
    let origin = Origin::of(&args.out)?;
    if let Some(origin) = &origin {
        for note in origin.check(&network, &tap, &preprocessing)? {
            global.say(0, || note);
        }
        origin.say_moved(global.data_if_any()?, global);
    }
    let channels = lists::channels_with_lists(&args.channels, &args.out)?;
    let channels = channels::sorted(&channels, &tap, network.channels(&tap))?;
    let settings = settings(args, global, &network, &tap, &preprocessing, &channels)?;
    let scorer = scorer(&settings, &network, &tap, &preprocessing)?;
    let lookup = Origin::lookup(&[origin.as_ref()], global.data_if_any()?);
    let lists = Lists::read(&args.out, &channels, &lookup)?;
    let shard = args.scan.shard()?;
    let identity = identity(&network, &preprocessing, &settings, &lists).within(&global.limits());
    let results = Results {
        settings: &settings,
        identity: &identity,
        preprocessing: &preprocessing,
        lists: &lists,
        folder: &args.out,
        limits: global.limits(),
        quiet: global.quiet,
    };
    let scan = Scan {
        label: "extract-patches",
        dataset: lists.dataset().clone(),
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
        let notices = lists.notices().into_iter().chain(resized(&settings, &network, &tap)).collect();
        return scan.print_plan(Plan { notices, ..plan(&settings, scorer, &lists)? }, &network);
    }
    lists.notices().into_iter().for_each(|notice| global.say(0, || notice));
    resized(&settings, &network, &tap).into_iter().for_each(|notice| global.say(0, || notice));
    say_short_lists(global, &settings, &lists);
    let job = ExtractPatches::new(scorer, &lists, args.topk_patches);
    scan.drive(job, |job, skipped| {
        let best = job.into_best();
        say_whole(global, &settings, &lists, &best);
        results.write(&best, skipped)
    })
}

/// Says that windows are resized, and what that costs.
fn resized(settings: &Settings, network: &Network, tap: &Tap) -> Option<String> {
    let is_sliding = settings.method == Method::Sliding;
    (is_sliding && settings.window_input(network, tap) == WindowInput::Resized).then(|| {
        let (name, side, crop) = (network.name(), settings.boxes.side_px(), settings.boxes.crop_px());
        format!(
            "{name} takes no images of {side} x {side} pixels: each window is resized to {crop} x {crop}, and costs as much \
             as a whole image; --method receptive-field costs one pass for each image"
        )
    })
}

/// Says where patches are whole images, because what is strongest there has no place.
fn say_whole(global: &Global, settings: &Settings, lists: &Lists, best: &TopK) {
    for unit in 0..best.channels() {
        let kept = best.channel(unit);
        let whole = kept.iter().filter(|entry| settings.boxes.is_whole(entry.payload)).count();
        if whole > 0 {
            let (channel, kept) = (lists.channel(unit), kept.len());
            global.say(0, || {
                format!(
                    "channel {channel}: {whole} of {kept} patches are whole images: the unit is strongest at the class \
                     token, which has no place (--positions grid leaves it out)"
                )
            });
        }
    }
}

fn settings(
    args: &Args,
    global: &Global,
    network: &Network,
    tap: &Tap,
    preprocessing: &Preprocessing,
    channels: &[usize],
) -> anyhow::Result<Settings> {
    let compat = global.reference_compat;
    if compat && args.method == Method::ReceptiveField {
        return Err(WrongUsage("--reference-compat: the reference has only --method sliding".into()).into());
    }
    let crop = preprocessing.crop;
    let boxes = match (args.method, args.patch_size) {
        (Method::Sliding, PatchSize::Pixels(size)) => {
            Boxes::windows(&Windows::sliding(size, crop, crop)?, crop)
        }
        (Method::Sliding, PatchSize::Field) => {
            let message = "--patch-size field needs --method receptive-field";
            return Err(WrongUsage(message.into()).into());
        }
        (Method::ReceptiveField, PatchSize::Pixels(size)) => Boxes::fields(network, tap, Some(size), crop)?,
        (Method::ReceptiveField, PatchSize::Field) => Boxes::fields(network, tap, None, crop)?,
    };
    Ok(Settings {
        arch: args.arch.clone(),
        layer: tap.name.clone(),
        channels: channels::as_typed(channels),
        method: args.method,
        boxes,
        topk_patches: args.topk_patches.get(),
        input: if compat { Input::Raw } else { Input::Normalised },
        positions: args.positions.of(network, std::slice::from_ref(tap), crop)?,
        save_dir: Place::new(&args.out),
        data: global.data.as_deref().map(Place::new),
        drawing: Drawing::new(&args.drawing, args.grid_columns.get(), compat.then_some(REFERENCE_DRAWS)),
    })
}

fn scorer(
    settings: &Settings,
    network: &Network,
    tap: &Tap,
    preprocessing: &Preprocessing,
) -> anyhow::Result<Scorer> {
    let input = settings.input.preprocessing(preprocessing);
    Ok(match settings.method {
        Method::Sliding => {
            let windows = Windows::sliding(settings.boxes.side_px(), preprocessing.crop, preprocessing.crop)?;
            let how = (settings.window_input(network, tap), settings.positions);
            Scorer::Windows(WindowScorer::new(network, tap, &input, windows, how)?)
        }
        Method::ReceptiveField => Scorer::Fields(FieldScorer::new(network, tap, &input, settings.positions)?),
    })
}

/// Says where a list is shorter than what is to be kept.
fn say_short_lists(global: &Global, settings: &Settings, lists: &Lists) {
    let short: Vec<usize> =
        (0..lists.units()).filter(|unit| lists.len(*unit) < settings.topk_patches).collect();
    let Some(first) = short.first() else { return };
    let first = lists.len(*first);
    global.say(0, || match short.len() {
        1 => format!("the list has {first} images: one patch of each is kept"),
        units => format!("{units} lists have fewer than {} images: all are kept", settings.topk_patches),
    });
}

fn identity(
    network: &Network,
    preprocessing: &Preprocessing,
    settings: &Settings,
    lists: &Lists,
) -> Identity {
    Identity::of("extract-patches", network, preprocessing)
        .with("settings", settings)
        .with("images", lists.dataset().len())
        .with("dataset_fingerprint", lists.dataset().fingerprint())
        .with("lists_sha256", lists.sha256())
}

fn plan(settings: &Settings, mut scorer: Scorer, lists: &Lists) -> anyhow::Result<Plan> {
    let longest = (0..lists.units()).map(|unit| lists.len(unit)).max().unwrap_or(0);
    let kept = settings.topk_patches.min(longest);
    Ok(Plan {
        command: "extract-patches",
        layers: vec![settings.layer.clone()],
        forwards_per_image: scorer.forwards_per_image(),
        channels: lists.units(),
        kept_per_channel: kept,
        other_memory_bytes: lists.memory_bytes(),
        disk_bytes: disk_bytes(lists.units(), kept, settings.boxes.side_px()),
        seconds_per_forward: scorer.seconds_per_forward()?,
        output: settings.save_dir.to_path_buf(),
        notices: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_sizes_parse() {
        assert_eq!("64".parse(), Ok(PatchSize::Pixels(64)));
        assert_eq!("field".parse(), Ok(PatchSize::Field));
        for wrong in ["0", "-1", "", "all"] {
            assert!(wrong.parse::<PatchSize>().is_err(), "{wrong:?}");
        }
    }
}

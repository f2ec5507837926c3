mod curve;
mod display;
mod failure;
mod identities;
mod names;
pub(crate) mod patches;
mod plan;
mod record;
mod references;
mod report;
mod results;
mod start;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use neuron_data::Preprocessing;
use neuron_fvis::{
    FvisError, ImagePriors, Item, LayerWeights, Optimizer, Preset, Schedule, Settings, Start, Unit,
};
use neuron_model::{PixelRange, RelevanceMethod};

use crate::channels::Channels;
use crate::global::Global;
use crate::interrupt;
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::scan::{Identity, seconds};
use crate::usual::{ARCH, Usual};

use display::Display;
use identities::Identities;
use references::References;
use results::{EarlierRun, Results};

/// Pictures that a GPU takes together: one alone would leave most of it idle. Fewer where memory is short.
const AT_ONCE_ON_A_GPU: usize = 16;

/// Optimise a picture whose features are distributed like those of a unit's images
///
/// The picture starts as noise. In every step, the features that are relevant to the unit (by layer-wise relevance
/// propagation or guided backpropagation) are sorted within each channel and moved towards the sorted features of
/// the unit's reference images, which `extract-patches` or `baseline` listed. Several units are optimised side by
/// side, each as if it were alone. Ctrl-C writes the picture so far and a checkpoint; --resume continues, and the
/// results are byte-identical.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron fvis --layer layer4_2 --channels 1935 --topk-dir resnet50/neuron_layer4
  neuron fvis --channels 54,162,1935 --steps 400 --save-every 100
  neuron fvis --channels 1935 --method GuidedBackprop --exp-name guided")]
pub(crate) struct Args {
    /// Architecture
    #[arg(long, default_value = ARCH, alias = "arch_name", alias = "arch-name")]
    arch: String,
    /// Layer of the units; `neuron layers` lists them
    #[arg(long, alias = "target-layer", default_value = Usual::Block.value(), default_value_ifs = Usual::Block.values_by_arch(), value_name = "LAYER")]
    layer: String,
    /// Channels, such as 1935 or 0-3,162, or all; several are optimised side by side in one run. The default is a unit
    /// of a ResNet-50; layers with fewer channels need this flag
    #[arg(long, visible_alias = "channel", default_value = "1935")]
    channels: Channels,
    /// Folder in which `extract-patches` or `baseline` wrote the folders of the units
    #[arg(long, default_value = Usual::Folder.value(), default_value_ifs = Usual::Folder.values_by_arch(), value_name = "DIR")]
    topk_dir: PathBuf,
    /// Number of steps of --schedule single
    #[arg(long, alias = "epochs", default_value_t = 2000, value_name = "N")]
    steps: usize,
    /// Method of attribution: LRP, LRPRestricted or GuidedBackprop
    #[arg(long, default_value = "LRP", value_name = "METHOD")]
    method: RelevanceMethod,
    /// Number of reference images per unit
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    num_real_img: NonZeroUsize,
    /// Folder for the results
    #[arg(long, alias = "folder-name", default_value = "images", value_name = "DIR")]
    out: PathBuf,
    /// Name of the result files [default: <arch>_<layer>_unit<channel>]
    #[arg(long, value_name = "NAME")]
    exp_name: Option<String>,
    /// Weights of the feature layers from the image upwards, or LAYER=W,... [default: those of the network's family;
    /// 0.1,1,1,1,0 for conv1 and layer1 to layer4 of residual networks]
    #[arg(long, value_name = "W,W,...")]
    layer_weights: Option<LayerWeights>,
    /// Side of the picture, in pixels
    #[arg(long, default_value = "224", value_name = "PIXELS", value_parser = side)]
    resolution: NonZeroUsize,
    /// Pictures per unit, each from its own start
    #[arg(long, alias = "bs", default_value = "1", value_name = "N", value_parser = copies)]
    copies: NonZeroUsize,
    /// Largest shift of the picture in a step, in pixels
    #[arg(long, default_value_t = 30, value_name = "PIXELS")]
    jitter: usize,
    /// Mirror the picture in half of the steps, at random
    #[arg(long)]
    do_flip: bool,
    /// Schedule of the steps
    #[arg(long, alias = "setting-id", value_enum, default_value = "single")]
    schedule: ScheduleFlag,
    /// Learning rate
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    lr: f64,
    /// Weight of the feature loss
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    feat_dist: f64,
    /// Weight of the total variation (L1: sum of absolute differences)
    #[arg(long, default_value_t = 0.0, value_name = "X", allow_negative_numbers = true)]
    tv_l1: f64,
    /// Weight of the total variation (L2: sum of gradient norms)
    #[arg(long, default_value_t = 3e-7, value_name = "X", allow_negative_numbers = true)]
    tv_l2: f64,
    /// Weight of the L2 norm of the picture
    #[arg(long, default_value_t = 3e-7, value_name = "X", allow_negative_numbers = true)]
    l2: f64,
    /// Seed of the start picture and of the jitter
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Start from a file: a picture, or safetensors with `init` and optionally `offsets`
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
    /// Stop after N steps of the schedule; --resume continues
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// What the picture is compared with: the listed images as a whole, or the patches cut from them
    #[arg(long, value_enum, default_value = "images")]
    references: Kind,
    /// Also write the picture every N steps
    #[arg(long, value_name = "N", value_parser = count)]
    save_every: Option<NonZeroUsize>,
    /// Continue an interrupted run
    #[arg(long)]
    resume: bool,
    /// Seconds between checkpoints: a killed run loses at most that much work
    #[arg(long, default_value_t = 60.0, value_name = "SECS", value_parser = seconds)]
    checkpoint_every: f64,
}

/// The value of `--resolution`: a larger picture would not fit into any machine's memory with its maps.
fn side(text: &str) -> Result<NonZeroUsize, String> {
    const LARGEST: usize = 4096;
    let side = text.parse().ok().filter(|side: &NonZeroUsize| side.get() <= LARGEST);
    side.ok_or_else(|| format!("expected a number of pixels, 1 to {LARGEST}"))
}

/// The value of `--copies`: all of them are in memory together.
fn copies(text: &str) -> Result<NonZeroUsize, String> {
    const MOST: usize = 1024;
    let copies = text.parse().ok().filter(|copies: &NonZeroUsize| copies.get() <= MOST);
    copies.ok_or_else(|| format!("expected a number of pictures, 1 to {MOST}"))
}

/// The value of `--schedule`; the reference implementation numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScheduleFlag {
    /// 2000 steps at half size, then 1000 at full size
    #[value(alias = "0")]
    CoarseToFine,
    /// --steps steps at full size
    #[value(alias = "1")]
    Single,
    /// 20,000 steps at full size, with no limit on the pixels' values
    #[value(alias = "2")]
    Unclamped,
}

impl From<ScheduleFlag> for Preset {
    fn from(flag: ScheduleFlag) -> Self {
        match flag {
            ScheduleFlag::CoarseToFine => Self::CoarseToFine,
            ScheduleFlag::Single => Self::Single,
            ScheduleFlag::Unclamped => Self::Unclamped,
        }
    }
}

/// What references are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Images,
    Patches,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Patches => "patches",
        }
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let network = global.network(&args.arch)?;
    let target = network.tap(&args.layer)?;
    let channels = args.channels.of(&target, network.channels(&target))?;
    let weights_preprocessing = global.preprocessing(&network)?;
    let preprocessing = at_resolution(&weights_preprocessing, args.resolution.get());
    let at_once = if network.device().is_cpu() { Settings::default().at_once } else { AT_ONCE_ON_A_GPU };
    let mut settings = Settings { at_once, ..settings(args, &preprocessing)? };
    // Before anything is read or computed: a layer below which there are no features is an error of usage.
    let wrong = |error: FvisError| WrongUsage(error.to_string());
    settings.layer_weights = settings.layer_weights.resolved(&network).map_err(wrong)?;
    settings.layer_weights.below(&network, &target).map_err(wrong)?;
    let search = references::Search::new(args, global, &network, &target, &preprocessing)?;
    let plan = || {
        let listed = channels.iter().map(|channel| search.count(*channel));
        let references = listed.sum::<anyhow::Result<usize>>()?;
        plan::Plan { args, global, network: &network, target: &target, settings: &settings }
            .print(channels.len(), references)
    };
    if global.dry_run && !args.resume {
        return plan();
    }

    let references =
        channels.iter().map(|channel| search.load(*channel)).collect::<anyhow::Result<Vec<_>>>()?;
    let start = start::read(args, global, &preprocessing)?;
    let common = Identity::of("fvis", &network, &preprocessing)
        .with("arch", &args.arch)
        .with("layer", &target.name)
        .with("references_are", args.references.name())
        .with("start_sha256", start.sha256.as_deref());
    let population = report::in_general(global)?.map(|images| images.fingerprint());
    let identities = Identities::new(&common, &channels, &references, &settings, population.as_deref());
    let results = Results::new(args, &channels);
    if global.dry_run {
        results.earlier_run(&identities, args.resume, global.overwrite)?;
        return plan();
    }
    let report = report::Report {
        args,
        global,
        network: &network,
        target: &target,
        references: &references,
        identities: &identities.units,
    };
    let run = Run { report: &report, channels: &channels, results: &results, inputs: identities.inputs() };
    let _claim = results.claim()?;
    let checkpoint = match results.earlier_run(&identities, args.resume, global.overwrite)? {
        EarlierRun::Complete => {
            global.say(0, || format!("already complete: {}", results.picture(0, 0).display()));
            if args.save_every.is_some() && !results.has_intermediate(settings.schedule.steps()) {
                let message = "without the pictures that --save-every asks for: add --overwrite to make them";
                global.say(0, || message.to_owned());
            }
            return Ok(outcome(&references));
        }
        EarlierRun::Checkpoint(bytes) => Some(bytes),
        EarlierRun::Nothing => None,
    };
    if global.overwrite && checkpoint.is_none() {
        results.remove_stale()?;
    }
    let _caught = interrupt::caught();
    let mut optimizer = run.optimizer(settings, start.start, checkpoint)?;
    let ended = run.optimize(&mut optimizer)?;
    run.finish(&mut optimizer, ended, &weights_preprocessing)
}

/// Done, or done without some references.
fn outcome(references: &[References]) -> Outcome {
    Outcome::with_skipped(references.iter().map(|references| references.skipped().len()).sum())
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The schedule is done.
    Finished,
    /// `--stop-after`.
    Stopped,
    /// A signal.
    Interrupted,
}

/// A run that was found to be possible.
struct Run<'a> {
    report: &'a report::Report<'a>,
    channels: &'a [usize],
    results: &'a Results<'a>,
    /// What decides the pictures beside the settings, for the checkpoint.
    inputs: String,
}

impl Run<'_> {
    /// The optimiser, where an earlier run left off if there is a checkpoint.
    fn optimizer(
        &self,
        settings: Settings,
        start: Start,
        checkpoint: Option<Vec<u8>>,
    ) -> anyhow::Result<Optimizer<'_>> {
        let report::Report { global, network, target, references, .. } = *self.report;
        let units = self.channels.iter().zip(references);
        let units = units.map(|(channel, references)| Unit { channel: *channel, references }).collect();
        let mut optimizer = Optimizer::new(network, target, units, settings, start)?;
        if let Some(bytes) = checkpoint {
            optimizer.restore(&bytes, &self.inputs)?;
            global.say(0, || format!("resumed after {} steps", optimizer.steps_done()));
        }
        Ok(optimizer)
    }

    /// Takes the steps that are left.
    fn optimize(&self, optimizer: &mut Optimizer<'_>) -> anyhow::Result<Ended> {
        let failed = |error| failure::of_run(error, self);
        self.steps(optimizer).map_err(failed)
    }

    fn steps(&self, optimizer: &mut Optimizer<'_>) -> anyhow::Result<Ended> {
        let report::Report { args, global, .. } = *self.report;
        let total = optimizer.settings().schedule.steps();
        let last = args.stop_after.unwrap_or(total).min(total);
        let mut display = Display::new(last, global.quiet);
        let mut saved = Instant::now();
        let checkpoint_every = Duration::from_secs_f64(args.checkpoint_every);
        while optimizer.steps_done() < last {
            let step = optimizer.step(&mut |event| {
                display.show(event);
                if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match step {
                Err(FvisError::Stopped) => return Ok(Ended::Interrupted),
                step => step?,
            }
            let steps = optimizer.steps_done();
            if interrupt::requested() && steps < last {
                return Ok(Ended::Interrupted);
            }
            if args.save_every.is_some_and(|every| steps.is_multiple_of(every.get())) && steps < last {
                let record = |item: &Item| self.report.first_record(optimizer.settings(), item);
                self.results.write_intermediate(optimizer, record)?;
            }
            if saved.elapsed() >= checkpoint_every && steps < last {
                self.results.write_checkpoint(optimizer, &self.inputs)?;
                saved = Instant::now();
            }
        }
        Ok(if optimizer.is_finished() { Ended::Finished } else { Ended::Stopped })
    }

    /// Writes what came of it: the pictures, and the state of a run that is not finished.
    fn finish(
        &self,
        optimizer: &mut Optimizer<'_>,
        ended: Ended,
        preprocessing: &Preprocessing,
    ) -> anyhow::Result<Outcome> {
        if optimizer.steps_done() > 0 {
            let records = self.report.records(optimizer, self.channels, preprocessing)?;
            self.results.write(optimizer, &records)?;
            self.report.say(&records, self.results)?;
        }
        match ended {
            Ended::Finished => self.results.remove_checkpoint()?,
            Ended::Stopped => self.results.write_checkpoint(optimizer, &self.inputs)?,
            Ended::Interrupted => {
                self.results.write_checkpoint(optimizer, &self.inputs)?;
                self.report.global.say(0, || "interrupted; continue with --resume".to_owned());
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(outcome(self.report.references))
    }
}

fn settings(args: &Args, preprocessing: &Preprocessing) -> anyhow::Result<Settings> {
    let schedule = Schedule::preset(args.schedule.into(), args.steps, args.jitter);
    Ok(Settings {
        method: args.method,
        layer_weights: args.layer_weights.clone().unwrap_or_default(),
        feature_weight: args.feat_dist,
        priors: ImagePriors { tv_l1: args.tv_l1, tv_l2: args.tv_l2, l2: args.l2 },
        schedule: schedule?,
        learning_rate: args.lr,
        mirror: args.do_flip,
        seed: args.seed,
        copies: args.copies.get(),
        size: (args.resolution.get(), args.resolution.get()),
        pixels: PixelRange::normalised(preprocessing.mean, preprocessing.std),
        ..Settings::default()
    })
}

/// The preprocessing of the weights for another side of the crop: the same part of every picture.
fn at_resolution(preprocessing: &Preprocessing, side: usize) -> Preprocessing {
    let resize = (preprocessing.resize * side + preprocessing.crop / 2) / preprocessing.crop;
    Preprocessing { resize: resize.max(side), crop: side, ..preprocessing.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_resolution_sees_the_same_part_of_a_picture() {
        let usual = Preprocessing::default();
        assert_eq!(at_resolution(&usual, 224), usual);
        let small = at_resolution(&usual, 112);
        assert_eq!((small.resize, small.crop), (128, 112));
    }
}

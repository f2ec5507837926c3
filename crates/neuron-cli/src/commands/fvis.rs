mod curve;
mod display;
mod failure;
mod identities;
mod names;
pub(crate) mod patches;
mod plan;
mod record;
mod references;
mod results;
mod start;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use neuron_data::Preprocessing;
use neuron_fvis::{FvisError, ImagePriors, Item, LayerWeights, Optimizer, Schedule, Settings, Start, Unit};
use neuron_model::{PixelRange, RelevanceMethod};

use crate::channels::Channels;
use crate::global::Global;
use crate::interrupt;
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::scan::{Identity, seconds};

use display::Display;
use identities::Identities;
use references::References;
use results::{Leftovers, Results};

/// Pictures that a GPU takes together: one alone would leave most of it idle. Fewer where memory is short.
const AT_ONCE_ON_A_GPU: usize = 16;

/// Optimise a picture whose features are distributed like those of a unit's images
///
/// The picture starts as noise. In every step the features that are relevant for the unit (by layer-wise relevance
/// propagation or guided backpropagation) are sorted by channel and moved towards the sorted features of the unit's
/// reference images, which `extract-patches` or `baseline` have listed. Several units optimise side by side, each
/// as if alone. Ctrl-C writes the picture so far; --resume goes on, to the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron fvis --layer layer4_2 --channel 1935 --topk-dir resnet50/neuron_layer4
  neuron fvis --channels 54,162,1935 --epochs 400 --save-every 100
  neuron fvis --channel 1935 --method GuidedBackprop --exp-name guided")]
pub(crate) struct Args {
    /// Architecture
    #[arg(long, default_value = "resnet50", alias = "arch_name", alias = "arch-name")]
    arch: String,
    /// Layer of the unit; `neuron layers` lists them
    #[arg(long, default_value = "layer4_2")]
    layer: String,
    /// Channel of the unit
    #[arg(long, default_value_t = 1935, value_name = "C")]
    channel: usize,
    /// Several channels, such as 0-3,162, side by side in one run
    #[arg(long, value_name = "LIST", conflicts_with = "channel")]
    channels: Option<Channels>,
    /// Where `extract-patches` or `baseline` wrote the units' folders
    #[arg(long, default_value = "resnet50/neuron_layer4/", value_name = "DIR")]
    topk_dir: PathBuf,
    /// Number of steps (of --setting-id 1)
    #[arg(long, default_value_t = 2000, value_name = "N")]
    epochs: usize,
    /// How relevance is found: LRP, LRPRestricted or GuidedBackprop
    #[arg(long, default_value = "LRP", value_name = "METHOD")]
    method: RelevanceMethod,
    /// Reference images of each unit
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    num_real_img: NonZeroUsize,
    /// Folder for the results
    #[arg(long, default_value = "images", value_name = "DIR")]
    folder_name: PathBuf,
    /// Name of the results [default: <arch>_<layer>_unit<channel>]
    #[arg(long, value_name = "NAME")]
    exp_name: Option<String>,
    /// Weights of the features of conv1 and layer1 to layer4
    #[arg(long, default_value = "0.1,1,1,1,0", value_name = "W,W,W,W,W")]
    layer_weights: LayerWeights,
    /// Side of the picture, in pixels
    #[arg(long, default_value = "224", value_name = "PIXELS", value_parser = side)]
    resolution: NonZeroUsize,
    /// Pictures of each unit, from different starts
    #[arg(long, default_value = "1", value_name = "N", value_parser = copies)]
    bs: NonZeroUsize,
    /// Largest shift of the picture in a step, in pixels
    #[arg(long, default_value_t = 30, value_name = "PIXELS")]
    jitter: usize,
    /// Mirror the picture in half of the steps
    #[arg(long)]
    do_flip: bool,
    /// 0: 2000 steps at half size, then 1000; 1: --epochs steps; 2: 20,000 steps without a range of pixels
    #[arg(long, default_value_t = 1, value_name = "0|1|2")]
    setting_id: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    lr: f64,
    /// Weight of the features
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    feat_dist: f64,
    /// Weight of the total variation by absolute differences
    #[arg(long, default_value_t = 0.0, value_name = "X", allow_negative_numbers = true)]
    tv_l1: f64,
    /// Weight of the total variation by norms
    #[arg(long, default_value_t = 3e-7, value_name = "X", allow_negative_numbers = true)]
    tv_l2: f64,
    /// Weight of the picture's norm
    #[arg(long, default_value_t = 3e-7, value_name = "X", allow_negative_numbers = true)]
    l2: f64,
    /// Seed of the start picture and of the jitter
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Start from this: a picture, or safetensors with `init` and perhaps `offsets`
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
    /// End after so many steps of the schedule; --resume can go on
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// What the picture is compared with: the listed images as a whole, or the patches that were kept of them
    #[arg(long, value_enum, default_value = "images")]
    references: Kind,
    /// Also write the picture every N steps
    #[arg(long, value_name = "N", value_parser = count)]
    save_every: Option<NonZeroUsize>,
    /// Continue an interrupted run
    #[arg(long)]
    resume: bool,
    /// Seconds between checkpoints: a killed run loses no more
    #[arg(long, default_value_t = 60.0, value_name = "SECS", value_parser = seconds)]
    checkpoint_every: f64,
}

/// The value of `--resolution`: a larger picture would not fit into any machine's memory with its maps.
fn side(text: &str) -> Result<NonZeroUsize, String> {
    const LARGEST: usize = 4096;
    let side = text.parse().ok().filter(|side: &NonZeroUsize| side.get() <= LARGEST);
    side.ok_or_else(|| format!("expected a number of pixels, 1 to {LARGEST}"))
}

/// The value of `--bs`: all copies are in memory together.
fn copies(text: &str) -> Result<NonZeroUsize, String> {
    const MOST: usize = 1024;
    let copies = text.parse().ok().filter(|copies: &NonZeroUsize| copies.get() <= MOST);
    copies.ok_or_else(|| format!("expected a number of pictures, 1 to {MOST}"))
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
    let channels = match &args.channels {
        Some(channels) => channels.of(&target, network.channels(&target))?,
        None => Channels::Listed(vec![args.channel]).of(&target, network.channels(&target))?,
    };
    let weights_preprocessing = global.preprocessing(&network)?;
    let preprocessing = at_resolution(&weights_preprocessing, args.resolution.get());
    let at_once = if network.device().is_cpu() { Settings::default().at_once } else { AT_ONCE_ON_A_GPU };
    let settings = Settings { at_once, ..settings(args, &preprocessing)? };
    // Before anything is read or computed: a layer below which there are no features is an error of usage.
    settings.layer_weights.below(&network, &target).map_err(|error| WrongUsage(error.to_string()))?;
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
    let population = record::in_general(global)?.map(|images| images.fingerprint());
    let identities = Identities::new(&common, &channels, &references, &settings, population.as_deref());
    let results = Results::new(args, &channels);
    if global.dry_run {
        results.leftovers(&identities, args.resume, global.overwrite)?;
        return plan();
    }
    let report = record::Report {
        args,
        global,
        network: &network,
        target: &target,
        references: &references,
        identities: &identities.units,
    };
    let run = Run { report: &report, channels: &channels, results: &results, inputs: identities.inputs() };
    let _claim = results.claim()?;
    let checkpoint = match results.leftovers(&identities, args.resume, global.overwrite)? {
        Leftovers::Complete => {
            global.say(0, || format!("complete already: {}", results.picture(0, 0).display()));
            if args.save_every.is_some() && !results.has_intermediate(settings.schedule.steps()) {
                let message = "without the pictures that --save-every asks for: add --overwrite to make them";
                global.say(0, || message.to_owned());
            }
            return Ok(outcome(&references));
        }
        Leftovers::Checkpoint(bytes) => Some(bytes),
        Leftovers::Nothing => None,
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
    report: &'a record::Report<'a>,
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
        let record::Report { global, network, target, references, .. } = *self.report;
        let units = self.channels.iter().zip(references);
        let units = units.map(|(channel, references)| Unit { channel: *channel, references }).collect();
        let optimizer = Optimizer::new(network, target, units, settings, start);
        let mut optimizer = optimizer.map_err(failure::told)?;
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
        let record::Report { args, global, .. } = *self.report;
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
    let schedule = Schedule::from_setting(args.setting_id, args.epochs, args.jitter);
    Ok(Settings {
        method: args.method,
        layer_weights: args.layer_weights,
        feature_weight: args.feat_dist,
        priors: ImagePriors { tv_l1: args.tv_l1, tv_l2: args.tv_l2, l2: args.l2 },
        schedule: schedule.map_err(failure::told)?,
        learning_rate: args.lr,
        mirror: args.do_flip,
        seed: args.seed,
        copies: args.bs.get(),
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

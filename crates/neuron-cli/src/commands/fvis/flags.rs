//! The flags of `fvis`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{ArgPredicate, NonEmptyStringValueParser};
use neuron_fvis::{Aim, FacetCount, FeatureWeighting, LayerWeights, Parametrisation};

use super::mask::MaskFlag;
use super::schedule_flag::ScheduleFlag;
use super::start_flag::StartFlag;
use crate::channels::Channels;
use crate::numbers::count;
use crate::positions::PositionsFlag;
use crate::references::Kind;
use crate::scan::seconds;
use crate::shard::ShardFlag;
use crate::usual::{ARCH, NO_DEFAULT, Usual};

/// The default of `--steps`.
pub(super) const USUAL_STEPS: usize = 2000;
/// The default of `--activation-goal`, as a multiple of the references' mean.
pub(super) const USUAL_GOAL: f64 = 1.25;

/// Optimise a picture whose features are distributed like those of a unit's images
///
/// The picture starts as noise. In every step, the features that are relevant to the unit (by layer-wise relevance
/// propagation or guided backpropagation; all features with --method none) are sorted within each channel and moved
/// towards the sorted features of the unit's reference images, which `extract-patches` or `baseline` listed. --class
/// chooses units of the last layer by the classes that they stand for, and takes the images of these classes as
/// references. Several units are optimised side by side, each as if it were alone. Ctrl-C writes the picture so far and
/// a checkpoint; --resume continues, and the results are byte-identical.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron fvis --layer layer4_2 --channels 1935 --topk-dir resnet50/neuron_layer4
  neuron fvis --preset clear --channels 161 --steps 500
  neuron fvis --preset clear --channels 161 --facets auto --copies 3 --keep-best
  neuron fvis --channels 54,162,1935 --steps 400 --save-every 100
  neuron fvis --channels all --shard 1/8 --resume   # one of eight machines, all with the same --out
  neuron fvis --channels 1935 --method GuidedBackprop --exp-name guided
  neuron fvis --class \"golden retriever\" --method none --data imagenet
  neuron fvis --channels 1935 --layers layer2,layer3.0 --layer-weights 1,0.5")]
pub(crate) struct Args {
    /// Architecture
    #[arg(long, default_value = ARCH, alias = "arch_name", alias = "arch-name")]
    pub(super) arch: String,
    /// Layer of the units; `neuron layers` lists them. With --class, the last layer
    #[arg(long, alias = "target-layer", default_value_if("class", ArgPredicate::IsPresent, NO_DEFAULT), default_value = Usual::Block.value(), default_value_ifs = Usual::Block.values_by_arch(), value_name = "LAYER")]
    pub(super) layer: Option<String>,
    /// Channels, such as 1935 or 0-3,162, or all; several are optimised side by side in one run. The default is a unit
    /// of a ResNet-50; layers with fewer channels need this flag
    #[arg(long, visible_alias = "channel", default_value = "1935")]
    pub(super) channels: Channels,
    /// Classes in place of --layer and --channels, separated by commas: names, WordNet ids such as n02099601, or indices
    #[arg(long, conflicts_with = "channels", value_name = "CLASS,...")]
    pub(super) class: Option<String>,
    #[command(flatten)]
    pub(super) positions: PositionsFlag,
    /// Folder in which `extract-patches` or `baseline` wrote the folders of the units; with --class, <arch>/neuron_<layer>
    #[arg(long, default_value_if("class", ArgPredicate::IsPresent, NO_DEFAULT), default_value = Usual::Folder.value(), default_value_ifs = Usual::Folder.values_by_arch(), value_name = "DIR")]
    pub(super) topk_dir: Option<PathBuf>,
    /// Number of steps of --schedule single
    #[arg(long, alias = "epochs", default_value_t = USUAL_STEPS, value_name = "N")]
    pub(super) steps: usize,
    /// Settings that go together; flags of your own come before them
    #[arg(long, value_enum, default_value = "published")]
    pub(super) preset: PresetFlag,
    /// What the picture is optimised towards
    #[arg(long, value_enum, default_value = "vital")]
    pub(super) objective: ObjectiveFlag,
    /// What the picture is made of: pixels; a spectrum or a pyramid in decorrelated colours; phases of a spectrum whose
    /// magnitudes stay [default: pixels; spectrum with --preset clear and the other objectives; phases with maco]
    #[arg(long, default_value_ifs = [("objective", "maco", "phases"), ("objective", "activation", "spectrum"), ("objective", "accentuation", "spectrum"), ("preset", "clear", "spectrum")], default_value_t = Parametrisation::default(), hide_default_value = true, value_name = "KIND")]
    pub(super) parametrisation: Parametrisation,
    /// Weight of the unit's own activation beside the features: the length of its gradient as a share of theirs [default: 0;
    /// 1 with --preset clear and --objective accentuation]
    #[arg(long, default_value_ifs = [("objective", "accentuation", "1"), ("preset", "clear", "1")], default_value_t = 0.0, hide_default_value = true, value_name = "X")]
    pub(super) activation: f64,
    /// Activation to be reached by that, as a multiple of the references' mean; about there its weight falls to 0. inf: the
    /// more, the better [default: 1.25; 1.4 with --preset clear; inf with --objective activation or maco]
    #[arg(long, default_value_ifs = [("objective", "maco", "inf"), ("objective", "activation", "inf"), ("preset", "clear", "1.4")], default_value_t = USUAL_GOAL, hide_default_value = true, value_name = "X")]
    pub(super) activation_goal: f64,
    /// How much the other channels are pushed down where the unit is active, for a picture that excites this unit more than
    /// others [default: 0; 1 with --preset clear]
    #[arg(
        long,
        default_value_if("preset", "clear", "1"),
        default_value_t = 0.0,
        hide_default_value = true,
        value_name = "X"
    )]
    pub(super) specificity: f64,
    /// Range of factors by which the picture is enlarged in a step, at random [default: 1-1; 0.9-1.1 with --preset clear and
    /// --objective activation, 1-1.4 with maco]
    #[arg(long, default_value_ifs = [("objective", "maco", "1-1.4"), ("objective", "activation", "0.9-1.1"), ("preset", "clear", "0.9-1.1")], default_value = "1-1", hide_default_value = true, value_name = "X-X", value_parser = factors)]
    pub(super) scale: Factors,
    /// Largest angle by which the picture is turned in a step, at random, in degrees [default: 0; 5 with --preset clear and
    /// --objective activation]
    #[arg(
        long,
        default_value_ifs = [("objective", "activation", "5"), ("preset", "clear", "5")],
        default_value_t = 0.0,
        hide_default_value = true,
        value_name = "DEGREES"
    )]
    pub(super) rotation: f64,
    /// Method of attribution that weighs the features: LRP, LRPRestricted or GuidedBackprop; none: all features count alike
    /// [default: LRP; none with --preset clear]
    #[arg(long, default_value_if("preset", "clear", "none"), default_value_t = FeatureWeighting::default(), hide_default_value = true, value_name = "METHOD")]
    pub(super) method: FeatureWeighting,
    /// Share of the steps, the last ones, in which --method none gives way to LRP, which brings the relevant features nearer
    /// to the references' [default: 0; 0.5 with --preset clear, where --nearest-layer counts and the unit cannot be below 0]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) finish: Option<f64>,
    /// Number of reference images per unit
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    pub(super) num_real_img: NonZeroUsize,
    /// Folder for the results
    #[arg(long, alias = "folder-name", default_value = "images", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Name of the result files [default: <arch>_<layer>_unit<channel>]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) exp_name: Option<String>,
    /// Layers whose features are matched, separated by commas: any below the unit's [default: those of the network's
    /// family]
    #[arg(long, value_name = "LAYERS")]
    pub(super) layers: Option<String>,
    /// Weights of these layers in the same order [default: 1 each]. Without --layers, those of the family's layers from
    /// the image upwards, or LAYER=W,... [default: 0.1,1,1,1,0 for conv1 and layer1 to layer4 of residual networks]
    #[arg(long, value_name = "W,W,...")]
    pub(super) layer_weights: Option<LayerWeights>,
    /// Weight of the features of the nearest layer below the unit's, from which it is computed (of layer4.2, layer4.1), beside
    /// these; all of them count alike, whatever the method [default: 0; 1 with --preset clear, unless --layers or
    /// --layer-weights are given]
    #[arg(
        long,
        default_value_ifs = [("layers", ArgPredicate::IsPresent, "0"), ("layer_weights", ArgPredicate::IsPresent, "0"), ("preset", "clear".into(), "1")],
        default_value_t = 0.0,
        hide_default_value = true,
        value_name = "W",
        allow_negative_numbers = true,
        value_parser = weight
    )]
    pub(super) nearest_layer: f64,
    /// Side of the picture, in pixels [default: 224; of a network that takes one size only, that]
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    pub(super) resolution: Option<NonZeroUsize>,
    /// Pictures per unit, each from its own start
    #[arg(long, alias = "bs", default_value = "1", value_name = "N", value_parser = copies)]
    pub(super) copies: NonZeroUsize,
    /// Of the copies of a unit, keep the one on which the unit's rank is the best (then its z-score), not all of them
    #[arg(long)]
    pub(super) keep_best: bool,
    /// Largest shift of the picture in a step, in pixels
    #[arg(long, default_value_t = 30, value_name = "PIXELS")]
    pub(super) jitter: usize,
    /// Mirror the picture in half of the steps, at random
    #[arg(long)]
    pub(super) do_flip: bool,
    /// Schedule of the steps
    #[arg(long, alias = "setting-id", value_enum, default_value = "single")]
    pub(super) schedule: ScheduleFlag,
    /// A schedule of your own, from coarse to fine: such as 4:100,2:150,1:250 for 100 steps in which squares of 4 x 4 pixels
    /// are averaged to one, then 150 with 2 x 2, then 250 at full size
    #[arg(long, conflicts_with_all = ["schedule", "steps"], value_name = "SIDE:N,...")]
    pub(super) phases: Option<String>,
    /// Learning rate [default: 1; 0.1 of a spectrum, a pyramid or phases]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(super) lr: Option<f64>,
    /// Weight of the feature loss
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    pub(super) feat_dist: f64,
    /// Weight of the total variation (L1: sum of absolute differences)
    #[arg(long, default_value_t = 0.0, value_name = "X", allow_negative_numbers = true)]
    pub(super) tv_l1: f64,
    /// Weight of the total variation (L2: sum of gradient norms) [default: 3e-7; with --preset clear, 2e-5]
    #[arg(
        long,
        default_value_if("preset", "clear", "2e-5"),
        default_value_t = 3e-7,
        hide_default_value = true,
        value_name = "X",
        allow_negative_numbers = true
    )]
    pub(super) tv_l2: f64,
    /// Weight of the L2 norm of the picture
    #[arg(long, default_value_t = 3e-7, value_name = "X", allow_negative_numbers = true)]
    pub(super) l2: f64,
    /// Seed of the start picture and of the jitter
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) seed: u64,
    /// What the picture starts from. noise: white noise of pixels, or next to grey; natural: noise with the spectrum and
    /// colours of photos; reference: a strongly blurred reference; or a file: a picture, or safetensors with `init` and
    /// optionally `offsets`
    #[arg(
        long,
        default_value = "noise",
        hide_default_value = true,
        value_name = "noise|natural|reference|FILE"
    )]
    pub(super) start: StartFlag,
    /// Magnitudes that phases keep: the mean over images in general of --data, or such that fall as 1 / frequency
    #[arg(long, value_enum, default_value = "data")]
    pub(super) magnitudes: MagnitudesFlag,
    /// Stop after N steps of the schedule; --resume continues
    #[arg(long, value_name = "N")]
    pub(super) stop_after: Option<usize>,
    /// What the picture is compared with: the listed images as a whole, the patches cut from them, or the images of the
    /// unit's class in --data. With --class, the latter if there are any, otherwise the listed images
    #[arg(
        long,
        value_enum,
        default_value_if("class", ArgPredicate::IsPresent, NO_DEFAULT),
        default_value = "images"
    )]
    pub(super) references: Option<Kind>,
    /// One picture for each facet of a unit: its references are grouped by what of the layer below is relevant to it. auto:
    /// as many as they fall into
    #[arg(long, value_name = "auto|N")]
    pub(super) facets: Option<FacetCount>,
    /// Make only the pictures of part I of N of the units, counted from 1; the parts may share a folder (auto: this task of a
    /// Slurm array; auto/N: of a Kubernetes Indexed Job)
    #[arg(long, value_name = "I/N|auto[/N]")]
    pub(super) shard: Option<ShardFlag>,
    /// What makes the pixels of the masked picture opaque
    #[arg(long, value_enum, default_value = "gradient")]
    pub(super) mask: MaskFlag,
    /// Also write the picture every N steps
    #[arg(long, value_name = "N", value_parser = count)]
    pub(super) save_every: Option<NonZeroUsize>,
    /// Continue an interrupted run
    #[arg(long)]
    pub(super) resume: bool,
    /// Seconds between checkpoints: a killed run loses at most that much work
    #[arg(long, default_value_t = 60.0, value_name = "SECS", value_parser = seconds)]
    pub(super) checkpoint_every: f64,
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

/// The value of `--nearest-layer`.
fn weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
    weight.ok_or_else(|| "expected a number of at least 0".to_owned())
}

/// The value of `--finish`.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share of the steps, 0 to 1".to_owned())
}

/// The value of `--scale`: the smallest and the largest.
pub(super) type Factors = (f64, f64);

fn factors(text: &str) -> Result<Factors, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let factor = |text: &str| text.trim().parse::<f64>().ok();
    let told = || format!("expected a factor, or two with a dash between, such as 0.9-1.1; found {text}");
    factor(low).zip(factor(high)).ok_or_else(told)
}

/// The value of `--objective`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ObjectiveFlag {
    /// Features distributed like those of the references
    Vital,
    /// The unit's activation alone, of a spectrum that is turned and enlarged (as in Lucid)
    Activation,
    /// The unit's activation alone, of phases whose magnitudes are those of photos
    Maco,
    /// A given picture (--start), changed until the unit responds to it
    Accentuation,
}

impl From<ObjectiveFlag> for Aim {
    fn from(flag: ObjectiveFlag) -> Self {
        match flag {
            ObjectiveFlag::Vital => Self::Vital,
            ObjectiveFlag::Activation | ObjectiveFlag::Maco => Self::Activation,
            ObjectiveFlag::Accentuation => Self::Accentuation,
        }
    }
}

/// The value of `--magnitudes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MagnitudesFlag {
    /// Those of images in general, measured
    Data,
    /// Such that fall as 1 / frequency
    #[value(name = "1/f")]
    Falling,
}

/// The value of `--preset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PresetFlag {
    /// The settings of the published scripts
    Published,
    /// For pictures that can be named: a spectrum that is turned and enlarged, all features of the references and at the end the
    /// relevant ones, and a term for the unit's activation
    Clear,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_one_factor_or_two() {
        assert_eq!((factors("0.9-1.1"), factors("1.2")), (Ok((0.9, 1.1)), Ok((1.2, 1.2))));
        assert!(factors("a-b").is_err() && factors("1-").is_err());
    }
}

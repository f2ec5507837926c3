//! The flags of `eval`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::numbers::count;
use crate::outcome::WrongUsage;
use crate::positions::PositionsFlag;

/// Measure how well pictures show what their units respond to
///
/// Each PATH is a folder of pictures, which is one set (a method, say), or a picture (PNG); those that are named one by
/// one are a set together. A record of `fvis` beside a picture says its unit and references. Pictures of other programs
/// have --layer and --channels, or `_unit<channel>` in their names, and the lists in --topk-dir. Each measure is a mean over
/// units with its 95 % interval; docs/eval.md says what it means.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron eval images --data imagenet
  neuron eval fourier pixels --data imagenet --witness-arch resnext50_32x4d --per-unit
  neuron eval theirs/unit7.png --layer layer4_2 --channels 7 --topk-dir resnet50/neuron_layer4 --data imagenet
  neuron eval images --data imagenet --out scores.tsv --json")]
pub(crate) struct Args {
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Architecture [default: the one of the records, else resnet50]
    #[arg(long, alias = "arch_name", alias = "arch-name", value_name = "ARCH")]
    pub(super) arch: Option<String>,
    /// Layer of the units of pictures without a record
    #[arg(long, alias = "target-layer", value_name = "LAYER")]
    pub(super) layer: Option<String>,
    /// Channel of pictures whose record and name do not say it
    #[arg(long = "channels", visible_alias = "channel", requires = "layer", value_name = "N")]
    pub(super) channel: Option<usize>,
    #[command(flatten)]
    pub(super) positions: PositionsFlag,
    /// Folder with the lists of the units' references [default: what the records name, else <arch>/neuron_<layer>]
    #[arg(long, value_name = "DIR")]
    pub(super) topk_dir: Option<PathBuf>,
    /// Number of references per unit that are taken from its list
    #[arg(long, default_value = "50", value_name = "N", value_parser = count)]
    pub(super) num_real_img: NonZeroUsize,
    /// Number of images of --data, evenly spaced, that stand for images in general
    #[arg(long, default_value = "256", value_name = "N", value_parser = count)]
    pub(super) population: NonZeroUsize,
    /// A second network, which looks at the pictures as an independent witness
    #[arg(long, value_name = "ARCH")]
    pub(super) witness_arch: Option<String>,
    /// Weights of the witness, as --weights [default: weights/<arch>.safetensors, then those fetched]
    #[arg(long, requires = "witness_arch", value_name = "FILE")]
    pub(super) witness_weights: Option<PathBuf>,
    /// Also print every unit by itself
    #[arg(long)]
    pub(super) per_unit: bool,
    /// Also write the numbers to a file: .tsv or .json
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// How the numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Tsv,
    Json,
}

impl Args {
    /// Refuses what can be known to be wrong before anything is read.
    pub(super) fn check(&self) -> Result<(), WrongUsage> {
        self.out.as_deref().map_or(Ok(()), |out| format_of(out).map(drop))
    }
}

/// The format that a file's name asks for.
pub(super) fn format_of(out: &Path) -> Result<Format, WrongUsage> {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "tsv" => Ok(Format::Tsv),
        "json" => Ok(Format::Json),
        _ => Err(WrongUsage(format!("--out {}: the name has to end in .tsv or .json", out.display()))),
    }
}

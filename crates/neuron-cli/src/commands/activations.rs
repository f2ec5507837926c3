mod collected;
mod pass;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use neuron_model::Reduction;
use serde_json::json;

use crate::global::Global;
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::positions::PositionsFlag;
use crate::{claim, output};

use collected::Collected;
use pass::Pass;

/// The file is made in memory; maps of many images are better reduced.
const MAX_OUTPUT_BYTES: usize = 8 << 30;

/// Save the activations of layers for some images
///
/// The file holds one tensor per layer, named after it, with the images in order: [image, channel] where the maps are
/// reduced, otherwise [image, channel, height, width], or [image, token, channel] where there are class or register tokens
/// before the grid (--positions grid leaves them out). Its metadata names the images. Files that are not images are
/// skipped and reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron activations cat.jpg dog.jpg --layer layer3,layer4 --reduce max --out activations.safetensors
  neuron activations cat.jpg --layer fc --top 5")]
pub(crate) struct Args {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Layers, separated by commas; `neuron layers` lists them
    #[arg(
        long = "layer",
        visible_alias = "layers",
        alias = "taps",
        required = true,
        value_delimiter = ',',
        value_name = "LAYERS"
    )]
    layers: Vec<String>,
    /// Architecture
    #[arg(long, default_value = crate::usual::ARCH)]
    arch: String,
    /// How to reduce each map
    #[arg(long, value_enum, default_value = "none")]
    reduce: Reduce,
    #[command(flatten)]
    positions: PositionsFlag,
    /// The file to write
    #[arg(long, value_name = "F.safetensors", required_unless_present = "top")]
    out: Option<PathBuf>,
    /// Print the K strongest channels of each image (by the maximum of the map; with --reduce mean, by its mean)
    #[arg(long, value_name = "K", value_parser = count)]
    top: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reduce {
    /// Keep the maps
    None,
    /// The largest value of a channel
    Max,
    /// The mean of a channel
    Mean,
}

impl Reduce {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Max => "max",
            Self::Mean => "mean",
        }
    }

    /// How a map becomes one number; for whole maps, the number by which channels are the strongest.
    fn reduction(self) -> Reduction {
        match self {
            Self::None | Self::Max => Reduction::Max,
            Self::Mean => Reduction::Mean,
        }
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let _claim = match args.out.as_deref() {
        Some(out) if !global.dry_run => claim::take_file(out, "activations")?,
        _ => None,
    };
    if let Some(out) = args.out.as_deref().filter(|out| output::is_result(out) && !global.overwrite) {
        bail!("{} already exists; pass --overwrite to replace it", out.display());
    }
    let network = global.network(&args.arch)?;
    let preprocessing = global.preprocessing(&network)?;
    let mut taps = args.layers.iter().map(|name| network.tap(name)).collect::<Result<Vec<_>, _>>()?;
    taps.sort_by(|a, b| a.name.cmp(&b.name));
    taps.dedup();
    let positions = args.positions.of(&network, &taps, preprocessing.crop)?;
    let mut collected = taps
        .iter()
        .map(|tap| Collected::new(&network, tap, args, (&preprocessing, positions)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let bytes = collected.iter().map(Collected::expected_bytes).sum::<usize>() * args.images.len();
    if bytes > MAX_OUTPUT_BYTES && args.out.is_some() {
        let limit = MAX_OUTPUT_BYTES >> 30;
        let message =
            format!("the maps take {bytes} bytes, the limit is {limit} GiB; pass --reduce max or mean");
        return Err(WrongUsage(message).into());
    }
    if global.dry_run {
        let (images, taps) = (args.images.len(), collected.len());
        let text = format!(
            "images      {images}\nforward     {}\nlayers      {taps}\ndisk        about {:.1} MB\n",
            if images == 1 { "1 pass".to_owned() } else { format!("{images} passes") },
            bytes as f64 / 1e6
        );
        let plan = json!({
            "command": "activations", "images": images, "forwards": images, "layers": taps, "disk_bytes": bytes,
        });
        return global.print_plan(&text, &plan);
    }
    let pass = Pass { args, global, preprocessing: &preprocessing, positions };
    let Some(report) = pass.run(&network, &taps, &mut collected)? else {
        return Ok(Outcome::Interrupted);
    };
    if let Some(out) = &args.out {
        report.save(out, (args, positions), &network, collected)?;
    }
    report.say(args, global)?;
    Ok(Outcome::with_skipped(report.skipped.len()))
}

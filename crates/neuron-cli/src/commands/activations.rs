use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use neuron_data::{DataError, ImageError, ImagenetClass, Limits, Preprocessing, read_rgb8};
use neuron_model::weights::WeightTensor;
use neuron_model::{Keep, Network, Operation, Tap, Tapped, Weights};
use serde::Serialize;

use crate::global::Global;
use crate::interrupt;
use crate::outcome::{Outcome, WrongUsage};
use crate::output;
use crate::progress::Progress;
use crate::scan::Crops;

/// Images that go through the network together; results do not depend on it.
const BATCH: usize = 16;

/// The file is made in memory; maps of many images are better reduced.
const MAX_OUTPUT_BYTES: usize = 8 << 30;

/// Write what layers of a network say about some images
///
/// The file holds one tensor for each layer, named like it, with the images in order: [image, channel] where the
/// map is reduced, else [image, channel, height, width]. Its metadata names the images. A file that is no image is
/// skipped and reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron activations cat.jpg dog.jpg --taps layer3,layer4 --reduce max --out activations.safetensors
  neuron activations cat.jpg --taps fc --top 5")]
pub(crate) struct Args {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The layers to look at (`neuron layers` lists them)
    #[arg(long, required = true, value_delimiter = ',', value_name = "A,B")]
    taps: Vec<String>,
    /// The network
    #[arg(long, default_value = "resnet50")]
    arch: String,
    /// What becomes of the positions of a map
    #[arg(long, value_enum, default_value = "none")]
    reduce: Reduce,
    /// The file to write
    #[arg(long, value_name = "F.safetensors", required_unless_present = "top")]
    out: Option<PathBuf>,
    /// Print each image's strongest channels (by the maximum of the map, with --reduce mean by its mean)
    #[arg(long, value_name = "K")]
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
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    if let Some(out) = args.out.as_deref().filter(|out| out.exists() && !global.overwrite) {
        bail!("{} is there already; pass --overwrite to replace it", out.display());
    }
    let network = global.network(&args.arch)?;
    let preprocessing = global.preprocessing(&network)?;
    let mut taps = args.taps.iter().map(|name| network.tap(name)).collect::<Result<Vec<_>, _>>()?;
    taps.sort_by(|a, b| a.name.cmp(&b.name));
    taps.dedup();
    let mut collected = taps
        .iter()
        .map(|tap| Collected::new(&network, tap, args, &preprocessing))
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
        global.say(0, || format!("{images} images, {images} forwards, {taps} layers, {bytes} bytes"));
        return Ok(Outcome::Done);
    }
    let Some(pass) = Pass::run(args, global, &network, &preprocessing, &taps, &mut collected)? else {
        return Ok(Outcome::Interrupted);
    };
    if let Some(out) = &args.out {
        pass.save(out, args, &network, collected)?;
    }
    pass.report(args, global)?;
    Ok(Outcome::with_skipped(pass.skipped.len()))
}

/// What came of the images.
#[derive(Default, Serialize)]
struct Pass {
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    images: Vec<ImageReport>,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct ImageReport {
    image: String,
    /// The strongest channels of each layer, strongest first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    top: BTreeMap<String, Vec<Strong>>,
}

#[derive(Clone, Serialize)]
struct Strong {
    channel: usize,
    value: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
}

#[derive(Serialize)]
struct Skipped {
    image: String,
    reason: String,
}

impl Pass {
    /// Sends the images through the network; `None` if the user stopped it.
    fn run(
        args: &Args,
        global: &Global,
        network: &Network,
        preprocessing: &Preprocessing,
        taps: &[Tap],
        collected: &mut [Collected],
    ) -> anyhow::Result<Option<Self>> {
        let mut pass = Self { out: args.out.clone(), ..Self::default() };
        let mut session = network.session(taps, Keep::Taps);
        let mut progress = Progress::new("activations", "images", args.images.len(), 0, global.quiet);
        let mut done = 0;
        for paths in args.images.chunks(BATCH) {
            if interrupt::requested() {
                return Ok(None);
            }
            let pixels = pass.load(paths, preprocessing, global.strict)?;
            let crops = Crops::new(&pixels, preprocessing);
            session.run(&crops, &mut |tapped| collected[tapped.tap].absorb(&tapped))?;
            done += paths.len();
            progress.update(done, "");
        }
        progress.finish();
        for (index, report) in pass.images.iter_mut().enumerate() {
            let top =
                collected.iter().filter_map(|tap| Some((tap.name.clone(), tap.top.get(index)?.clone())));
            report.top = top.collect();
        }
        Ok(Some(pass))
    }

    /// The crops of those images that decode, one behind the other.
    fn load(
        &mut self,
        paths: &[PathBuf],
        preprocessing: &Preprocessing,
        strict: bool,
    ) -> anyhow::Result<Vec<u8>> {
        let mut pixels = Vec::with_capacity(paths.len() * preprocessing.crop_bytes());
        for path in paths {
            let image = path.display().to_string();
            match read_rgb8(path, &Limits::default()) {
                Ok(picture) => {
                    let begin = pixels.len();
                    pixels.resize(begin + preprocessing.crop_bytes(), 0);
                    preprocessing.crop_into(&picture, &mut pixels[begin..]);
                    self.images.push(ImageReport { image, top: BTreeMap::new() });
                }
                // A file that is not there is a mistake on the command line, not a damaged image.
                Err(DataError::Image { source: ImageError::Read { source }, .. }) => {
                    return Err(source).with_context(|| format!("cannot read {image}"));
                }
                Err(DataError::Image { source, .. }) if !strict => {
                    self.skipped.push(Skipped { image, reason: source.to_string() });
                }
                Err(DataError::Image { source, .. }) => {
                    bail!("{image}: {source} (leave out --strict to skip such files)")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(pixels)
    }

    fn save(
        &self,
        out: &Path,
        args: &Args,
        network: &Network,
        collected: Vec<Collected>,
    ) -> anyhow::Result<()> {
        let images: Vec<&str> = self.images.iter().map(|report| report.image.as_str()).collect();
        let mut metadata: BTreeMap<String, String> = [
            ("arch", args.arch.clone()),
            ("images", serde_json::to_string(&images)?),
            ("reduce", args.reduce.name().to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        if let Some(sha256) = network.weights().sha256() {
            metadata.insert("weights_sha256".to_owned(), sha256.to_owned());
        }
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let tensors = collected.into_iter().map(|tap| tap.into_tensor(images.len()));
        Weights::from_tensors(tensors, metadata).save(out)?;
        Ok(())
    }

    fn report(&self, args: &Args, global: &Global) -> anyhow::Result<()> {
        for Skipped { image, reason } in &self.skipped {
            global.say(0, || format!("skipped {image}: {reason}"));
        }
        if global.json {
            return output::print(&(serde_json::to_string_pretty(self)? + "\n"));
        }
        if args.top.is_some() {
            output::print(&self.table()?)?;
        }
        if let Some(out) = &self.out {
            global.say(0, || format!("{}: {} images", out.display(), self.images.len()));
        }
        Ok(())
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        for ImageReport { image, top } in &self.images {
            writeln!(text, "{image}")?;
            for (layer, strongest) in top {
                writeln!(text, "  {layer}")?;
                for Strong { channel, value, class } in strongest {
                    let class = class.as_ref().map(|class| format!("  {class}")).unwrap_or_default();
                    writeln!(text, "  {channel:>6}  {value:>9.4}{class}")?;
                }
            }
        }
        Ok(text)
    }
}

/// What one layer says, image after image.
struct Collected {
    name: String,
    /// Axes of one image's values in the file.
    axes: Vec<usize>,
    reduce: Reduce,
    /// Whether the values are wanted, not only the strongest channels.
    keep: bool,
    values: Vec<f32>,
    top_k: usize,
    top: Vec<Vec<Strong>>,
    classes: Vec<String>,
}

impl Collected {
    fn new(network: &Network, tap: &Tap, args: &Args, preprocessing: &Preprocessing) -> anyhow::Result<Self> {
        let side = preprocessing.crop;
        let infos = network.tap_infos(side, side)?;
        let info = infos.iter().find(|info| info.name == tap.name).context("a tap is in the list of taps")?;
        let is_linear = matches!(network.graph().node(tap.node).operation, Operation::Linear { .. });
        let axes = if args.reduce == Reduce::None && !is_linear {
            vec![info.channels, info.height, info.width]
        } else {
            vec![info.channels]
        };
        Ok(Self {
            name: tap.name.clone(),
            axes,
            reduce: args.reduce,
            keep: args.out.is_some(),
            values: Vec::new(),
            top_k: args.top.map_or(0, NonZeroUsize::get),
            top: Vec::new(),
            classes: if is_linear { classes(network.weights(), info.channels)? } else { Vec::new() },
        })
    }

    /// Bytes of one image.
    fn expected_bytes(&self) -> usize {
        if self.keep { self.axes.iter().product::<usize>() * size_of::<f32>() } else { 0 }
    }

    fn absorb(&mut self, tapped: &Tapped<'_>) {
        let map = tapped.map;
        for item in map.data.chunks_exact(map.item_len()) {
            let score = match self.reduce {
                Reduce::None | Reduce::Max => maxima(item, map.channels),
                Reduce::Mean => means(item, map.channels),
            };
            if self.top_k > 0 {
                self.top.push(self.strongest(&score));
            }
            match (self.keep, self.reduce) {
                (false, _) => {}
                (true, Reduce::None) => {
                    let channel = |channel| item.iter().skip(channel).step_by(map.channels);
                    self.values.extend((0..map.channels).flat_map(channel));
                }
                (true, _) => self.values.extend(score),
            }
        }
    }

    /// The channels of the largest scores: largest first, then by channel.
    fn strongest(&self, score: &[f32]) -> Vec<Strong> {
        let mut order: Vec<usize> = (0..score.len()).collect();
        order.sort_by(|&a, &b| score[b].total_cmp(&score[a]).then(a.cmp(&b)));
        order.truncate(self.top_k);
        let strong = |channel: usize| Strong {
            channel,
            value: score[channel],
            class: self.classes.get(channel).cloned(),
        };
        order.into_iter().map(strong).collect()
    }

    fn into_tensor(self, images: usize) -> (String, WeightTensor) {
        let shape: Vec<usize> = std::iter::once(images).chain(self.axes).collect();
        (self.name, WeightTensor::new(shape, self.values))
    }
}

/// Largest value of each channel of one item `[height, width, channels]`; a NaN stays one.
fn maxima(item: &[f32], channels: usize) -> Vec<f32> {
    let mut largest = vec![f32::NEG_INFINITY; channels];
    for position in item.chunks_exact(channels) {
        for (largest, &value) in largest.iter_mut().zip(position) {
            if value > *largest || value.is_nan() {
                *largest = value;
            }
        }
    }
    largest
}

/// Mean of each channel of one item `[height, width, channels]`.
fn means(item: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; channels];
    for position in item.chunks_exact(channels) {
        for (sum, &value) in sums.iter_mut().zip(position) {
            *sum += f64::from(value);
        }
    }
    let positions = (item.len() / channels.max(1)).max(1) as f64;
    sums.into_iter().map(|sum| (sum / positions) as f32).collect()
}

/// Names of the outputs of a classifier: those of the weights, else ImageNet's if there are as many.
fn classes(weights: &Weights, outputs: usize) -> anyhow::Result<Vec<String>> {
    if let Some(labels) = weights.metadata().get("labels") {
        let labels: Vec<String> = serde_json::from_str(labels)
            .context("weights metadata `labels`: expected a JSON array of names")?;
        if labels.len() != outputs {
            bail!("weights metadata `labels` names {} classes, the classifier has {outputs}", labels.len());
        }
        return Ok(labels);
    }
    let imagenet = ImagenetClass::all();
    let names = if imagenet.len() == outputs { imagenet } else { &[] };
    Ok(names.iter().map(|class| class.label.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_and_means_by_hand() {
        // Two positions of three channels.
        let item = [1.0, -2.0, 0.5, 3.0, -4.0, f32::NAN];
        let largest = maxima(&item, 3);
        assert_eq!(largest[..2], [3.0, -2.0]);
        assert!(largest[2].is_nan());
        assert_eq!(means(&item, 3)[..2], [2.0, -3.0]);
    }
}

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_model::weights::WeightTensor;
use neuron_model::{
    Arithmetic, Attributed, Attribution, Attributor, ChannelsLast, Network, PixelRange, Shape, Tap, View,
    Weights, first_not_finite,
};
use serde_json::json;

use crate::classifier::Classifier;
use crate::global::Global;
use crate::layer_folder;
use crate::outcome::{Outcome, WrongUsage};
use crate::positions::PositionsFlag;
use crate::{claim, not_finite, output};

/// Share of the pixels that may exceed the heat map's strongest colour.
const STRONGEST: f64 = 0.99;

/// Show which parts of an image a unit responds to
///
/// Traces the unit's activation back to the layers below it. Writes relevance.safetensors (one tensor
/// [1, channels, height, width] per layer, and `input` for the pixels) and heatmap.png, a heat map over the image
/// (red: positive relevance, blue: negative). Of a layer with class or register tokens the tensor is [1, token, channel],
/// these tokens first, and heatmap_<layer>.png shows its grid, each token over its cell of the image.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neuron attribute beetle.jpg --layer layer4.2 --channel 935 --out beetle
  neuron attribute beetle.jpg --class \"rhinoceros beetle\" --method GradientTimesInput --out beetle
  neuron attribute beetle.jpg --layer layer3 --channel 7 --at layer2.0.conv1,layer1 --out beetle")]
pub(crate) struct Args {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Layer of the unit; `neuron layers` lists them
    #[arg(long, alias = "target-layer", required_unless_present = "class")]
    layer: Option<String>,
    /// Channel of the unit
    #[arg(long, alias = "channels", value_name = "C", required_unless_present = "class")]
    channel: Option<usize>,
    /// A class in place of --layer and --channel, the unit of the last layer that stands for it: its name, WordNet id
    /// such as n02099601, or index
    #[arg(long, conflicts_with = "channel", value_name = "CLASS")]
    class: Option<String>,
    /// Architecture
    #[arg(long, default_value = crate::usual::ARCH)]
    arch: String,
    /// Method of attribution: LRP, LRPRestricted, GuidedBackprop, Saliency or GradientTimesInput
    #[arg(long, default_value = "LRP", value_name = "METHOD")]
    method: Attribution,
    #[command(flatten)]
    positions: PositionsFlag,
    /// Layers at which to save relevance, or all; they must lie below the unit's [default: one at each resolution; of a ResNet conv1, layer1 to layer4]
    #[arg(long, alias = "taps", value_delimiter = ',', value_name = "LAYERS")]
    at: Vec<String>,
    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let (tensors, heat_map) = (args.out.join("relevance.safetensors"), args.out.join("heatmap.png"));
    let check_place = || match [&tensors, &heat_map].into_iter().find(|path| output::is_result(path)) {
        Some(present) if !global.overwrite => {
            bail!("{} already exists; pass --overwrite to replace it", present.display())
        }
        _ => Ok(()),
    };
    check_place()?;
    if args.out.is_file() {
        bail!("{} is a file; name a folder for the results with --out", args.out.display());
    }
    if args.image.is_dir() {
        bail!("{} is a folder; name one image in it", args.image.display());
    }
    let network = global.network_for_backward_passes(&args.arch)?;
    let unit = Unit::new(args, &network)?;
    let Unit { target, channel, .. } = &unit;
    let wanted = wanted(&network, target, &args.at)?;
    if global.dry_run {
        let (layers, out) = (wanted.len(), args.out.display());
        let text = format!(
            "images      1\nforward     1 pass, and 1 back\nlayers      {layers} with relevance\noutput      {out}\n"
        );
        let plan = json!({
            "command": "attribute", "images": 1, "forwards": 1, "layers": layers, "output": out.to_string(),
        });
        return global.print_plan(&text, &plan);
    }

    let _claim = claim::take(&args.out, "attribute", &["heatmap".to_owned()])?;
    // Another run may have ended since.
    check_place()?;
    let preprocessing = global.preprocessing(&network)?;
    let crop = preprocessing.load_crop(&args.image, &global.limits())?;
    let pixels = preprocessing.normalize(&crop);

    let side = preprocessing.crop;
    let range = PixelRange::normalised(preprocessing.mean, preprocessing.std);
    let composite = match args.method {
        Attribution::Relevance(method) if global.reference_compat => method.published(network.graph(), range),
        method => method.composite(range),
    };
    let rules = (args.method, composite);
    let positions = args.positions.of(&network, std::slice::from_ref(target), side)?;
    let attributor = Attributor::with_composite(&network, target, &wanted, rules)?;
    let mut attributor = attributor.at_positions(positions);
    let found = attributor.run(&ChannelsLast::new(&pixels, side, side), &[*channel])?;
    check_unit(args, (&network, target), &found)?;
    check_relevance(args, &unit, &found, &wanted)?;

    let maps = maps(&network, &found, &wanted, side)?;
    save(&tensors, (args, network.device().arithmetic()), &unit, &maps)?;
    let write = |path: &Path, sums: &[f64]| {
        output::write_png(
            &output::Alone,
            path,
            &draw(&crop, sums),
            (side, side),
            image::ExtendedColorType::Rgb8,
        )
    };
    for map in maps.iter().filter(|map| map.shape.extra > 0) {
        write(
            &args.out.join(format!("heatmap_{}.png", layer_folder::in_file_name(&map.tap.name))),
            &map.over_crop(&network, side),
        )?;
    }
    let at_pixels = found.at(&network.graph().image_tap()).map_or(&[][..], |signal| signal.data);
    write(&heat_map, &sums(at_pixels, 3))?;
    report((args, global), (&network, &unit), &found, &wanted)
}

/// The unit that the flags choose.
struct Unit {
    target: Tap,
    channel: usize,
    /// Name of the class that it was chosen by.
    class: Option<String>,
}

impl Unit {
    fn new(args: &Args, network: &Network) -> anyhow::Result<Self> {
        let layer = args.layer.as_ref().map(|layer| network.tap(layer)).transpose()?;
        if let Some(typed) = &args.class {
            let classifier = Classifier::of(network)?;
            let last = classifier.tap().clone();
            let target = layer.map_or(Ok(last), |layer| classifier.check_layer(layer))?;
            let channel = classifier.find(typed)?;
            return Ok(Self { target, channel, class: classifier.class(channel).label.clone() });
        }
        let (target, channel) = layer.zip(args.channel).context("--layer and --channel, or --class")?;
        network.check_channels(&target, &[channel])?;
        Ok(Self { target, channel, class: None })
    }

    /// What messages call it.
    fn called(&self) -> String {
        let class = self.class.as_ref().map(|class| format!(" ({class})")).unwrap_or_default();
        format!("{}:{}{class}", self.target.name, self.channel)
    }
}

/// Refuses an image on which the unit's layer says what is no number.
fn check_unit(
    args: &Args,
    (network, target): (&Network, &Tap),
    found: &Attributed<'_>,
) -> anyhow::Result<()> {
    let map = found.map(target).context("the session keeps its taps")?;
    let checked = network.check_finite(target, 0, 1, map.data);
    checked.map_err(|error| not_finite::named(error, |_| args.image.display().to_string()))
}

/// Refuses shares that are no numbers: drawn, they would look like shares of zero.
fn check_relevance(args: &Args, unit: &Unit, found: &Attributed<'_>, wanted: &[Tap]) -> anyhow::Result<()> {
    for tap in wanted {
        if found.at(tap).is_some_and(|signal| first_not_finite(signal.data).is_some()) {
            let (image, unit) = (args.image.display(), unit.called());
            bail!(
                "{image}: the relevance of {} to {unit} by {} exceeds the range of f32; try another --method",
                tap.name,
                args.method
            );
        }
    }
    Ok(())
}

/// The taps at which relevance is wanted, the image among them.
fn wanted(network: &Network, target: &Tap, names: &[String]) -> anyhow::Result<Vec<Tap>> {
    let graph = network.graph();
    let image = graph.image_tap();
    if names == ["all"] {
        let mut taps = vec![image];
        for tap in graph.taps().filter(|tap| graph.is_strictly_below(tap, target)) {
            // A container is the same value as its last child.
            if taps.iter().all(|known| known.node != tap.node) {
                taps.push(tap);
            }
        }
        return Ok(taps);
    }
    if names.is_empty() {
        let layers = network
            .usual_layers()
            .features
            .iter()
            .map(|(name, _)| network.tap(name))
            .collect::<Result<Vec<_>, _>>()?;
        let below = layers.into_iter().filter(|tap| graph.is_strictly_below(tap, target));
        return Ok(std::iter::once(image).chain(below).collect());
    }
    let mut taps = vec![image];
    for name in names {
        let tap = network.tap(name)?;
        if !graph.is_strictly_below(&tap, target) {
            let message =
                format!("{} is not below {}, so the unit has no relevance there", tap.name, target.name);
            return Err(WrongUsage(message).into());
        }
        if !taps.contains(&tap) {
            taps.push(tap);
        }
    }
    Ok(taps)
}

/// The signal at a layer.
struct Map<'a> {
    tap: &'a Tap,
    shape: Shape,
    /// `[positions, channels]`
    data: &'a [f32],
}

/// The signals at the wanted layers, for a crop of that side.
fn maps<'a>(
    network: &Network,
    found: &'a Attributed<'_>,
    wanted: &'a [Tap],
    side: usize,
) -> anyhow::Result<Vec<Map<'a>>> {
    let map = |tap: &'a Tap| {
        let data = found.at(tap).context("every wanted tap lies below the target")?.data;
        Ok(Map { tap, shape: network.graph().shape(tap, (side, side))?, data })
    };
    wanted.iter().map(map).collect()
}

impl Map<'_> {
    /// As PyTorch has the layer's value: `[1, channels, height, width]`, or `[1, token, channel]` where tokens come before
    /// the grid.
    fn tensor(&self) -> WeightTensor {
        let Shape { channels, height, width, extra } = self.shape;
        if extra > 0 {
            return WeightTensor::new([1, self.shape.positions(), channels], self.data.to_vec());
        }
        let planes = View::new(1, height, width, channels, self.data).channels_first();
        WeightTensor::new([1, channels, height, width], planes.collect::<Vec<_>>())
    }

    /// The sums over channels of the grid's positions, each spread over its cell of the crop.
    ///
    /// # Shapes
    /// * returns: `[side, side]`
    fn over_crop(&self, network: &Network, side: usize) -> Vec<f64> {
        let Shape { channels, height, width, extra } = self.shape;
        let sums = sums(&self.data[extra * channels..], channels);
        let (start, stride) = match network.graph().cell(self.tap.node) {
            Some(cell) => (cell.start_px, cell.stride_px),
            None => ([0; 2], [side.div_ceil(height), side.div_ceil(width)]),
        };
        // Pixels at the edge that no cell begins at belong to the nearest.
        let cell = |pixel: usize, axis: usize, cells: usize| {
            let cell = (pixel as i64 - start[axis]).max(0) as usize / stride[axis].max(1);
            cell.min(cells - 1)
        };
        let pixels = (0..side * side).map(|at| (at / side, at % side));
        pixels.map(|(y, x)| sums[cell(y, 0, height) * width + cell(x, 1, width)]).collect()
    }
}

fn save(
    path: &Path,
    (args, arithmetic): (&Args, Arithmetic),
    unit: &Unit,
    maps: &[Map<'_>],
) -> anyhow::Result<()> {
    let tensors = maps.iter().map(|map| (map.tap.name.clone(), map.tensor()));
    let metadata = [
        ("image", args.image.display().to_string()),
        ("arch", args.arch.clone()),
        ("layer", unit.target.name.clone()),
        ("channel", unit.channel.to_string()),
        ("method", args.method.to_string()),
        ("device", arithmetic.to_string()),
    ];
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Weights::from_tensors(tensors.collect::<Vec<_>>(), metadata).save(path)?)
}

/// The sum over channels at each position.
///
/// # Shapes
/// * `map`: `[positions, channels]`
fn sums(map: &[f32], channels: usize) -> Vec<f64> {
    map.chunks_exact(channels).map(|values| values.iter().map(|value| f64::from(*value)).sum()).collect()
}

/// The crop in grey, tinted by what is attributed to each pixel.
///
/// # Shapes
/// * `crop`, returns: `[height, width, 3]`
/// * `sums`: `[height, width]`
fn draw(crop: &[u8], sums: &[f64]) -> Vec<u8> {
    let mut magnitudes: Vec<f64> = sums.iter().map(|sum| sum.abs()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let strongest = magnitudes.get((STRONGEST * magnitudes.len() as f64) as usize).copied().unwrap_or(0.0);
    let tint = |(pixel, sum): (&[u8], &f64)| {
        let grey =
            (0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])) * 0.6;
        let strength = if strongest > 0.0 { (sum.abs() / strongest).min(1.0) } else { 0.0 };
        let colour = if *sum > 0.0 { [255.0, 40.0, 20.0] } else { [30.0, 80.0, 255.0] };
        colour.map(|colour| (grey * (1.0 - strength) + colour * strength).round() as u8)
    };
    crop.chunks_exact(3).zip(sums).flat_map(tint).collect()
}

/// Says how strong the unit is, and how much of that arrives at each layer.
fn report(
    (args, global): (&Args, &Global),
    (network, unit): (&Network, &Unit),
    found: &Attributed<'_>,
    wanted: &[Tap],
) -> anyhow::Result<Outcome> {
    let Unit { target, channel, class } = unit;
    let map = found.map(target).context("the session keeps its taps")?;
    let values = map.data.iter().skip(*channel).step_by(map.channels);
    let strongest = values.copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = |tap: &Tap| -> f64 {
        found.at(tap).map_or(0.0, |signal| signal.data.iter().map(|value| f64::from(*value)).sum())
    };
    global.say(0, || format!("{} reaches {strongest:.3}; wrote {}", unit.called(), args.out.display()));
    if strongest <= 0.0 {
        global.say(0, || nothing_above_zero(network, target, args.method).to_owned());
    }
    if global.json {
        let sums: serde_json::Map<String, serde_json::Value> =
            wanted.iter().map(|tap| (tap.name.clone(), json!(sum(tap)))).collect();
        let summary = json!({
            "command": "attribute",
            "image": args.image.display().to_string(),
            "layer": target.name,
            "channel": channel,
            "class": class,
            "method": args.method.to_string(),
            "activation": strongest,
            "sums": sums,
            "out": args.out.display().to_string(),
        });
        output::print(&format!("{summary:#}\n"))?;
    }
    Ok(Outcome::Done)
}

/// What a unit without a value above 0 means for what was traced back from it.
fn nothing_above_zero(network: &Network, target: &Tap, method: Attribution) -> &'static str {
    match (network.graph().is_non_negative(target.node), method) {
        (true, _) => "the unit is silent on this image: the relevance below it says nothing about the unit",
        (false, Attribution::LRP) => {
            "the unit is below 0 everywhere on this image: its relevance is negative, and largest where the image is \
             evidence for the unit nevertheless (docs/fvis.md)"
        }
        (false, _) => {
            "the unit is below 0 everywhere on this image: the map shows what would increase it (docs/fvis.md)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_red_for_the_unit_and_blue_against_it() {
        let crop = [100; 9];
        let drawn = draw(&crop, &sums(&[1.0, 0.0, 0.0, -2.0, 0.0, 1.0, 0.0, 0.0, 0.0], 3));
        assert_eq!(drawn, [255, 40, 20, 30, 80, 255, 60, 60, 60]);
    }
}

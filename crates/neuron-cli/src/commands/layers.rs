use std::fmt::Write;

use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_model::{Architecture, Graph, TapInfo, Weights};
use serde::Serialize;

use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::output;
use crate::preprocessing::Known;
use crate::same_layer::shortest_name;
use crate::{exported, fetch};

/// List the layers of a network: channels, map size, stride and receptive field
///
/// Every name in the list is accepted wherever a command takes a layer, with dots or underscores. With --weights, the
/// list describes the network of those weights (number of classes, placement of strides, input size). Layers behind a
/// gate of whole channels (squeeze-and-excitation) see the whole image by it; their receptive field is that without. In
/// transformers every token sees the whole image: what is listed is the cell that belongs to it. `1 + 14 x 14` are a class
/// token and a grid.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["weights", "weights_key", "config", "quiet", "verbose", "json"]))]
#[command(after_help = EXAMPLE, after_long_help = known())]
pub(crate) struct Args {
    /// Architecture: one of the names below, or a file
    #[arg(long, default_value = crate::usual::ARCH)]
    arch: String,
}

const EXAMPLE: &str = "Example:\n  neuron layers --arch resnet18";

/// The example, and every name that `--arch` takes.
fn known() -> String {
    let names: Vec<&str> = Architecture::names().collect();
    format!(
        "Architectures: {}; or a file with a network of your own, model.pt2, model.onnx or model.neuron\n\n{EXAMPLE}",
        names.join(", ")
    )
}

/// The layers of a network.
#[derive(Serialize)]
struct Layers<'a> {
    arch: &'a str,
    /// Side of the square input, in pixels.
    input_px: usize,
    /// Whether images of other sizes are refused; written only where they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    takes_only_that: bool,
    layers: Vec<Layer>,
}

/// A layer in the list.
#[derive(Serialize)]
struct Layer {
    #[serde(flatten)]
    info: TapInfo,
    /// The shortest name of the layers with the same value; written only where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<String>,
}

impl Layer {
    fn new(info: TapInfo, graph: &Graph) -> Self {
        let shortest = graph.tap(&info.name).ok().map(|tap| shortest_name(graph, &tap));
        Self { same_as: shortest.filter(|shortest| *shortest != info.name), info }
    }
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let Args { arch } = args;
    if let Some(path) = exported::path(arch) {
        let imported = global.imported(path)?;
        let known = Known::of(&imported.weights)?.fitted_to(&imported.graph)?;
        return show(arch, &imported.graph, known.preprocessing.crop, global);
    }
    let architecture = Architecture::from_name(arch)?;
    let (graph, input_px) = match global.named_weights()? {
        Some(path) => {
            let weights = global.told(global.open_weights(&path, Some(&architecture))?);
            let fit = global.fit(&architecture, &weights);
            let fit = fit.with_context(|| format!("the weights do not fit {arch}"))?;
            let input_px = Known::of(&weights)?.fitted_to(&fit.graph)?.preprocessing.crop;
            (fit.graph, input_px)
        }
        None => {
            let usual = fetch::usual_crop(arch).unwrap_or(Preprocessing::default().crop);
            let graph = architecture.graph(&Weights::default());
            let input_px = graph.image_size().map_or(usual, |[height, _]| height);
            (graph, input_px)
        }
    };
    show(arch, &graph, input_px, global)
}

fn show(arch: &str, graph: &Graph, input_px: usize, global: &Global) -> anyhow::Result<Outcome> {
    let takes_only_that = graph.image_size().is_some();
    let infos = graph.tap_infos(input_px, input_px)?;
    let layers = infos.into_iter().map(|info| Layer::new(info, graph)).collect();
    let layers = Layers { arch, input_px, takes_only_that, layers };
    let text = if global.json { serde_json::to_string_pretty(&layers)? + "\n" } else { layers.table()? };
    output::print(&text)?;
    Ok(Outcome::Done)
}

impl Layers<'_> {
    fn table(&self) -> Result<String, std::fmt::Error> {
        let infos = || self.layers.iter().map(|layer| &layer.info);
        let names = infos().map(|layer| layer.name.len()).max().unwrap_or(0);
        let maps: Vec<String> = infos().map(map).collect();
        let widest = maps.iter().map(String::len).max().unwrap_or(0).max(9);
        let (arch, input) = (self.arch, self.input_px);
        let mut text = match self.takes_only_that {
            false => format!("{arch} on {input} x {input} pixels\n"),
            true => format!("{arch} takes {input} x {input} pixels only\n"),
        };
        writeln!(text, "{:names$}  channels  {:widest$}  stride  receptive field", "layer", "map")?;
        for (layer, map) in infos().zip(maps) {
            // A layer behind the global pool sees everything, and has no stride.
            let pixels = |value: Option<[usize; 2]>| match value {
                None => "-".to_owned(),
                Some([height, width]) if height == width => format!("{height} px"),
                Some([height, width]) => format!("{height} x {width} px"),
            };
            let (stride, field) = match &layer.cell {
                None => (layer.stride_px, pixels(layer.receptive_field_px)),
                // By attention every position sees all of the image.
                Some(cell) => (Some(cell.stride_px), format!("cell of {}", pixels(Some(cell.size_px)))),
            };
            let stride = pixels(stride);
            let note = if layer.gated && layer.receptive_field_px.is_some() { "  behind a gate" } else { "" };
            writeln!(
                text,
                "{:names$}  {:>8}  {map:widest$}  {stride:>6}  {field:>15}{note}",
                layer.name, layer.channels
            )?;
        }
        Ok(text)
    }
}

/// The size of a layer's maps; class and register tokens come before the grid.
fn map(layer: &TapInfo) -> String {
    let TapInfo { extra, height, width, .. } = layer;
    match extra {
        0 => format!("{height} x {width}"),
        extra => format!("{extra} + {height} x {width}"),
    }
}

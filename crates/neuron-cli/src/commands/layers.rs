use std::fmt::Write;

use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_model::{Architecture, TapInfo, Weights};
use serde::Serialize;

use crate::fetch;
use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::output;
use crate::preprocessing::Known;

/// List the layers of a network: channels, map size, stride and receptive field
///
/// Every name in the list is accepted wherever a command takes a layer, with dots or underscores. With --weights, the
/// list describes the network of those weights (number of classes, placement of strides, input size). Layers behind a
/// gate of whole channels (squeeze-and-excitation) see the whole image by it; their receptive field is that without.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["weights", "weights_key", "config", "quiet", "verbose", "json"]))]
#[command(after_help = "Example:\n  neuron layers --arch resnet18")]
pub(crate) struct Args {
    /// Architecture
    #[arg(long, default_value = crate::usual::ARCH)]
    arch: String,
}

/// The layers of a network.
#[derive(Serialize)]
struct Layers<'a> {
    arch: &'a str,
    /// Side of the square input, in pixels.
    input_px: usize,
    layers: Vec<TapInfo>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let Args { arch } = args;
    let architecture = Architecture::from_name(arch)?;
    let (graph, input_px) = match global.named_weights()? {
        Some(path) => {
            let weights = global.open_weights(&path, Some(&architecture))?;
            let fit = global.fit(&architecture, &weights);
            let fit = fit.with_context(|| format!("the weights do not fit {arch}"))?;
            (fit.graph, Known::of(&weights)?.preprocessing.crop)
        }
        None => {
            let usual = fetch::usual_crop(arch).or(architecture.usual_image_px());
            let usual = usual.unwrap_or(Preprocessing::default().crop);
            (architecture.graph(&Weights::default()), usual)
        }
    };
    let layers = Layers { arch, input_px, layers: graph.tap_infos(input_px, input_px)? };
    let text = if global.json { serde_json::to_string_pretty(&layers)? + "\n" } else { layers.table()? };
    output::print(&text)?;
    Ok(Outcome::Done)
}

impl Layers<'_> {
    fn table(&self) -> Result<String, std::fmt::Error> {
        let width = self.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
        let mut text = format!("{} on {input} x {input} pixels\n", self.arch, input = self.input_px);
        writeln!(text, "{:width$}  channels  map        stride  receptive field", "layer")?;
        for layer in &self.layers {
            let map = format!("{} x {}", layer.height, layer.width);
            // A layer behind the global pool sees everything, and has no stride.
            let pixels = |value: Option<[usize; 2]>| match value {
                None => "-".to_owned(),
                Some([height, width]) if height == width => format!("{height} px"),
                Some([height, width]) => format!("{height} x {width} px"),
            };
            let (stride, field) = (pixels(layer.stride_px), pixels(layer.receptive_field_px));
            let note = if layer.gated && layer.receptive_field_px.is_some() { "  behind a gate" } else { "" };
            writeln!(
                text,
                "{:width$}  {:>8}  {map:9}  {stride:>6}  {field:>15}{note}",
                layer.name, layer.channels
            )?;
        }
        Ok(text)
    }
}

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use neuron_data::Preprocessing;
use neuron_import::{Difference, Imported, Missing};
use neuron_model::{Device, Network};
use serde::Serialize;

use crate::global::{self, Global};
use crate::outcome::{Outcome, WrongUsage};
use crate::preprocessing::Known;
use crate::{claim, exported, output};

/// Largest difference that rounding explains; cosine attention multiplies it.
const CLOSE: f64 = 5e-4;

/// Check an exported network, and describe it; with --out, write it as one file
///
/// Reads what torch.export.save and torch.onnx.export write. Every command takes such a file as --arch; what this
/// command writes (weights, graph and preprocessing in one safetensors file) opens faster, and needs no file beside it.
/// Layers have the names of the network's modules; what the network returns is `output`. Nothing in the file is
/// executed.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["resize", "crop", "interpolation", "mean", "std", "config", "quiet", "json", "overwrite", "dry_run", "threads"]))]
#[command(after_help = "Examples:
  neuron import mine.pt2
  neuron import mine.onnx --check values.safetensors
  neuron import mine.pt2 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --out mine.neuron")]
pub(crate) struct Args {
    /// The network: .pt2 or .onnx
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file to write
    #[arg(long, value_name = "F.neuron")]
    out: Option<PathBuf>,
    /// Compare with recorded values: `input`, and what layers returned, under their names (`output` is the network's own)
    #[arg(long, value_name = "F.safetensors")]
    check: Option<PathBuf>,
}

/// What an exported network is.
#[derive(Serialize)]
struct Summary {
    file: String,
    format: String,
    operations: usize,
    layers: usize,
    outputs: Vec<String>,
    /// Height and width of the image with which it was exported.
    exported_px: [usize; 2],
    takes_only_that: bool,
    usual_layers: Vec<String>,
    target_layer: String,
    preprocessing: Preprocessed,
    not_supported: Vec<Unsupported>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Compared>,
}

#[derive(Serialize)]
struct Preprocessed {
    resize: usize,
    crop: usize,
    interpolation: String,
    mean: [f32; 3],
    std: [f32; 3],
}

#[derive(Serialize)]
struct Unsupported {
    operator: String,
    first: String,
    count: usize,
}

#[derive(Serialize)]
struct Compared {
    layer: String,
    largest: Option<f64>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let _claim = match args.out.as_deref() {
        Some(out) if !global.dry_run => claim::take_file(out, "import")?,
        _ => None,
    };
    if let Some(out) = args.out.as_deref() {
        if output::is_result(out) && !global.overwrite {
            bail!("{} already exists; pass --overwrite to replace it", out.display());
        }
        if !neuron_import::is_exported(out) {
            let message = format!("--out {}: call it .neuron, by which --arch knows it", out.display());
            return Err(WrongUsage(message).into());
        }
    }
    let mut imported = exported::open(&args.file)?;
    imported.weights = global.told(imported.weights);
    let known = Known::of(&imported.weights)?.fitted_to(&imported.graph)?;
    let name = exported::name(&args.file.to_string_lossy());
    let network = Network::from_graph(
        Device::default(),
        &name,
        imported.graph.clone(),
        imported.weights.clone(),
        global.threads,
    );
    let network = network.with_context(|| args.file.display().to_string())?;
    let differences =
        args.check.as_deref().map(|values| neuron_import::check(&network, values)).transpose()?;
    let summary =
        Summary::new(args, &imported, &network, (&known.preprocessing, differences.unwrap_or_default()));
    if let Some(out) = args.out.as_deref().filter(|_| !global.dry_run) {
        if !imported.missing.is_empty() {
            bail!(
                "{} is not written: {}",
                out.display(),
                exported::told(&imported.missing).unwrap_or_default()
            );
        }
        let metadata = known.preprocessing.metadata().into_iter();
        let all = imported.weights.metadata().clone().into_iter().chain(metadata).collect();
        imported.weights = imported.weights.told_instead(all);
        imported.save(out)?;
    }
    let text = if global.json {
        serde_json::to_string_pretty(&summary)? + "\n"
    } else {
        summary.text(args, &known)?
    };
    output::print(&text)?;
    let far = summary
        .differences
        .iter()
        .filter(|compared| compared.largest.is_none_or(|largest| largest > CLOSE))
        .count();
    if far > 0 {
        bail!("{far} of {} layers differ from the recorded values", summary.differences.len());
    }
    Ok(Outcome::Done)
}

impl Summary {
    fn new(
        args: &Args,
        imported: &Imported,
        network: &Network,
        (preprocessing, differences): (&Preprocessing, Vec<Difference>),
    ) -> Self {
        let Imported { graph, missing, size, format, .. } = imported;
        let usual = network.usual_layers();
        let names = graph.taps().map(|tap| tap.name);
        let Preprocessing { resize, crop, interpolation, mean, std } = preprocessing;
        Self {
            file: args.file.display().to_string(),
            format: format.to_string(),
            operations: graph.nodes().len() - 1,
            layers: graph.taps().count(),
            outputs: names.filter(|name| name == "output" || name.starts_with("output.")).collect(),
            exported_px: *size,
            takes_only_that: graph.image_size().is_some(),
            usual_layers: usual.features.iter().map(|(name, _)| name.clone()).collect(),
            target_layer: usual.target.clone(),
            preprocessing: Preprocessed {
                resize: *resize,
                crop: *crop,
                interpolation: interpolation.name().to_owned(),
                mean: *mean,
                std: *std,
            },
            not_supported: missing
                .iter()
                .map(|Missing { operator, first, count, .. }| Unsupported {
                    operator: operator.clone(),
                    first: first.clone(),
                    count: *count,
                })
                .collect(),
            differences: differences
                .into_iter()
                .map(|Difference { layer, largest }| Compared { layer, largest })
                .collect(),
        }
    }

    fn text(&self, args: &Args, known: &Known) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let [height, width] = self.exported_px;
        let only = if self.takes_only_that { ", and takes no other" } else { ", and takes others" };
        writeln!(
            text,
            "{}: {}, exported with images of {height} x {width} pixels{only}",
            self.file, self.format
        )?;
        writeln!(
            text,
            "{} operations, {} layers; `neuron layers --arch {}` lists them",
            self.operations, self.layers, self.file
        )?;
        if self.outputs.is_empty() {
            writeln!(text, "its output cannot be computed")?;
        } else {
            writeln!(text, "outputs: {}", self.outputs.join(", "))?;
        }
        if !self.target_layer.is_empty() {
            writeln!(
                text,
                "layers that are used if none is named: {}, units of {}",
                self.usual_layers.join(", "),
                self.target_layer
            )?;
        }
        let Preprocessed { resize, crop, interpolation, mean, std } = &self.preprocessing;
        let list = |values: &[f32; 3]| values.map(|value| value.to_string()).join(",");
        writeln!(
            text,
            "images: resize {resize}, crop {crop}, {interpolation}, mean {}, std {}",
            list(mean),
            list(std)
        )?;
        if let Some(sources) = known.sources() {
            writeln!(text, "  ({sources})")?;
        }
        for Compared { layer, largest } in &self.differences {
            match largest {
                Some(largest) => writeln!(text, "{layer}: differs by {largest:.1e}")?,
                None => writeln!(text, "{layer}: is of another shape")?,
            }
        }
        for Unsupported { operator, first, count } in &self.not_supported {
            writeln!(text, "not supported: {operator}, first in {first}, {count} times")?;
        }
        if let Some(out) = args.out.as_deref().filter(|_| self.not_supported.is_empty()) {
            writeln!(text, "written to {}", out.display())?;
        }
        Ok(text)
    }
}

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_model::{Architecture, Weights, weights};
use serde::Serialize;

use crate::global::Global;
use crate::hub::{Hub, HubError};
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Progress;

/// Convert, look into or fetch weights
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Convert(Convert),
    Inspect(Inspect),
    Fetch(Fetch),
}

/// Write a checkpoint of torchvision or timm (.pth or safetensors) as f32 safetensors
///
/// Takes zip and legacy checkpoints, in f32, f16 or bf16, with the tensors at the top, under `state_dict` or under
/// `model`, and with or without `module.` before their names. Nothing in the checkpoint is executed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  neuron weights convert resnet50-0676ba61.pth weights/resnet50.safetensors --arch resnet50"
)]
struct Convert {
    /// The checkpoint
    #[arg(value_name = "IN.pth")]
    input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT.safetensors")]
    output: PathBuf,
    /// Check the tensors against this architecture, and note it in the metadata
    #[arg(long)]
    arch: Option<String>,
    /// Note something in the metadata: stride_in_1x1=true, mean=0.5,0.5,0.5, ... (docs/formats.md lists the keys)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

/// Show what a weights file holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  neuron weights inspect weights/resnet50.safetensors")]
struct Inspect {
    /// safetensors or .pth
    file: PathBuf,
}

/// Get torchvision's weights from the Hugging Face Hub
///
/// They come from `timm/<ARCH>.tv_in1k` with the preprocessing of its config.json, and lie at
/// <HF_HOME>/neuron/<ARCH>.safetensors, where every command finds them. HF_HOME, HF_ENDPOINT, HF_TOKEN and
/// HF_HUB_OFFLINE are honoured.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  neuron weights fetch resnet50")]
struct Fetch {
    /// resnet50, wide_resnet50_2, resnext50_32x4d, ...
    arch: String,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    match &args.action {
        Action::Convert(args) => convert(args, global),
        Action::Inspect(args) => inspect(args, global),
        Action::Fetch(args) => fetch(args, global),
    }
}

fn convert(args: &Convert, global: &Global) -> anyhow::Result<Outcome> {
    let Convert { input, output, arch, metadata } = args;
    if output.exists() && !global.overwrite {
        bail!("{} is there already; pass --overwrite to replace it", output.display());
    }
    let architecture = arch.as_deref().map(Architecture::from_name).transpose()?;
    let weights = Weights::open(input)?;
    let arch = arch.iter().map(|arch| ("arch".to_owned(), arch.clone()));
    let merged = weights.metadata().clone().into_iter().chain(arch).chain(metadata.iter().cloned()).collect();
    let weights = weights.with_metadata(merged);
    if let Some(architecture) = architecture {
        weights::check(&weights, &architecture.graph(&weights).expected_tensors())
            .with_context(|| input.display().to_string())?;
    }
    let summary = Summary::new(output, &weights);
    if global.dry_run {
        global.say(0, || format!("would write {} tensors to {}", summary.tensors.len(), output.display()));
        return Ok(Outcome::Done);
    }
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    weights.save(output)?;
    if global.json {
        return summary.print_json();
    }
    for (name, kind) in weights.left_out() {
        global.say(1, || format!("left out: {} ({kind})", name.escape_debug()));
    }
    let left_out = weights.left_out().count();
    global.say(0, || {
        format!("{}: {} tensors, {left_out} entries left out", output.display(), summary.tensors.len())
    });
    Ok(Outcome::Done)
}

fn inspect(args: &Inspect, global: &Global) -> anyhow::Result<Outcome> {
    let weights = Weights::open(&args.file)?;
    let summary = Summary::new(&args.file, &weights);
    if global.json { summary.print_json() } else { summary.print_table() }
}

fn fetch(args: &Fetch, global: &Global) -> anyhow::Result<Outcome> {
    let Fetch { arch } = args;
    Architecture::from_name(arch)?;
    let hub = Hub::from_env()?;
    let place = hub.place(arch);
    let there = place.is_file() && !global.overwrite;
    if global.dry_run {
        let what = if there { "is there already" } else { "would be fetched" };
        global.say(0, || format!("{}: {what}", place.display()));
        return Ok(Outcome::Done);
    }
    if !there {
        let mut progress = None;
        let fetched = hub.fetch(arch, &mut |received, size| {
            let new = || Progress::new(arch, "bytes", size as usize, 0, global.quiet);
            progress.get_or_insert_with(new).update(received as usize, "");
        });
        if let Some(progress) = &progress {
            progress.finish();
        }
        match fetched {
            Err(HubError::Interrupted) => return Ok(Outcome::Interrupted),
            fetched => fetched?,
        };
    }
    if global.json {
        return Summary::new(&place, &Weights::open(&place)?).print_json();
    }
    let what =
        if there { "was there already (--overwrite fetches it again)" } else { "fetched and verified" };
    global.say(0, || format!("{}: {what}", place.display()));
    Ok(Outcome::Done)
}

/// `KEY=VALUE`, with a key.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// What a weights file holds.
#[derive(Serialize)]
struct Summary {
    path: PathBuf,
    sha256: Option<String>,
    parameters: usize,
    /// Architectures whose tensors these are.
    fits: Vec<&'static str>,
    metadata: BTreeMap<String, String>,
    tensors: Vec<TensorSummary>,
    left_out: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct TensorSummary {
    name: String,
    shape: Vec<usize>,
}

impl Summary {
    fn new(path: &Path, weights: &Weights) -> Self {
        let summary = |(name, tensor): (&str, &weights::WeightTensor)| TensorSummary {
            name: name.to_owned(),
            shape: tensor.shape.clone(),
        };
        Self {
            path: path.to_owned(),
            sha256: weights.sha256().map(str::to_owned),
            parameters: weights.iter().map(|(_, tensor)| tensor.data.len()).sum(),
            fits: Architecture::names().filter(|name| fits(weights, name)).collect(),
            metadata: weights.metadata().clone(),
            tensors: weights.iter().map(summary).collect(),
            left_out: weights.left_out().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
        }
    }

    fn print_json(&self) -> anyhow::Result<Outcome> {
        output::print(&format!("{}\n", serde_json::to_string_pretty(self)?))?;
        Ok(Outcome::Done)
    }

    /// Names and metadata come from the file: their control characters are not for the terminal.
    fn print_table(&self) -> anyhow::Result<Outcome> {
        let mut text = String::new();
        let fits =
            if self.fits.is_empty() { "no known architecture".to_owned() } else { self.fits.join(", ") };
        writeln!(text, "{}", self.path.display())?;
        writeln!(text, "fits        {fits}")?;
        writeln!(text, "tensors     {} ({} parameters)", self.tensors.len(), self.parameters)?;
        if let Some(sha256) = &self.sha256 {
            writeln!(text, "sha256      {sha256}")?;
        }
        for (key, value) in &self.metadata {
            writeln!(text, "metadata    {} = {}", key.escape_debug(), value.escape_debug())?;
        }
        let width = self.tensors.iter().map(|tensor| tensor.name.escape_debug().count()).max().unwrap_or(0);
        for TensorSummary { name, shape } in &self.tensors {
            let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
            writeln!(text, "  {:width$}  {}", name.escape_debug().to_string(), axes.join(" x "))?;
        }
        for (name, kind) in &self.left_out {
            writeln!(text, "left out    {} ({kind})", name.escape_debug())?;
        }
        output::print(&text)?;
        Ok(Outcome::Done)
    }
}

fn fits(weights: &Weights, arch: &str) -> bool {
    Architecture::from_name(arch)
        .and_then(|architecture| weights::check(weights, &architecture.graph(weights).expected_tensors()))
        .is_ok()
}

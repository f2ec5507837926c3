mod summary;

use std::path::PathBuf;

use anyhow::{Context, bail};
use neuron_model::{Architecture, Weights};

use self::summary::Summary;
use serde_json::json;

use crate::classifier::parse_labels;
use crate::fetch::{self, Environment, FetchError, Request};
use crate::global::{self, Global};
use crate::outcome::Outcome;
use crate::preprocessing::Known;
use crate::progress::Progress;
use crate::{claim, output};

/// Convert, inspect or fetch weights
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["weights_key", "config", "quiet", "verbose", "json", "dry_run", "overwrite"]))]
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

/// Convert a torchvision or timm checkpoint (.pth or safetensors) to f32 safetensors
///
/// Reads zip and legacy checkpoints, and safetensors in one or several files, in f64, f32, f16 or bf16. The tensors of
/// the network are found wherever they are: under `state_dict`, `model` or any other name, with `module.`,
/// `backbone.` or any other prefix. If a file holds several networks, --weights-key selects one. If a config.json
/// beside the file specifies the preprocessing, it is copied into the metadata. Nothing in the checkpoint is executed.
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
    /// Check the tensors against this architecture, and record it in the metadata
    #[arg(long)]
    arch: Option<String>,
    /// Add an entry to the metadata: stride_in_1x1=true, mean=0.5,0.5,0.5, ... (docs/formats.md lists the keys)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

/// Show the contents of a weights file
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["weights_key", "config", "json"]))]
#[command(after_help = "Example:\n  neuron weights inspect weights/resnet50.safetensors")]
struct Inspect {
    /// The file: safetensors or .pth
    file: PathBuf,
}

/// Download torchvision's weights, or those of the Hugging Face Hub
///
/// ARCH gets the set that torchvision takes by default, from its own server, and stores it as
/// <HF_HOME>/neuron/<ARCH>.safetensors, where every command finds it. ARCH:SET gets another of its sets
/// (IMAGENET1K_V1), and ARCH:hf those of its repository on the Hub (`timm/<ARCH>.tv_in1k` of residual networks;
/// docs/networks.md lists the others): these are stored beside it, and commands use them with --weights ARCH:SET. The
/// file is verified by its SHA-256, converted to f32 safetensors, and its metadata say how these weights want images to
/// be resized, cropped and normalised. HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE (no request at all) and
/// NEURON_TORCHVISION_ENDPOINT (a mirror of https://download.pytorch.org) are honoured.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["config", "quiet", "json", "dry_run", "overwrite"]))]
#[command(
    after_help = "Example:\n  neuron weights fetch resnet50\n  neuron weights fetch resnet50:IMAGENET1K_V1"
)]
struct Fetch {
    /// resnet50, resnet50:IMAGENET1K_V1, resnet50:hf, wide_resnet50_2, ...
    #[arg(value_name = "ARCH[:SET]")]
    wanted: String,
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
    let _claim = if global.dry_run { None } else { claim::take_file(output, "weights convert")? };
    if output::is_result(output) && !global.overwrite {
        bail!("{} already exists; pass --overwrite to replace it", output.display());
    }
    let architecture = arch.as_deref().map(Architecture::from_name).transpose()?;
    let weights = global.open_weights(input, architecture.as_ref())?;
    let arch = arch.iter().map(|arch| ("arch".to_owned(), arch.clone()));
    let merged = weights.metadata().clone().into_iter().chain(arch).chain(metadata.iter().cloned()).collect();
    let weights = with_preprocessing(global, &weights.with_metadata(merged))?;
    if let Some(labels) = weights.metadata().get("labels") {
        parse_labels(labels)?;
    }
    if let Some(architecture) = architecture {
        global.fit(&architecture, &weights).with_context(|| input.display().to_string())?;
    }
    let summary = Summary::new(output, &weights);
    if global.dry_run {
        let (tensors, place) = (summary.tensors.len(), output.display());
        let text = format!("would write {tensors} tensors to {place}\n");
        let plan = json!({ "command": "weights convert", "tensors": tensors, "output": place.to_string() });
        return global.print_plan(&text, &plan);
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

/// Notes in the metadata what a configuration beside the weights says of the preprocessing, and says what it did.
fn with_preprocessing(global: &Global, weights: &Weights) -> anyhow::Result<Weights> {
    let known = Known::of(weights)?;
    if let Some(told) = weights.path().and_then(|path| known.told(path)) {
        global.say(0, || told);
    }
    let own = weights.metadata().clone();
    Ok(weights.with_metadata(own.into_iter().chain(known.configured).collect()))
}

fn inspect(args: &Inspect, global: &Global) -> anyhow::Result<Outcome> {
    let weights = match &global.weights_key {
        Some(key) => Weights::open_key(&args.file, key)?,
        None => Weights::open(&args.file)?,
    };
    let summary = Summary::new(&args.file, &weights);
    if global.json { summary.print_json() } else { summary.print_table() }
}

fn fetch(args: &Fetch, global: &Global) -> anyhow::Result<Outcome> {
    let request = Request::parse(&args.wanted)?;
    let environment = Environment::from_env()?;
    let place = fetch::place(&request, &environment);
    let there = !global.overwrite && fetch::is_there(&request, &place)?;
    if global.dry_run {
        let from = (!there).then(|| fetch::address(&request, &environment));
        let what =
            from.as_ref().map_or("already exists".to_owned(), |from| format!("would be fetched from {from}"));
        let plan = json!({ "command": "weights fetch", "from": from, "output": place.display().to_string() });
        return global.print_plan(&format!("{}: {what}\n", place.display()), &plan);
    }
    let _claim = if there { None } else { claim::take_file(&place, "weights fetch")? };
    if !there {
        let mut progress = None;
        let fetched = fetch::fetch(&request, &environment, &mut |received, size| {
            let new = || Progress::new(&args.wanted, "bytes", size as usize, 0, global.quiet);
            progress.get_or_insert_with(new).update(received as usize, "");
        });
        if let Some(progress) = &progress {
            progress.finish();
        }
        match fetched {
            Err(FetchError::Interrupted) => return Ok(Outcome::Interrupted),
            fetched => fetched?,
        };
    }
    if global.json {
        return Summary::new(&place, &Weights::open(&place)?).print_json();
    }
    let what = if there { "already existed (--overwrite fetches it again)" } else { "fetched and verified" };
    global.say(0, || format!("{}: {request} {what}", place.display()));
    Ok(Outcome::Done)
}

/// `KEY=VALUE`, with a key.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

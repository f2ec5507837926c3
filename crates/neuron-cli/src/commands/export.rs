mod clip_dissect;
mod crp;
mod format;
mod formats;
mod hf;
mod images;
mod layer;
mod milan;
mod npy;
mod patches;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::json;

use crate::global::{self, Global};
use crate::numbers::count;
use crate::outcome::Outcome;
use crate::{claim, indices, output};
use format::{Export, Format};

/// Write results as other tools read them
///
/// Reads the lists of select-images in FOLDER, or in folders up to two levels below it, and for some formats the patches
/// beside them. milan: exemplars for MILAN and MAIA (images.npy, masks.npy, activations.csv; a folder for each layer). crp:
/// zennit-crp's files of activation maximisation. clip-dissect: descriptions.csv, with the class that is most frequent among
/// a unit's images. hf: a data set of the Hugging Face Hub with all patches. docs/export.md describes the files.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["data", "config", "quiet", "json", "dry_run", "overwrite", "max_pixels"]))]
#[command(after_help = "Examples:
  neuron export --format milan resnet50 --out exemplars/resnet50/imagenet
  neuron export --format hf resnet50/neuron_layer4 --out units-of-layer4")]
pub(crate) struct Args {
    /// Folder with the results, such as <arch> or <arch>/neuron_<layer>
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_parser = formats::parser())]
    format: &'static Format,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Images or patches of each unit [default: 15 for milan, 20 for clip-dissect, 40 for crp, all for hf]
    #[arg(long, value_name = "N", value_parser = count)]
    per_unit: Option<NonZeroUsize>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let Args { folder, format, out, per_unit } = args;
    let per_unit = per_unit.map_or(format.per_unit, NonZeroUsize::get);
    let layers = layer::find(folder, per_unit)?;
    layers.iter().for_each(|layer| indices::beside_lists(&layer.folder, global));
    let export = Export { layers, out, per_unit, global };
    if global.dry_run {
        return report(&export, format, None);
    }
    let _claim = claim::take_folder(out, "export")?;
    let units = (format.write)(&export)?;
    report(&export, format, Some(units))
}

/// Says what was written, or of a plan what there is.
fn report(export: &Export<'_>, format: &Format, written: Option<usize>) -> anyhow::Result<Outcome> {
    let Export { layers, out, global, .. } = export;
    let names: Vec<&str> = layers.iter().map(|layer| &*layer.name).collect();
    let units = written.unwrap_or_else(|| layers.iter().map(|layer| layer.units.len()).sum());
    let told = format!("{units} units of {}: {}", names.join(", "), out.display());
    if global.json {
        let summary = json!({
            "command": "export",
            "format": format.name,
            "layers": names,
            "units": units,
            "output": out.display().to_string(),
        });
        output::print(&format!("{summary:#}\n"))?;
    } else if written.is_none() {
        output::print(&format!("{told}\n"))?;
    }
    if written.is_some() {
        global.say(0, || told);
    }
    Ok(Outcome::Done)
}

mod find;
mod join;
mod missing;

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::{baseline, extract_patches, select_images};
use crate::global::{self, Global};
use crate::numbers::counted;
use crate::outcome::Outcome;
use crate::scan::{Checkpoint, Overwrite};
use crate::{interrupt, output};

/// Merge the shards of select-images, extract-patches or baseline into the result of one run
///
/// A shard is the file that a run with --shard I/N left in <out>/<arch> (extract-patches: in <out>), or a folder that
/// holds such files. Each of the N shards must be given once, from runs with the same weights, data and settings.
/// The result is byte-identical to that of one unsharded run. Nothing is waited for: where shards are missing or not
/// finished, each is named with the command that makes it, and nothing is written.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["config", "quiet", "verbose", "json", "dry_run", "overwrite", "max_pixels", "accept_skipped"]))]
#[command(after_help = "Example:
  neuron select-images --data imagenet --shard 1/2 --out shards
  neuron select-images --data imagenet --shard 2/2 --out shards
  neuron merge results shards/resnet50")]
pub(crate) struct Args {
    /// Folder for the merged results
    out: PathBuf,
    /// Shards: files, or folders that hold them
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let mut files = Vec::new();
    for path in &args.shards {
        files.extend(find::shards(path)?);
    }
    // Shards lie in the folder of an architecture, those of patches in that of a layer below it.
    for folder in files.iter().flat_map(|file| file.ancestors().skip(1).take(2)) {
        neuron_data::use_indices(folder);
    }
    let merged = join::all(&files)?;
    let skipped = merged.skipped.len();
    let command = merged.identity.get("command").and_then(|command| command.as_str()).unwrap_or_default();
    if global.dry_run {
        return plan(&merged, files.len(), args, global);
    }
    let _caught = interrupt::caught();
    let overwrite = if global.overwrite { Overwrite::Allowed } else { Overwrite::Refused };
    let (place, written) = match command {
        "select-images" => select_images::write_merged(merged, &args.out, overwrite)?,
        "extract-patches" => extract_patches::write_merged(&merged, &args.out, overwrite, global)?,
        "baseline" => baseline::write_merged(&merged, &args.out, overwrite, global)?,
        other => bail!("shards of {other:?} cannot be merged"),
    };
    if written == Outcome::Interrupted {
        global.say(0, || "interrupted; merge again".to_owned());
        return Ok(written);
    }
    global.say(0, || {
        let (shards, skipped) = (counted(files.len(), "shard"), counted(skipped, "image"));
        format!("{shards} merged, {skipped} skipped: {}", place.display())
    });
    if global.json {
        let summary = json!({ "command": "merge", "shards": files.len(), "skipped": skipped, "output": place.display().to_string() });
        output::print(&format!("{summary:#}\n"))?;
    }
    Ok(Outcome::with_skipped(skipped))
}

/// What would be merged, as far as the shards themselves tell.
fn plan(merged: &Checkpoint, shards: usize, args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let command = merged.identity.get("command").cloned().unwrap_or_default();
    let images = merged.identity.get("images").cloned().unwrap_or_default();
    let (skipped, output) = (merged.skipped.len(), args.out.display().to_string());
    let of = command.as_str().unwrap_or("another command");
    let text = format!(
        "shards      {shards} of {of}\nimages      {images}, {skipped} skipped\noutput      {output}\n"
    );
    let plan = json!({
        "command": "merge", "shards": shards, "of": command, "images": images, "skipped": skipped, "output": output,
    });
    global.print_plan(&text, &plan)
}

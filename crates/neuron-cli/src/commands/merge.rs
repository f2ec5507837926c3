use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use super::{baseline, extract_patches, select_images};
use crate::global::{self, Global};
use crate::numbers::counted;
use crate::outcome::Outcome;
use crate::scan::{Checkpoint, Overwrite, SkippedImage};
use crate::shard::Shard;
use crate::{interrupt, output};

/// Merge the shards of select-images, extract-patches or baseline into the result of one run
///
/// A shard is the file that a run with --shard I/N left in <out>/<arch> (extract-patches: in <out>), or a folder that
/// holds such files. Each of the N shards must be given once, from runs with the same weights, data and settings.
/// The result is byte-identical to that of one unsharded run.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["config", "quiet", "verbose", "json", "dry_run", "overwrite", "max_pixels"]))]
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
        files.extend(shard_files(path)?);
    }
    let merged = merge(&files)?;
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
    if global.json {
        let plan = json!({
            "command": "merge", "shards": shards, "of": command, "images": images, "skipped": skipped, "output": output,
        });
        output::print(&format!("{plan:#}\n"))?;
    } else {
        let command = command.as_str().unwrap_or("another command");
        output::print(&format!(
            "shards      {shards} of {command}\nimages      {images}, {skipped} skipped\noutput      {output}\n"
        ))?;
    }
    Ok(Outcome::Done)
}

/// The shards that a path names: itself, or what lies below it.
fn shard_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            let is_shard = entry.extension().is_some_and(|part| part.to_string_lossy().starts_with("shard-"));
            // A layer's folder can hold thousands of these.
            let is_channel = entry
                .file_name()
                .is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
            if entry.is_dir() && !is_channel {
                folders.push(entry);
            } else if is_shard {
                found.push(entry);
            }
        }
    }
    if found.is_empty() {
        bail!("{} holds no shards: files such as select-images_layer4.shard-1-of-3", path.display());
    }
    found.sort();
    Ok(found)
}

/// Joins the shards' states into that of one run.
fn merge(files: &[PathBuf]) -> anyhow::Result<Checkpoint> {
    let mut merged: Option<Checkpoint> = None;
    let mut seen: Vec<(Shard, &PathBuf)> = Vec::new();
    for path in files {
        let checkpoint =
            Checkpoint::open(path)?.with_context(|| format!("there is no shard {}", path.display()))?;
        let shard = checkpoint.shard.with_context(|| {
            format!("{} is the checkpoint of an unsharded run; resume that run instead", path.display())
        })?;
        if !checkpoint.complete {
            bail!(
                "shard {shard} is not finished ({}): run it again with --resume, then merge",
                path.display()
            );
        }
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == shard) {
            bail!("shard {shard} was given twice: {} and {}", first.display(), path.display());
        }
        seen.push((shard, path));
        match &mut merged {
            None => merged = Some(checkpoint),
            Some(sum) => join(sum, checkpoint, path)?,
        }
    }
    let mut merged = merged.context("no shards were named")?;
    let count = seen[0].0.count;
    if let Some((other, path)) = seen.iter().find(|(shard, _)| shard.count != count) {
        bail!("{} is shard {other}, but the others are of {count}", path.display());
    }
    let missing = (1..=count).map(|index| Shard { index, count });
    let missing: Vec<String> = missing
        .filter(|shard| !seen.iter().any(|(other, _)| other == shard))
        .map(|s| s.to_string())
        .collect();
    if !missing.is_empty() {
        bail!(
            "not all shards were given: {} is missing; run it, or name the folder that holds it",
            missing.join(", ")
        );
    }
    merged.shard = None;
    merged.skipped.sort_by_key(|item: &SkippedImage| item.index);
    Ok(merged)
}

fn join(sum: &mut Checkpoint, part: Checkpoint, path: &Path) -> anyhow::Result<()> {
    let differences = sum.identity.differences(&part.identity);
    if !differences.is_empty() {
        bail!(
            "{} was made with other weights, data or settings than the first shard:\n  {}\nmake it again with those of the \
             first, or merge it with shards of its own kind",
            path.display(),
            differences.join("\n  ")
        );
    }
    if sum.lists.len() != part.lists.len() {
        bail!("{} holds a different number of lists than the first shard: make it again", path.display());
    }
    for (list, more) in sum.lists.iter_mut().zip(part.lists) {
        list.merge(more).with_context(|| path.display().to_string())?;
    }
    sum.skipped.extend(part.skipped);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use neuron_topk::TopK;
    use serde_json::Value;

    use super::*;
    use crate::scan::Identity;

    /// A finished shard of `select-images` with one list of two channels that keep two entries: `scores` of the image
    /// `first` and those behind it.
    fn shard(index: usize, first: u32, scores: &[[f32; 2]]) -> Checkpoint {
        let mut list = TopK::new(2, NonZeroUsize::new(2).unwrap());
        for (image, scores) in (first..).zip(scores) {
            list.push(image, scores, None).unwrap();
        }
        Checkpoint {
            identity: Identity::new("select-images").with("images", 4),
            shard: Some(Shard { index, count: 2 }),
            next: 4,
            complete: true,
            skipped: Vec::new(),
            lists: vec![list],
            rest: Value::Null,
        }
    }

    /// The images that a list holds for a channel, best first.
    fn images(checkpoint: &Checkpoint, channel: usize) -> Vec<u32> {
        checkpoint.lists[0].channel(channel).iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn joining_keeps_the_best_of_both_and_all_that_was_skipped() {
        let skipped = |index| SkippedImage { index, image: format!("{index}.png"), reason: "empty".into() };
        let mut sum = shard(1, 0, &[[0.1, 0.9], [0.4, 0.8]]);
        sum.skipped.push(skipped(9));
        let mut part = shard(2, 2, &[[0.4, 0.1], [0.7, 0.2]]);
        part.skipped.push(skipped(5));
        join(&mut sum, part, Path::new("b")).unwrap();
        // Of the equal scores in channel 0, the image that comes first.
        assert_eq!((images(&sum, 0), images(&sum, 1)), (vec![3, 1], vec![0, 1]));
        assert_eq!(sum.skipped, [skipped(9), skipped(5)]);
    }

    #[test]
    fn what_is_not_of_the_same_run_is_refused() {
        let refused = |change: fn(&mut Checkpoint), reason: &str| {
            let (mut sum, mut part) = (shard(1, 0, &[[0.5; 2]]), shard(2, 2, &[[0.5; 2]]));
            change(&mut part);
            let error = format!("{:#}", join(&mut sum, part, Path::new("b.shard-2-of-2")).unwrap_err());
            assert!(error.contains("b.shard-2-of-2") && error.contains(reason), "{error}");
            assert_eq!((images(&sum, 0), sum.skipped.len()), (vec![0], 0));
        };
        refused(|part| part.identity = Identity::new("select-images").with("images", 5), "images: 4 -> 5");
        refused(|part| part.lists.clear(), "a different number of lists");
        let one_more = |part: &mut Checkpoint| part.lists = vec![TopK::new(3, NonZeroUsize::new(2).unwrap())];
        refused(one_more, "3 channels");
    }
}

//! Shards become one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::missing::{Given, check};
use crate::scan::{Checkpoint, SkippedImage, unusable};

/// Joins the shards' states into that of one run.
///
/// # Errors
/// If they are not the shards of one run, each once and finished.
pub(super) fn all(files: &[PathBuf]) -> anyhow::Result<Checkpoint> {
    let mut merged: Option<Checkpoint> = None;
    let mut given: Vec<Given<'_>> = Vec::new();
    for path in files {
        let part =
            Checkpoint::open(path)?.with_context(|| format!("there is no shard {}", path.display()))?;
        let shard = part.shard.with_context(|| {
            format!("{} is the checkpoint of an unsharded run; resume that run instead", path.display())
        })?;
        if let Some(first) = given.iter().find(|other| other.shard == shard) {
            bail!("shard {shard} was given twice: {} and {}", first.path.display(), path.display());
        }
        let images = part.identity.get("images").and_then(Value::as_u64).unwrap_or_default();
        part.check_part(Some(shard), images as usize).with_context(|| unusable(path))?;
        given.push(Given { path, shard, next: part.next, complete: part.complete });
        match &mut merged {
            // What is not finished is only told of, but it has to be of the same run.
            None => merged = Some(part),
            Some(sum) => join(sum, part, path)?,
        }
    }
    let mut merged = merged.context("no shards were named")?;
    check(&given, &merged.identity)?;
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

    use super::*;
    use crate::scan::Identity;
    use crate::shard::Shard;

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

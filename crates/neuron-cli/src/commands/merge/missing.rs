//! What of a run is not there to be merged, and how to make it.

use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};

use crate::command_line::CommandLine;
use crate::numbers::counted;
use crate::rerun;
use crate::scan::Identity;
use crate::shard::Shard;

/// A shard that was named.
pub(super) struct Given<'a> {
    pub(super) path: &'a Path,
    pub(super) shard: Shard,
    /// First image that it has not taken up yet.
    pub(super) next: usize,
    pub(super) complete: bool,
}

/// Checks that all shards of a run are there and finished.
///
/// # Errors
/// If not: it names each that is missing or not finished, how far that came, and the command that makes it.
pub(super) fn check(given: &[Given<'_>], identity: &Identity) -> anyhow::Result<()> {
    let Some(first) = given.first() else { return Ok(()) };
    let count = first.shard.count;
    if let Some(other) = given.iter().find(|other| other.shard.count != count) {
        bail!("{} is shard {}, but the others are of {count}", other.path.display(), other.shard);
    }
    let lacking: Vec<String> = Shard::all(count)
        .filter_map(|shard| {
            let found = given.iter().find(|given| given.shard == shard);
            lack(shard, found, identity).map(|lack| {
                let line = line(shard, identity, first.path, found.is_some());
                let line = line.map_or_else(String::new, |line| format!("\n    {line}"));
                format!("\n  shard {shard} {lack}{line}")
            })
        })
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {} cannot be merged yet:{}\nrun what is missing (with the --weights of the others, if they had any) or name \
         the folder that holds it, then merge again",
        lacking.len(),
        counted(count, "shard"),
        lacking.concat()
    );
}

/// What a shard lacks, if it lacks anything.
fn lack(shard: Shard, found: Option<&Given<'_>>, identity: &Identity) -> Option<String> {
    match found {
        None => Some("is missing".to_owned()),
        Some(Given { complete: true, .. }) => None,
        Some(Given { path, next, .. }) => {
            let images = identity.get("images").and_then(Value::as_u64).unwrap_or_default() as usize;
            let range = shard.range(images);
            let (done, all) = (next.saturating_sub(range.start), counted(range.len(), "image"));
            Some(format!("is not finished, {done} of {all} are done ({})", path.display()))
        }
    }
}

/// The command that makes a shard, or goes on with it; it lies beside `other`.
fn line(shard: Shard, identity: &Identity, other: &Path, begun: bool) -> Option<CommandLine> {
    // <out>/<arch>/<shard>, but for those of extract-patches, which remembers its folder.
    let line = rerun::into(&json!(identity), other.ancestors().nth(2))?;
    Some(line.flag("--shard", &shard.to_string()).switch("--resume", begun))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let settings = json!({
            "arch": "resnet50", "data": "photos", "topk_images": 5, "layers": [{ "typed": "layer4", "channels": [3] }],
        });
        Identity::new("select-images").with("images", 100).with("settings", settings)
    }

    fn told(shards: &[(usize, usize, usize, bool)]) -> String {
        let path = |index: &usize| format!("out/resnet50/select-images_layer4.shard-{index}-of-4");
        let paths: Vec<String> = shards.iter().map(|(index, ..)| path(index)).collect();
        let given: Vec<Given<'_>> = shards
            .iter()
            .zip(&paths)
            .map(|((index, count, next, complete), path)| {
                let shard = Shard { index: *index, count: *count };
                Given { path: Path::new(path), shard, next: *next, complete: *complete }
            })
            .collect();
        check(&given, &identity()).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_all_there_lacks_nothing() {
        assert_eq!(told(&[(2, 2, 100, true), (1, 2, 50, true)]), "");
    }

    #[test]
    fn each_shard_that_lacks_is_named_with_the_command_that_makes_it() {
        let told = told(&[(4, 4, 100, true), (2, 4, 35, false)]);
        let line = "neuron select-images --arch resnet50 --data photos --layer layer4 --topk-images 5 --channels 3 --out out";
        for expected in [
            "3 of 4 shards cannot be merged yet",
            &format!("shard 1/4 is missing\n    {line} --shard 1/4\n"),
            "shard 2/4 is not finished, 10 of 25 images are done (out/resnet50/select-images_layer4.shard-2-of-4)",
            &format!("{line} --shard 2/4 --resume\n"),
            &format!("shard 3/4 is missing\n    {line} --shard 3/4\n"),
        ] {
            assert!(told.contains(expected), "{expected}:\n{told}");
        }
        assert!(!told.contains("4/4"), "{told}");
    }

    #[test]
    fn shards_of_another_number_are_no_part() {
        assert!(
            told(&[(1, 2, 50, true), (3, 4, 75, true)]).contains("is shard 3/4, but the others are of 2")
        );
    }
}

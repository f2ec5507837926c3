//! What earlier lists have left in a layer's folder: a result is replaced as a whole.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::output;
use crate::patches;

/// The list of a channel.
const LIST: &str = "files_all.txt";

/// Whether any channel has a list.
pub(super) fn holds_lists(folder: &Path) -> bool {
    channels(folder).is_ok_and(|channels| channels.iter().any(|channel| channel.join(LIST).is_file()))
}

/// Removes all lists and everything that was made from them: patches, and the states of scans for patches.
///
/// What `baseline` found (`top<k>`) does not come from the lists and stays, and so do files that nobody here wrote.
pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
    for channel in channels(folder)? {
        if !channel.join(LIST).is_file() {
            continue;
        }
        patches::remove_published(&channel)?;
        output::remove(&channel.join(LIST))?;
        // Fails if anything else is in it, which is as it should be.
        let _ = fs::remove_dir(&channel);
    }
    for entry in entries(folder)? {
        let name = entry.file_name();
        let is_state = |name: &str| {
            name.starts_with("extract-patches_")
                && (name.ends_with(".checkpoint") || name.contains(".shard-"))
        };
        if name.to_str().is_some_and(is_state) {
            output::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The folders that are named like channels.
fn channels(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_channel = |name: &str| name.parse::<usize>().is_ok_and(|number| number.to_string() == name);
    let entries = entries(folder)?.into_iter();
    let channels = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_channel));
    Ok(channels.map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// What is in a folder; nothing if it is not there.
fn entries(folder: &Path) -> anyhow::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .and_then(Iterator::collect)
            .with_context(|| format!("cannot read the folder {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_go_with_all_that_was_made_from_them_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        assert!(!holds_lists(folder.path()) && !holds_lists(&folder.path().join("none")));
        for gone in
            ["3/files_all.txt", "3/patches.png", "3/patches.parquet", "3/topk_files.txt", "3/patches/0.png"]
        {
            write(gone);
        }
        for gone in ["3/manifest.json", "3/skipped.tsv", "7/files_all.txt", "extract-patches_3.checkpoint"] {
            write(gone);
        }
        let stay = [
            "3/notes.txt",
            "9/top50/patches.png",
            "007/files_all.txt",
            "mine/files_all.txt",
            "other.checkpoint",
        ];
        stay.iter().for_each(|path| write(path));
        assert!(holds_lists(folder.path()));
        remove(folder.path()).unwrap();
        assert!(!holds_lists(folder.path()));
        let mut left: Vec<String> = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            left.push(entry.unwrap().file_name().into_string().unwrap());
        }
        left.sort();
        assert_eq!(left, ["007", "3", "9", "mine", "other.checkpoint"]);
        assert!(stay.iter().all(|path| folder.path().join(path).is_file()));
        assert_eq!(fs::read_dir(folder.path().join("3")).unwrap().count(), 1);
    }
}

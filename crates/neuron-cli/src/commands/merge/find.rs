//! Where shards lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Whether a folder is that of a channel: a layer's can hold thousands of these.
fn is_channel(folder: &Path) -> bool {
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_number = name(folder).bytes().all(|byte| byte.is_ascii_digit());
    is_number && folder.parent().is_some_and(|layer| name(layer).starts_with("neuron_"))
}

/// The shards that a path names: itself, or what lies below it.
pub(super) fn shards(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            // Links are not followed: they can lead back.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let entry = entry.path();
            let is_shard = entry.extension().is_some_and(|part| part.to_string_lossy().starts_with("shard-"));
            if is_folder && !is_channel(&entry) {
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

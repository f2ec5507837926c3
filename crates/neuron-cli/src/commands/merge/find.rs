//! Where shards lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

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

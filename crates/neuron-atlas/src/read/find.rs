use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::AtlasError;
use crate::staging::MARKER;

/// The files below a folder that an atlas shows, each kind in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// `topk.parquet`
    pub(super) lists: Vec<PathBuf>,
    /// Folders with `patches.parquet` or `patches.png`.
    pub(super) patches: BTreeSet<PathBuf>,
    /// `files_all.txt` of a channel's folder, where no table lies beside the channels' folders.
    pub(super) plain_lists: Vec<PathBuf>,
    /// JSON files with a picture of the same name.
    pub(super) records: Vec<PathBuf>,
    /// JSON files without one, but for manifests.
    pub(super) other_json: Vec<PathBuf>,
    /// `heatmap.png` with `relevance.safetensors`.
    pub(super) heat_maps: Vec<PathBuf>,
    /// Folders that could not be looked into.
    pub(super) refused: Vec<AtlasError>,
}

/// Looks through a folder and all below it, but for hidden ones, linked ones and atlases.
pub(super) fn find(root: &Path) -> Result<Found, AtlasError> {
    let mut found = Found::default();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let (files, below) = match entries(&folder) {
            Err(error) if folder != root => {
                found.refused.push(error);
                continue;
            }
            entries => entries?,
        };
        if !files.contains(MARKER) {
            found.take(&folder, &files);
            folders.extend(below);
        }
    }
    found.plain_lists.retain(|list| !has_table(list));
    let Found { lists, plain_lists, records, other_json, heat_maps, .. } = &mut found;
    [lists, plain_lists, records, other_json, heat_maps].into_iter().for_each(|kind| kind.sort_unstable());
    Ok(found)
}

/// The names of a folder's files, and its folders.
fn entries(folder: &Path) -> Result<(BTreeSet<String>, Vec<PathBuf>), AtlasError> {
    let (mut files, mut folders) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(AtlasError::read(folder))? {
        let entry = entry.map_err(AtlasError::read(folder))?;
        let kind = entry.file_type().map_err(AtlasError::read(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && !name.starts_with('.') {
            folders.push(entry.path());
        } else if kind.is_file() {
            files.insert(name);
        }
    }
    Ok((files, folders))
}

/// Whether the channel's folder of a list lies beside a table of all channels.
fn has_table(list: &Path) -> bool {
    let layer = list.parent().and_then(Path::parent);
    layer.is_some_and(|layer| layer.join("topk.parquet").is_file())
}

impl Found {
    fn take(&mut self, folder: &Path, files: &BTreeSet<String>) {
        for name in files {
            let path = folder.join(name);
            match name.as_str() {
                "topk.parquet" => self.lists.push(path),
                "files_all.txt" => self.plain_lists.push(path),
                "patches.parquet" | "patches.png" => drop(self.patches.insert(folder.to_owned())),
                "heatmap.png" if files.contains("relevance.safetensors") => self.heat_maps.push(path),
                "manifest.json" => {}
                _ => match name.strip_suffix(".json") {
                    Some(stem) if files.contains(&format!("{stem}.png")) => self.records.push(path),
                    Some(_) => self.other_json.push(path),
                    None => {}
                },
            }
        }
    }
}

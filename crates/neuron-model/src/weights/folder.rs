//! The weights files in a folder that was named in the place of one.

use std::fs;
use std::path::Path;

use super::shards;

const ENDINGS: [&str; 6] = [".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".index.json"];

/// More names do not help to choose.
const MAX_NAMES: usize = 8;

/// Their names, sorted; of weights in several files, the index alone. None of a folder that cannot be read.
pub(super) fn weights_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_weights_file(&folder.join(name), name)).collect();
    names.sort_unstable();
    names.truncate(MAX_NAMES);
    names
}

fn is_weights_file(path: &Path, name: &str) -> bool {
    let has_index = || shards::index_of(path).is_some_and(|index| index.is_file());
    ENDINGS.iter().any(|ending| name.ends_with(ending)) && path.is_file() && !has_index()
}

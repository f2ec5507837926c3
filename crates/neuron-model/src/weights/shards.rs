//! Weights in several files: a JSON index says which tensor lies in which (`model.safetensors.index.json`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::listing::{Dictionary, Entry, Source};
use super::tensors::WeightTensor;
use crate::error::ModelError;

/// More files than any model is split into.
const MAX_SHARDS: usize = 1024;

/// The index, as the Hub's libraries write it.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index names, beside it, by name; `None` if the bytes are no index.
///
/// # Errors
/// [`ModelError::Index`] if it names a file that is not beside it, or too many.
pub(super) fn files_of(bytes: &[u8], path: &Path) -> Option<Result<Vec<PathBuf>, ModelError>> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let Index { weight_map } = serde_json::from_slice(bytes).ok()?;
    let names: BTreeSet<String> = weight_map.into_values().collect();
    let wrong = |problem| Err(ModelError::Index { path: path.into(), problem });
    // Only files beside it: an index must not lead anywhere else.
    let is_beside = |name: &String| Path::new(name).file_name().is_some_and(|file| file == name.as_str());
    Some(if names.is_empty() {
        wrong("it names no files")
    } else if names.len() > MAX_SHARDS {
        wrong("it names more than 1024 files")
    } else if !names.iter().all(is_beside) {
        wrong("it names a file that is not beside it")
    } else {
        Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
    })
}

/// The index that belongs to a file that is one of several by its name (`model-00001-of-00003.safetensors`).
pub(super) fn index_of(path: &Path) -> Option<PathBuf> {
    let (stem, extension) = path.file_name()?.to_str()?.rsplit_once('.')?;
    let (start, count) = stem.rsplit_once("-of-")?;
    let (name, number) = start.rsplit_once('-')?;
    let is_number = |text: &str| text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let several = is_number(number) && is_number(count) && count.parse::<u32>().is_ok_and(|count| count > 1);
    several.then(|| path.with_file_name(format!("{name}.{extension}.index.json")))
}

/// Several files as one.
pub(super) struct Joined<'a> {
    sources: Vec<Box<dyn Source<'a> + 'a>>,
    /// By an entry's `at`: the file, and its own entry.
    entries: Vec<(usize, Entry<'a>)>,
    dictionaries: Vec<Dictionary<'a>>,
}

impl<'a> Joined<'a> {
    /// Dictionaries of equal path become one; of equal names the first counts.
    pub(super) fn new(sources: Vec<Box<dyn Source<'a> + 'a>>) -> Self {
        let mut joined = Self { sources, entries: Vec::new(), dictionaries: Vec::new() };
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut known = BTreeSet::new();
        for (index, source) in joined.sources.iter().enumerate() {
            for dictionary in source.dictionaries() {
                let place = *places.entry(&dictionary.path).or_insert_with(|| {
                    let path = dictionary.path.clone();
                    joined.dictionaries.push(Dictionary { path, entries: Vec::new() });
                    joined.dictionaries.len() - 1
                });
                for entry in dictionary.entries.iter().filter(|entry| known.insert((place, entry.name))) {
                    joined.dictionaries[place].entries.push(Entry { at: joined.entries.len(), ..*entry });
                    joined.entries.push((index, *entry));
                }
            }
        }
        joined
    }

    fn find(&self, entry: &Entry<'a>) -> (&dyn Source<'a>, &Entry<'a>) {
        let (source, own) = &self.entries[entry.at];
        (&*self.sources[*source], own)
    }
}

impl<'a> Source<'a> for Joined<'a> {
    fn dictionaries(&self) -> &[Dictionary<'a>] {
        &self.dictionaries
    }

    fn shape(&self, entry: &Entry<'a>) -> Option<Vec<usize>> {
        let (source, own) = self.find(entry);
        source.shape(own)
    }

    fn kind(&self, entry: &Entry<'a>) -> String {
        let (source, own) = self.find(entry);
        source.kind(own)
    }

    fn tensor(&mut self, entry: &Entry<'a>) -> Result<WeightTensor, ModelError> {
        let (source, own) = self.entries[entry.at];
        self.sources[source].tensor(&own)
    }

    fn doubt(&self) -> Option<ModelError> {
        self.sources.iter().find_map(|source| source.doubt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_known_by_its_name() {
        let index = |name: &str| index_of(Path::new(name)).map(|path| path.display().to_string());
        assert_eq!(index("a/model-00001-of-00003.safetensors").unwrap(), "a/model.safetensors.index.json");
        assert_eq!(index("pytorch_model-00002-of-00002.bin").unwrap(), "pytorch_model.bin.index.json");
        for alone in ["model.safetensors", "model-00001-of-00001.safetensors", "best-of-me.pth", "x-1-of-2"] {
            assert_eq!(index(alone), None, "{alone}");
        }
    }

    #[test]
    fn an_index_names_files_beside_it_and_no_others() {
        let files = |json: &str| files_of(json.as_bytes(), Path::new("a/i.json"));
        let found = files(r#"{"weight_map": {"x": "2.st", "y": "1.st", "z": "2.st"}}"#).unwrap().unwrap();
        assert_eq!(found, [Path::new("a/1.st"), Path::new("a/2.st")]);
        for bad in [r#"{"x": "../1.st"}"#, r#"{"x": "/etc/passwd"}"#, r#"{"x": ".."}"#, r#"{"x": ""}"#, "{}"]
        {
            let error = files(&format!(r#"{{"weight_map": {bad}}}"#)).unwrap().unwrap_err();
            assert!(matches!(error, ModelError::Index { .. }), "{bad}: {error}");
        }
        assert!(files(r#"{"architecture": "resnet50"}"#).is_none());
        assert!(files("not JSON").is_none());
    }
}

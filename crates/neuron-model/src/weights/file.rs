//! From files to weights.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::hex::hex;
use super::listing::{Entry, Source};
use super::place::{self, Choice};
use super::shards::{self, Joined};
use super::tensors::{Contents, Inner, Weights};
use super::{folder, foreign, renaming, safetensors_file, torch, wrappers};
use crate::error::ModelError;

/// No network this crate can run comes near: a larger file is a mistake, not a model.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// Reads a weights file, or all files of which it is the index or one.
pub(crate) fn open(path: &Path, choice: &Choice<'_>) -> Result<Weights, ModelError> {
    if let Some(index) = shards::index_of(path) {
        if !index.is_file() {
            return Err(ModelError::Shard { path: path.into(), index });
        }
        return open(&index, choice);
    }
    let bytes = read_file(path)?;
    let Some(names) = shards::files_of(&bytes, path) else { return from_bytes(&bytes, path, choice) };
    let mut shards = Vec::new();
    let mut left = MAX_FILE_BYTES;
    for name in names? {
        let shard = read_file(&name)?;
        left = left
            .checked_sub(shard.len() as u64)
            .ok_or_else(|| ModelError::ReadWeights { path: path.into(), source: too_large() })?;
        shards.push((name, shard));
    }
    let mut hash = Sha256::new_with_prefix(&bytes);
    shards.iter().for_each(|(_, shard)| hash.update(shard));
    read(&shards, path, choice, hex(&hash.finalize()))
}

/// Reads the bytes of one weights file; `path` is for messages.
pub(crate) fn from_bytes(bytes: &[u8], path: &Path, choice: &Choice<'_>) -> Result<Weights, ModelError> {
    read(&[(path.to_owned(), bytes)], path, choice, hex(&Sha256::digest(bytes)))
}

fn read<B: AsRef<[u8]>>(
    files: &[(PathBuf, B)],
    path: &Path,
    choice: &Choice<'_>,
    sha256: String,
) -> Result<Weights, ModelError> {
    let mut opened = Vec::new();
    for (path, bytes) in files {
        opened.push(Opened::of(bytes.as_ref(), path)?);
    }
    let mut metadata = BTreeMap::new();
    let mut sources: Vec<Box<dyn Source<'_> + '_>> = Vec::new();
    for ((path, _), opened) in files.iter().zip(&opened) {
        match opened {
            Opened::Safetensors(header) => {
                metadata.extend(header.metadata.clone());
                sources.push(Box::new(safetensors_file::File::new(header)));
            }
            Opened::Torch(unpacked) => sources.push(Box::new(torch::Checkpoint::open(unpacked, path)?)),
        }
    }
    let mut joined = Joined::new(sources);
    let Contents { tensors, left_out, origin } = take(&mut joined, choice, path)?;
    let (sha256, path) = (Some(sha256), Some(path.to_owned()));
    Ok(Weights::of(Inner { tensors, left_out, metadata, origin, sha256, path }))
}

/// A file whose form is known.
enum Opened<'a> {
    Safetensors(safetensors_file::Header<'a>),
    Torch(torch::Unpacked<'a>),
}

impl<'a> Opened<'a> {
    fn of(bytes: &'a [u8], path: &Path) -> Result<Self, ModelError> {
        if safetensors_file::recognise(bytes) {
            safetensors_file::header(bytes, path).map(Self::Safetensors)
        } else if torch::recognise(bytes) {
            torch::unpack(bytes, path).map(Self::Torch)
        } else {
            Err(ModelError::NotWeights { path: path.into(), found: foreign::describe(bytes) })
        }
    }
}

/// Decodes the tensors of the place that is chosen.
fn take<'a>(source: &mut dyn Source<'a>, choice: &Choice<'_>, path: &Path) -> Result<Contents, ModelError> {
    let (place, origin) = place::choose(source, choice, path)?;
    let entries = source.dictionaries()[place.dictionary].entries.clone();
    let mut contents = Contents { origin, ..Contents::default() };
    let inside = |entry: &Entry<'a>| Some((entry.name.strip_prefix(&place.prefix)?, *entry));
    let (names, entries): (Vec<&str>, Vec<Entry<'a>>) = entries.iter().filter_map(inside).unzip();
    let mut names = wrappers::all_without(&names);
    if let Some(network) = place.network {
        let current = renaming::all_current(names.clone(), &network.current_name);
        contents.origin.renamed =
            names.iter().zip(&current).filter(|(name, current)| name != current).count();
        names = current;
    }
    for (name, entry) in names.into_iter().zip(entries) {
        if entry.is_tensor {
            contents.tensors.insert(name.into_owned(), source.tensor(&entry)?);
        } else {
            contents.left_out.insert(name.into_owned(), source.kind(&entry));
        }
    }
    Ok(contents)
}

/// The bytes of a file, which must be a regular one of sensible size: a device would never end.
fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::ReadWeights { path: path.into(), source };
    // Looked at before it is opened: to open a pipe is to wait for who writes to it.
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(ModelError::WeightsFolder { path: path.into(), files: folder::weights_files(path) });
    }
    if !about.is_file() {
        return Err(failed(io::Error::other(
            "it is no regular file but a pipe, a socket or a device; save it to a file first",
        )));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(failed(too_large()));
    }
    let read = || {
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).map_err(io::Error::other)?);
        File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(failed)
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than the limit of {} GiB", MAX_FILE_BYTES >> 30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightTensor;

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for path in [&folder.path().join("absent"), Path::new("/dev/zero")] {
            assert!(matches!(Weights::open(path), Err(ModelError::ReadWeights { .. })), "{}", path.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.pth");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let Err(ModelError::ReadWeights { source, .. }) = Weights::open(&pipe) else { panic!() };
        assert!(source.to_string().contains("no regular file"), "{source}");
    }

    #[test]
    fn of_a_folder_the_weights_files_in_it_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = || Weights::open(folder.path()).unwrap_err().to_string();
        assert!(message().ends_with("is a folder, not a weights file; no weights file is in it"));
        shards(folder.path());
        for name in ["best.pth", "config.json", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("a.pth")).unwrap();
        let expected = "name one of those in it: \"best.pth\", \"m.safetensors.index.json\"";
        assert!(message().ends_with(expected), "{}", message());
    }

    #[test]
    fn what_is_no_weights_file_is_described() {
        let error = Weights::from_bytes(b"hello world", "w".as_ref()).unwrap_err();
        let ModelError::NotWeights { found, .. } = error else { panic!("{error}") };
        assert_eq!(found, "text beginning with \"hello world\"");
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_and_belongs_to_them_alone() {
        let bytes = b"\x02\0\0\0\0\0\0\0{}";
        let weights = Weights::from_bytes(bytes, "w".as_ref()).unwrap();
        let expected: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(weights.sha256(), Some(expected.as_str()));
        assert_eq!(weights.with_metadata(BTreeMap::new()).sha256(), None);
    }

    /// Two shards and their index: `a` in the first, `b` in the second.
    fn shards(folder: &Path) {
        for (number, name) in [(1, "a"), (2, "b")] {
            let tensor = (name.to_owned(), WeightTensor::new([1], vec![number as f32]));
            let weights = Weights::from_tensors([tensor], BTreeMap::new());
            weights.save(&folder.join(format!("m-0000{number}-of-00002.safetensors"))).unwrap();
        }
        let map =
            r#"{"weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}"#;
        std::fs::write(folder.join("m.safetensors.index.json"), map).unwrap();
    }

    #[test]
    fn an_index_and_each_of_its_shards_are_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        shards(folder.path());
        let open = |name: &str| Weights::open(&folder.path().join(name)).unwrap();
        let whole = open("m.safetensors.index.json");
        assert_eq!(whole.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(&*whole.tensor("b").unwrap().data, [2.0]);
        let of_shard = open("m-00002-of-00002.safetensors");
        assert_eq!(of_shard.sha256(), whole.sha256());
        assert_eq!(of_shard.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_shard_alone_names_its_index_and_an_index_its_missing_shard() {
        let folder = tempfile::tempdir().unwrap();
        shards(folder.path());
        let shard = folder.path().join("m-00002-of-00002.safetensors");
        let index = folder.path().join("m.safetensors.index.json");
        std::fs::remove_file(folder.path().join("m-00001-of-00002.safetensors")).unwrap();
        let error = Weights::open(&index).unwrap_err();
        assert!(error.to_string().ends_with("m-00001-of-00002.safetensors"), "{error}");
        std::fs::remove_file(index).unwrap();
        let error = Weights::open(&shard).unwrap_err();
        assert!(error.to_string().contains("m.safetensors.index.json"), "{error}");
    }
}

//! Tensors in files beside a model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::proto::StringStringEntryProto;
use crate::error::ImportError;
use crate::program::Payload;

/// The folder in which a model lies, and the files there that it names.
pub(super) struct Folder {
    model: PathBuf,
    files: BTreeMap<String, Beside>,
}

#[derive(Clone)]
struct Beside {
    path: Arc<Path>,
    bytes: u64,
}

impl Folder {
    pub(super) fn of(model: &Path) -> Self {
        Self { model: model.to_owned(), files: BTreeMap::new() }
    }

    /// The elements of tensor `name`, `expected` bytes of a file as `place` says. They are read when they are needed.
    ///
    /// # Errors
    /// [`ImportError`] if the file is not there, is not in the model's folder, or is too short.
    pub(super) fn payload(
        &mut self,
        name: &str,
        place: &[StringStringEntryProto],
        expected: usize,
    ) -> Result<Arc<dyn Payload>, ImportError> {
        let wrong = |what: String| ImportError::Parameter { name: name.to_owned(), what };
        let entry = |key: &str| place.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| {
            entry(key).map(|text| {
                text.parse::<u64>().map_err(|_| wrong(format!("its {key} is no number: {text:?}")))
            })
        };
        let location =
            entry("location").ok_or_else(|| wrong("it does not say in which file it is".to_owned()))?;
        let offset = number("offset").transpose()?.unwrap_or(0);
        let length = number("length").transpose()?.unwrap_or(expected as u64);
        if length != expected as u64 {
            return Err(wrong(format!("its shape needs {expected} bytes, and it has {length}")));
        }
        let file = self.file(location)?;
        if offset.checked_add(length).is_none_or(|end| end > file.bytes) {
            let (file, bytes) = (file.path.display(), file.bytes);
            return Err(wrong(format!(
                "it is at {offset}, {length} bytes long, and {file} has {bytes} bytes"
            )));
        }
        Ok(Arc::new(Stretch { file: file.path, offset, bytes: expected }))
    }

    fn file(&mut self, location: &str) -> Result<Beside, ImportError> {
        if let Some(file) = self.files.get(location) {
            return Ok(file.clone());
        }
        let path = self.inside(location)?;
        let read = |source| ImportError::Read { path: path.clone(), source };
        let metadata = path.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(read(io::Error::other("it is no file")));
        }
        let file = Beside { bytes: metadata.len(), path: path.into() };
        self.files.insert(location.to_owned(), file.clone());
        Ok(file)
    }

    /// The file's path, free of links. A model must not reach what is outside of its folder, by whatever name; if the
    /// model is a link, then the folder that it leads to is its folder, too (as in the cache of Hugging Face's hub).
    fn inside(&self, location: &str) -> Result<PathBuf, ImportError> {
        let unsupported = |what: String| ImportError::Unsupported { path: self.model.clone(), what };
        let outside = || {
            unsupported(format!("it says that weights are in {location:?}, which is not in its own folder"))
        };
        let relative = Path::new(location);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || location.contains(['\\', '\0']) || !relative.components().all(plain) {
            return Err(outside());
        }
        let folder = match self.model.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let path = folder.join(relative);
        let found = path.canonicalize().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => unsupported(format!(
                "its weights are in {}, which is not there; copy that file beside the model, or export with the \
                 weights inside (external_data=False)",
                path.display()
            )),
            _ => ImportError::Read { path: path.clone(), source },
        })?;
        let real = self.model.canonicalize().ok();
        let homes = [folder.canonicalize().ok(), real.as_deref().and_then(Path::parent).map(Path::to_owned)];
        if homes.iter().flatten().any(|home| found.starts_with(home)) { Ok(found) } else { Err(outside()) }
    }
}

/// Some bytes of a file.
struct Stretch {
    file: Arc<Path>,
    offset: u64,
    bytes: usize,
}

impl Payload for Stretch {
    fn bytes(&self) -> Result<Arc<[u8]>, ImportError> {
        let read = || {
            let mut file = File::open(&self.file)?;
            // The file may have become shorter since it was measured.
            if file.metadata()?.len() < self.offset.saturating_add(self.bytes as u64) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.seek(SeekFrom::Start(self.offset))?;
            let mut bytes = vec![0; self.bytes];
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|source| ImportError::Read { path: self.file.to_path_buf(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(entries: &[(&str, &str)]) -> Vec<StringStringEntryProto> {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        entries.iter().map(entry).collect()
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let outer = tempfile::tempdir().unwrap();
        let model = outer.path().join("models/net.onnx");
        fs::create_dir_all(outer.path().join("models/parts")).unwrap();
        fs::write(&model, []).unwrap();
        fs::write(outer.path().join("models/parts/w"), [0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        fs::write(outer.path().join("secret"), [9; 8]).unwrap();
        (outer, Folder::of(&model))
    }

    #[test]
    fn a_stretch_of_a_file_below_is_read() {
        let (_outer, mut folder) = folder();
        let payload = folder.payload("w", &place(&[("location", "parts/w"), ("offset", "2")]), 4).unwrap();
        assert_eq!(payload.bytes().unwrap()[..], [2, 3, 4, 5]);
    }

    #[test]
    fn what_is_outside_is_refused() {
        let (outer, mut folder) = folder();
        let absolute = outer.path().join("secret");
        for location in ["../secret", "parts/../../secret", absolute.to_str().unwrap(), "", "parts\\w"] {
            let error = folder.payload("w", &place(&[("location", location)]), 8).err().unwrap();
            assert!(matches!(error, ImportError::Unsupported { .. }), "{location}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_outside_is_refused_unless_the_model_is_linked_there_too() {
        use std::os::unix::fs::symlink;
        let (outer, mut folder) = folder();
        symlink("../secret", outer.path().join("models/link")).unwrap();
        let linked = place(&[("location", "link")]);
        assert!(matches!(folder.payload("w", &linked, 8), Err(ImportError::Unsupported { .. })));

        fs::write(outer.path().join("blob"), []).unwrap();
        let model = outer.path().join("models/linked.onnx");
        symlink("../blob", &model).unwrap();
        assert_eq!(Folder::of(&model).payload("w", &linked, 8).unwrap().bytes().unwrap()[..], [9; 8]);
    }

    #[test]
    fn a_stretch_that_is_not_there_is_refused() {
        let (_outer, mut folder) = folder();
        for (offset, length, expected) in
            [("5", "4", 4), ("0", "9", 9), ("18446744073709551615", "4", 4), ("-1", "4", 4), ("0", "3", 4)]
        {
            let at = place(&[("location", "parts/w"), ("offset", offset), ("length", length)]);
            let error = folder.payload("w", &at, expected).err().unwrap();
            assert!(matches!(error, ImportError::Parameter { .. }), "{offset} {length}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_way_out() {
        let (_outer, mut folder) = folder();
        let error =
            folder.payload("w", &place(&[("location", "net.onnx.data")]), 4).err().unwrap().to_string();
        assert!(
            error.contains("net.onnx.data") && error.contains("copy that file beside the model"),
            "{error}"
        );
    }
}

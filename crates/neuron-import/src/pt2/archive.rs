//! The zip of an archive, and where in it things are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use crate::error::ImportError;
use crate::program::Payload;

/// The graph of the largest networks takes some 50 MB.
const MOST_JSON: u64 = 512 << 20;
/// No weights that can be run come near.
const MOST_BYTES: u64 = 16 << 30;

/// Names of a graph in archives of today, and of torch 2.7 and before.
const MODEL: &str = "models/model.json";
const OLD_MODEL: &str = "serialized_exported_program.json";

/// An open archive.
pub(super) struct Archive {
    path: PathBuf,
    zip: Mutex<ZipArchive<File>>,
    /// The folder that all names begin with.
    root: String,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { path: path.into(), source };
        // An archive holds another one, of sample inputs: what looks like a directory before the end is not searched for.
        let whole = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(whole, File::open(path).map_err(failed)?)
            .map_err(|error| ImportError::Damaged { path: path.into(), what: error.to_string() })?;
        let root = zip
            .file_names()
            .filter_map(Result::ok)
            .filter_map(|name| {
                let root = name.strip_suffix(MODEL).or_else(|| name.strip_suffix("archive_version"));
                root.map(str::to_owned)
            })
            .min_by_key(String::len)
            .unwrap_or_default();
        Ok(Self { path: path.into(), zip: Mutex::new(zip), root })
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> ImportError {
        ImportError::Damaged { path: self.path.clone(), what: what.into() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.clone(), what: what.into() }
    }

    /// Whether there is an entry of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = format!("{}{name}", self.root);
        self.lock().index_for_name(&name).is_some()
    }

    /// The entry with the graph.
    pub(super) fn model(&self) -> Result<&'static str, ImportError> {
        if self.has(MODEL) {
            return Ok(MODEL);
        }
        if self.has(OLD_MODEL) {
            return Err(self.unsupported(
                "it was saved by torch 2.7 or before; load it there, and save it again with a newer torch: \
                 torch.export.save(torch.export.load(FILE), FILE)",
            ));
        }
        let mut names: Vec<String> =
            self.lock().file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned).collect();
        names.sort();
        let models: Vec<&str> =
            names.iter().filter_map(|name| name.strip_prefix(&*self.root)?.strip_prefix("models/")).collect();
        if models.is_empty() {
            return Err(ImportError::NotANetwork {
                path: self.path.clone(),
                what: "it holds no models/model.json; weights alone are passed with --weights, beside --arch NAME"
                    .to_owned(),
            });
        }
        Err(self
            .unsupported(format!("it holds {}, and only a model called `model` is read", models.join(", "))))
    }

    /// An entry of JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ImportError> {
        let bytes = self.read(name, MOST_JSON)?;
        serde_json::from_slice(&bytes).map_err(|error| self.damaged(format!("{name}: {error}")))
    }

    /// The bytes of an entry.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImportError> {
        let full = format!("{}{name}", self.root);
        let mut zip = self.lock();
        let entry = zip.by_name(&full).map_err(|error| self.damaged(format!("{name}: {error}")))?;
        if entry.size() > limit {
            return Err(self.damaged(format!("{name} is larger than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        let read = entry.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| self.damaged(format!("{name}: {error}")))?;
        Ok(bytes)
    }

    /// Where the bytes of a stored entry lie in the file.
    pub(super) fn range(&self, name: &str) -> Result<Range, ImportError> {
        let full = format!("{}{name}", self.root);
        let mut zip = self.lock();
        let entry = zip.by_name(&full).map_err(|error| self.damaged(format!("{name}: {error}")))?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(
                self.unsupported(format!("{name} is compressed; save the archive with torch.export.save"))
            );
        }
        let (Some(start), length) = (entry.data_start(), entry.size()) else {
            return Err(self.damaged(format!("{name} begins nowhere")));
        };
        if length > MOST_BYTES {
            return Err(self.damaged(format!("{name} is larger than {MOST_BYTES} bytes")));
        }
        Ok(Range { path: self.path.clone(), start, length })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ZipArchive<File>> {
        self.zip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a file, read when they are asked for.
#[derive(Clone)]
pub(super) struct Range {
    path: PathBuf,
    start: u64,
    length: u64,
}

impl Payload for Range {
    fn bytes(&self) -> Result<Arc<[u8]>, ImportError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            // Before memory is asked for: a length in a file can be any.
            if self
                .start
                .checked_add(self.length)
                .is_none_or(|end| file.metadata().is_ok_and(|about| end > about.len()))
            {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before its weights do"));
            }
            file.seek(SeekFrom::Start(self.start))?;
            let mut bytes = Vec::new();
            file.take(self.length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let failed = |source| ImportError::Read { path: self.path.clone(), source };
        Ok(read().map_err(failed)?.into())
    }
}

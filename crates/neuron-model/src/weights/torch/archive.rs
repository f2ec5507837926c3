//! The two forms of a checkpoint: a zip archive (torch 1.6 and later), and pickles one after the other (before).

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};
use zip::result::ZipError;

use super::contents;
use super::pickle::Pickle;
use super::tensors::Storages;
use super::value::Value;
use crate::error::TorchError;

/// A zip archive's first entry.
pub(super) const ZIP_START: &[u8] = b"PK\x03\x04";

/// The first object of a legacy file, and the only version of it.
const LEGACY_MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const LEGACY_VERSION: i128 = 1001;

/// Entries that were packed may together become this many times as large as the file: weights do not shrink so far.
const MAX_UNPACKING: usize = 16;

/// However small the file is, this much may become of it.
const MIN_UNPACKED_BYTES: usize = 64 << 20;

/// A checkpoint's bytes, where they lie in the file or unpacked from it.
pub(in crate::weights) enum Unpacked<'a> {
    Zip {
        /// The name of the entry that holds the objects.
        pickle: String,
        entries: HashMap<String, Cow<'a, [u8]>>,
    },
    Legacy(&'a [u8]),
}

impl<'a> Unpacked<'a> {
    /// Reads the list of a zip archive's entries, verifies their checksums and unpacks what was packed. torch stores
    /// entries as they are, and those are not copied.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, TorchError> {
        if !bytes.starts_with(ZIP_START) {
            return Ok(Self::Legacy(bytes));
        }
        let zip = |source| TorchError::Zip { source };
        let mut archive = archive(bytes).map_err(zip)?;
        // By the names, before an entry is read: those of other archives are packed in ways that torch.save's never are.
        let names: Vec<_> = archive.file_names().collect::<Result<_, _>>().map_err(zip)?;
        let pickle = contents::pickle(&names)?.to_owned();
        Ok(Self::Zip { pickle, entries: entries(&mut archive, bytes)? })
    }

    /// The size of everything.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Zip { entries, .. } => entries.values().map(|entry| entry.len()).sum(),
            Self::Legacy(bytes) => bytes.len(),
        }
    }
}

/// A checkpoint taken apart: its objects, and the bytes of its storages.
pub(super) struct Parts<'a> {
    pub(super) pickle: Pickle<'a>,
    pub(super) storages: Storages<'a>,
}

/// Takes a checkpoint of either form apart.
pub(super) fn open<'a>(unpacked: &'a Unpacked<'_>) -> Result<Parts<'a>, TorchError> {
    match unpacked {
        Unpacked::Zip { pickle, entries } => open_zip(pickle, entries),
        Unpacked::Legacy(bytes) => open_legacy(bytes),
    }
}

/// `<root>/data.pkl` is the pickle, `<root>/data/<key>` a storage.
fn open_zip<'a>(name: &str, entries: &'a HashMap<String, Cow<'_, [u8]>>) -> Result<Parts<'a>, TorchError> {
    let root = name.strip_suffix("data.pkl").unwrap_or_default();
    if entries.get(&format!("{root}byteorder")).is_some_and(|order| order.trim_ascii() == b"big") {
        return Err(TorchError::BigEndian);
    }
    let pickle = Pickle::read(&entries[name])?;
    let key = |name: &str| Some(name.strip_prefix(root)?.strip_prefix("data/")?.to_string());
    let storages = entries.iter().filter_map(|(name, data)| Some((key(name)?, &**data))).collect();
    Ok(Parts { pickle, storages })
}

/// Opens the archive as one that begins where the file does, as torch writes it, else as one with bytes before it.
///
/// zip 9.8.1 finds the start by itself only where its guess is right. torch writes the longer end record (zip64)
/// beside an ordinary one, and the guess then lies 76 bytes inside the list of entries. Where an entry's header
/// happens to begin there (the first has 46 bytes and a name of 30, as in `<21 letters>/data.pkl`), sound files are
/// refused. To be `ZipArchive::new` again once `find_central_directory_end` allows for that record.
fn archive(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, ZipError> {
    let from_the_start = Config { archive_offset: ArchiveOffset::Known(0) };
    ZipArchive::with_config(from_the_start, Cursor::new(bytes))
        .or_else(|_| ZipArchive::new(Cursor::new(bytes)))
}

/// The bytes of every entry: where they lie in the archive, or unpacked.
fn entries<'a>(
    archive: &mut ZipArchive<Cursor<&'a [u8]>>,
    bytes: &'a [u8],
) -> Result<HashMap<String, Cow<'a, [u8]>>, TorchError> {
    let zip = |source| TorchError::Zip { source };
    let mut entries = HashMap::new();
    let mut stored_bytes = bytes.len();
    let mut unpacked_bytes = bytes.len().saturating_mul(MAX_UNPACKING).max(MIN_UNPACKED_BYTES);
    for index in 0..archive.len() {
        let raw = archive.by_index_raw(index).map_err(zip)?;
        let name = raw.name().map_err(zip)?.into_owned();
        let method = raw.compression();
        let known = [CompressionMethod::Stored, CompressionMethod::Deflated].contains(&method);
        if !known || raw.encrypted() {
            return Err(TorchError::Compressed { entry: name.escape_debug().to_string() });
        }
        let outside = || zip(ZipError::InvalidArchive("an entry lies outside the file".into()));
        let start = raw.data_start().and_then(|start| usize::try_from(start).ok()).ok_or_else(outside)?;
        let length = usize::try_from(raw.size()).map_err(|_| outside())?;
        drop(raw);
        let damaged = |source| TorchError::DamagedEntry { entry: name.escape_debug().to_string(), source };
        // Reading to the end is what compares the checksum.
        let mut checked = archive.by_index(index).map_err(zip)?;
        let data = if method == CompressionMethod::Stored {
            let data = start.checked_add(length).and_then(|end| bytes.get(start..end)).ok_or_else(outside)?;
            stored_bytes = stored_bytes.checked_sub(length).ok_or(TorchError::Overlap)?;
            io::copy(&mut checked, &mut io::sink()).map_err(damaged)?;
            Cow::Borrowed(data)
        } else {
            let rest = unpacked_bytes.checked_sub(length);
            unpacked_bytes = rest.ok_or(TorchError::Unpacked { limit: MAX_UNPACKING })?;
            Cow::Owned(unpack(&mut checked, length).map_err(damaged)?)
        };
        drop(checked);
        entries.insert(name, data);
    }
    Ok(entries)
}

/// Unpacks an entry that says its `length`; memory grows with what there really is.
fn unpack(entry: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let limit = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1);
    entry.take(limit).read_to_end(&mut data)?;
    if data.len() == length { Ok(data) } else { Err(io::Error::other("its length is another than it says")) }
}

/// Takes a legacy file apart: magic number, version and machine, then the objects, the storages' keys in order, and
/// for every key the number of its elements (eight bytes) and the elements.
fn open_legacy(bytes: &[u8]) -> Result<Parts<'_>, TorchError> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle<'_>, TorchError> {
        let pickle = Pickle::read(rest)?;
        rest = &rest[pickle.length..];
        Ok(pickle)
    };
    if integer(&next()?) != Some(LEGACY_MAGIC) || integer(&next()?) != Some(LEGACY_VERSION) {
        return Err(TorchError::NotTorch);
    }
    if is_big_endian(&next()?) {
        return Err(TorchError::BigEndian);
    }
    let pickle = next()?;
    let keys = next()?;
    let (Value::List(keys_in_order) | Value::Tuple(keys_in_order)) = keys.get(keys.root) else {
        return Err(TorchError::NotTorch);
    };
    let sizes = element_sizes(&pickle);
    let mut storages = Storages::new();
    for &id in keys_in_order {
        let &Value::Text(key) = keys.get(id) else { return Err(TorchError::NotTorch) };
        let &size = sizes.get(key).ok_or(TorchError::NotTorch)?;
        let (count, data) = rest.split_first_chunk::<8>().ok_or(TorchError::Truncated)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| TorchError::Truncated)?;
        let length = count.checked_mul(size).ok_or(TorchError::Truncated)?;
        let (data, after) = data.split_at_checked(length).ok_or(TorchError::Truncated)?;
        storages.insert(key.to_string(), data);
        rest = after;
    }
    Ok(Parts { pickle, storages })
}

fn integer(pickle: &Pickle<'_>) -> Option<i128> {
    match *pickle.get(pickle.root) {
        Value::Int(integer) => Some(integer),
        _ => None,
    }
}

/// What the machine that wrote a legacy file says of itself.
fn is_big_endian(system: &Pickle<'_>) -> bool {
    let Value::Dict(entries) = system.get(system.root) else { return false };
    entries.iter().any(|&(key, value)| {
        matches!((system.get(key), system.get(value)), (Value::Text("little_endian"), Value::Bool(false)))
    })
}

/// Bytes per element of every storage the objects refer to.
fn element_sizes<'a>(pickle: &Pickle<'a>) -> HashMap<&'a str, usize> {
    let storage = |value: &Value<'a>| match value {
        Value::Storage(storage) => Some((storage.key, storage.element.size_bytes())),
        _ => None,
    };
    pickle.values().iter().filter_map(storage).collect()
}

//! Torch checkpoints around a pickle, sound whatever the pickle is.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Magic number, version and machine, as old versions of torch begin a file.
const LEGACY_START: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
/// The list of the keys `0` and `1`.
const LEGACY_KEYS: &[u8] = b"\x80\x02](X\x01\0\0\x000X\x01\0\0\x001e.";
/// Elements of each storage.
const ELEMENTS: u64 = 24;

fn storage() -> Vec<u8> {
    (0..ELEMENTS as u16).flat_map(|value| f32::from(value).to_le_bytes()).collect()
}

/// The form of torch 1.6 and later.
pub(crate) fn zip(pickle: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let storage = storage();
    for (name, data) in [("net/data.pkl", pickle), ("net/data/0", &storage), ("net/data/1", &storage)] {
        archive.start_file(name, stored).expect("an archive in memory can be written");
        archive.write_all(data).expect("an archive in memory can be written");
    }
    archive.finish().expect("an archive in memory can be written").into_inner()
}

/// The form before that.
pub(crate) fn legacy(pickle: &[u8]) -> Vec<u8> {
    let (count, storage) = (ELEMENTS.to_le_bytes(), storage());
    [LEGACY_START, pickle, LEGACY_KEYS, &count, &storage, &count, &storage].concat()
}

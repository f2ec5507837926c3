//! Archives of images, listed and read: tars, zips and Parquet files.

use neuron_data::{Dataset, DatasetOptions, Limits};

use crate::scratch;

pub(super) fn tar(bytes: &[u8]) -> bool {
    images("images.tar", bytes)
}

pub(super) fn zip(bytes: &[u8]) -> bool {
    images("images.zip", bytes)
}

pub(super) fn parquet(bytes: &[u8]) -> bool {
    images("images.parquet", bytes)
}

fn images(name: &str, bytes: &[u8]) -> bool {
    let place = scratch::folder("archive", |_| {}).join(name);
    scratch::write(&place, bytes);
    let Ok(dataset) = Dataset::open(&place, &DatasetOptions::default()) else { return false };
    assert!(!dataset.is_empty() && dataset.fingerprint().len() == 64);
    let limits = Limits { max_file_bytes: 16 << 20, ..Limits::default() };
    let mut buffer = Vec::new();
    for index in (0..dataset.len()).rev().take(64) {
        let (line, entry) = (dataset.name(index), dataset.entry(index));
        assert!(line.starts_with(name) && !line.contains(['\n', '\r', '\0']), "{line:?}");
        assert!(entry.ends_with(line) && dataset.class(index).is_none_or(|class| !class.name.is_empty()));
        if let Ok(read) = dataset.read(index, &limits, &mut buffer) {
            assert!(
                read.len() as u64 <= limits.max_file_bytes,
                "{} bytes are more than the limit",
                read.len()
            );
        }
    }
    true
}

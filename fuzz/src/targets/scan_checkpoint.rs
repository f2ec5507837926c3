//! Checkpoints of scans, as they are and with the right checksum of their header.

use neuron_cli::fuzzing;

/// Bytes before the header: magic number, version, and the header's length.
const BEFORE: usize = 20;

pub(super) fn read(bytes: &[u8]) -> bool {
    let as_is = fuzzing::scan_checkpoint(bytes);
    mended(bytes).is_some_and(|mended| fuzzing::scan_checkpoint(&mended)) || as_is
}

/// The checkpoint with the checksum that its header should have.
fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(bytes.get(BEFORE - 8..BEFORE)?.try_into().ok()?);
    let end = BEFORE.checked_add(usize::try_from(length).ok()?)?;
    let sum = crc32fast::hash(bytes.get(BEFORE..end)?);
    let mut mended = bytes.to_vec();
    mended.get_mut(end..end + 4)?.copy_from_slice(&sum.to_le_bytes());
    Some(mended)
}

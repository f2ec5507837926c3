//! What was read of an archive to list it. From that it is listed again, whatever its kind, without the archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// The most that is remembered: the headers of a tar of a hundred thousand images.
const MOST_BYTES: usize = 64 << 20;

/// Parts of an archive, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Record {
    parts: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Record {
    /// Remembers what was read at a place.
    pub(super) fn note(&mut self, offset: u64, read: &[u8]) {
        if self.bytes > MOST_BYTES || read.is_empty() || self.covers(offset, read.len()) {
            return;
        }
        self.bytes += read.len();
        match self.part_at(offset) {
            Some(start) if start + self.parts[&start].len() as u64 == offset => {
                self.parts.entry(start).or_default().extend_from_slice(read);
            }
            _ => _ = self.parts.insert(offset, read.to_vec()),
        }
    }

    /// Fills `buffer`, if all of it is remembered.
    pub(super) fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let known = self.covers(offset, buffer.len());
        if known && let Some(start) = self.part_at(offset) {
            buffer.copy_from_slice(&self.parts[&start][(offset - start) as usize..][..buffer.len()]);
        }
        known
    }

    /// Whether all that was read is there.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes <= MOST_BYTES
    }

    fn covers(&self, offset: u64, bytes: usize) -> bool {
        self.part_at(offset).is_some_and(|start| {
            (offset - start).saturating_add(bytes as u64) <= self.parts[&start].len() as u64
        })
    }

    /// The last part that begins before a place, or there.
    fn part_at(&self, offset: u64) -> Option<u64> {
        self.parts.range(..=offset).next_back().map(|(start, _)| *start)
    }

    /// Writes the parts, packed, with their checksum.
    pub(super) fn write(&self, to: impl Write) -> io::Result<()> {
        let mut packed = GzEncoder::new(to, Compression::default());
        for (start, part) in &self.parts {
            packed.write_all(&start.to_le_bytes())?;
            packed.write_all(&(part.len() as u64).to_le_bytes())?;
            packed.write_all(part)?;
        }
        packed.finish().map(drop)
    }

    /// Reads what [`Record::write`] wrote.
    pub(super) fn read(from: impl Read) -> io::Result<Self> {
        let mut unpacked = Vec::new();
        let most = 3 * MOST_BYTES as u64;
        GzDecoder::new(from).take(most + 1).read_to_end(&mut unpacked)?;
        let (mut record, mut rest) = (Self::default(), &*unpacked);
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        while !rest.is_empty() {
            let (start, after) = rest.split_first_chunk().ok_or_else(damaged)?;
            let (bytes, after) = after.split_first_chunk().ok_or_else(damaged)?;
            let bytes = usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| damaged())?;
            let (part, after) = after.split_at_checked(bytes).ok_or_else(damaged)?;
            record.parts.insert(u64::from_le_bytes(*start), part.to_vec());
            rest = after;
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_there_again() {
        let mut record = Record::default();
        for (offset, part) in
            [(512, &b"header"[..]), (518, b"more"), (5000, b"label"), (512, b"head"), (u64::MAX, b"")]
        {
            record.note(offset, part);
        }
        let mut packed = Vec::new();
        record.write(&mut packed).unwrap();
        let again = Record::read(&*packed).unwrap();
        assert!(again.is_whole() && again.parts == record.parts && again.parts.len() == 2);
        let filled = |offset, bytes| {
            let mut buffer = vec![0; bytes];
            again.fill(offset, &mut buffer).then_some(buffer)
        };
        assert_eq!(filled(514, 6), Some(b"adermo".to_vec()));
        assert_eq!([filled(518, 5), filled(0, 1), filled(5005, 1)], [None, None, None]);
        packed.truncate(packed.len() - 1);
        assert!(Record::read(&*packed).is_err());
    }

    #[test]
    fn too_much_is_given_up() {
        let mut record = Record::default();
        record.note(0, &vec![0; MOST_BYTES + 1]);
        assert!(!record.is_whole());
    }
}

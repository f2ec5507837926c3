//! The state as bytes; `docs/formats.md` is its specification.

use std::{
    io::{self, Read, Write},
    num::NonZeroUsize,
};

use crate::entry::{Entry, Ranked};
use crate::error::TopkError;
use crate::list::List;
use crate::top_k::TopK;

const MAGIC: [u8; 8] = *b"neurtopk";
const VERSION: u32 = 1;
const ENTRY_BYTES: usize = 12;
/// Entries that are encoded or decoded at once; bounds the buffer, whatever a header claims.
const CHUNK: usize = 1024;

impl TopK {
    /// Writes the state; equal contents give equal bytes, whatever the order in which they came.
    ///
    /// Nothing follows the last byte, so a state can be embedded in a larger file. The writes are of a few
    /// bytes to a few kilobytes: buffer a file.
    ///
    /// # Errors
    /// [`TopkError::Io`] if the writer fails.
    pub fn write_to(&self, writer: impl Write) -> Result<(), TopkError> {
        let mut writer = Summed { inner: writer, sum: crc32fast::Hasher::new() };
        writer.write_all(&MAGIC)?;
        writer.write_all(&VERSION.to_le_bytes())?;
        writer.write_all(&(self.channels() as u64).to_le_bytes())?;
        writer.write_all(&(self.keep() as u64).to_le_bytes())?;
        let (mut entries, mut bytes) = (Vec::new(), Vec::new());
        for list in self.lists() {
            list.sorted_to(self.keep(), &mut entries);
            writer.write_all(&(entries.len() as u64).to_le_bytes())?;
            for chunk in entries.chunks(CHUNK) {
                bytes.clear();
                chunk.iter().for_each(|&entry| bytes.extend(encode(entry.into())));
                writer.write_all(&bytes)?;
            }
        }
        let sum = writer.sum.finalize();
        writer.inner.write_all(&sum.to_le_bytes())?;
        writer.inner.flush()?;
        Ok(())
    }

    /// Reads a state that [`write_to`](Self::write_to) wrote, and not one byte more.
    ///
    /// # Errors
    /// [`TopkError::NotAState`], [`TopkError::UnsupportedVersion`], [`TopkError::Truncated`] and
    /// [`TopkError::Corrupt`] for bytes that are no valid state, [`TopkError::Io`] if the reader fails. Memory
    /// grows with the bytes that were read, never with what they claim.
    pub fn read_from(reader: impl Read) -> Result<Self, TopkError> {
        let mut reader = Summed { inner: reader, sum: crc32fast::Hasher::new() };
        if reader.array()? != MAGIC {
            return Err(TopkError::NotAState);
        }
        let version = u32::from_le_bytes(reader.array()?);
        if version != VERSION {
            return Err(TopkError::UnsupportedVersion { found: version, supported: VERSION });
        }
        let channels = u64::from_le_bytes(reader.array()?);
        let keep = usize::try_from(u64::from_le_bytes(reader.array()?)).ok().and_then(NonZeroUsize::new);
        let keep = keep.ok_or(TopkError::Corrupt { what: "the number to keep is out of range" })?;

        let mut top_k = Self::without_channels(keep);
        for _ in 0..channels {
            let (list, floor) = reader.list(keep.get())?;
            top_k.add_channel(list, floor);
        }
        let sum = reader.sum.clone().finalize();
        if u32::from_le_bytes(reader.array()?) != sum {
            return Err(TopkError::Corrupt { what: "the checksum does not match" });
        }
        Ok(top_k)
    }
}

/// A reader or writer that sums what passes through it.
struct Summed<T> {
    inner: T,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summed<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<R: Read> Summed<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), TopkError> {
        self.inner.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TopkError::Truncated,
            _ => TopkError::Io(error),
        })?;
        self.sum.update(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TopkError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// One channel's list, and the floor that its last entry sets if it is complete.
    fn list(&mut self, keep: usize) -> Result<(List, Option<Ranked>), TopkError> {
        let count = usize::try_from(u64::from_le_bytes(self.array()?)).ok().filter(|&count| count <= keep);
        let count = count.ok_or(TopkError::Corrupt { what: "a channel holds more entries than are kept" })?;

        let mut list = List::default();
        let mut last: Option<Ranked> = None;
        let mut bytes = [0; CHUNK * ENTRY_BYTES];
        while list.len() < count {
            let bytes = &mut bytes[..CHUNK.min(count - list.len()) * ENTRY_BYTES];
            self.fill(bytes)?;
            for bytes in bytes.chunks_exact(ENTRY_BYTES) {
                let entry = decode(bytes);
                if entry.score.is_nan() {
                    return Err(TopkError::Corrupt { what: "a score is NaN" });
                }
                let entry = Ranked::from(entry);
                if last.is_some_and(|last| last.key() > entry.key()) {
                    return Err(TopkError::Corrupt { what: "a channel's entries are out of order" });
                }
                list.push(entry);
                last = Some(entry);
            }
        }
        let floor = last.filter(|_| count == keep);
        Ok((list, floor))
    }
}

fn encode(entry: Entry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..4].copy_from_slice(&entry.score.to_le_bytes());
    bytes[4..8].copy_from_slice(&entry.index.to_le_bytes());
    bytes[8..].copy_from_slice(&entry.payload.to_le_bytes());
    bytes
}

/// `bytes` holds [`ENTRY_BYTES`] bytes.
fn decode(bytes: &[u8]) -> Entry {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Entry { score: f32::from_bits(word(0)), index: word(4), payload: word(8) }
}

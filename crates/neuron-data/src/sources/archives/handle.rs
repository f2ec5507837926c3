//! An archive that is open: a file, or an object of a store.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::index;
use super::record::Record;
use super::stamp::Stamp;
use crate::address;
use crate::remote::{self, Reader};

/// Reads at any place, for several threads at once.
#[derive(Debug)]
pub(super) enum Handle {
    File(File),
    Object(Reader, Mutex<Listing>),
}

/// Whether an archive is being listed.
#[derive(Debug, Default)]
pub(super) enum Listing {
    /// What is read is remembered.
    Now(Record),
    /// What an earlier run read is read again.
    Before(Record),
    /// The store has failed, which must not pass for damage of the archive.
    Failed(String),
    /// It was.
    #[default]
    Done,
}

impl Handle {
    /// Opens an archive that has as many bytes as when it was listed.
    pub(super) fn open(place: &Path, bytes: u64) -> io::Result<Self> {
        let (handle, found) = if address::is_address(place) {
            let about = remote::about(place)?;
            (Self::Object(Reader::of(&about), Mutex::default()), about.bytes())
        } else {
            let file = File::open(place)?;
            let found = file.metadata()?.len();
            (Self::File(file), found)
        };
        match found == bytes {
            true => Ok(handle),
            false => Err(io::Error::other("the archive has changed since it was listed")),
        }
    }

    /// Fills `buffer` from a place in the archive.
    pub(super) fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File(file) => read_file_at(file, offset, buffer),
            Self::Object(reader, listing) => {
                if let Listing::Before(record) = &*lock(listing)
                    && record.fill(offset, buffer)
                {
                    return Ok(());
                }
                let read = reader.read_at(offset, buffer);
                match (&mut *lock(listing), &read) {
                    (Listing::Done, _) => {}
                    (Listing::Now(record), Ok(())) => record.note(offset, buffer),
                    (_, Ok(())) => {}
                    (listing, Err(error)) => *listing = Listing::Failed(error.to_string()),
                }
                Ok(read?)
            }
        }
    }

    /// Whether reading a little at a time costs no more than reading more: what follows is in memory.
    pub(super) fn has_memory(&self) -> bool {
        matches!(self, Self::Object(..))
    }

    /// Begins to list an archive, by what is known of it.
    pub(super) fn begin_listing(&self, place: &Path, stamp: &Stamp) {
        if let Self::Object(_, listing) = self {
            let known = index::load(place, stamp);
            *lock(listing) = known.map_or_else(|| Listing::Now(Record::default()), Listing::Before);
        }
    }

    /// Keeps what was learnt; an error if the store has failed meanwhile.
    pub(super) fn end_listing(&self, place: &Path, stamp: &Stamp) -> io::Result<()> {
        let Self::Object(_, listing) = self else { return Ok(()) };
        match std::mem::take(&mut *lock(listing)) {
            Listing::Now(record) => index::save(place, stamp, &record),
            Listing::Failed(problem) => return Err(io::Error::other(problem)),
            Listing::Before(_) | Listing::Done => {}
        }
        Ok(())
    }
}

fn lock(listing: &Mutex<Listing>) -> MutexGuard<'_, Listing> {
    listing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn read_file_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        offset += read as u64;
    }
    Ok(())
}

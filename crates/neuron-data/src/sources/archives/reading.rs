//! Bytes of an archive at some place in it, for many threads, with few files open.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blocks;
use super::handle::Handle;
use super::stamp::Stamp;
use crate::error::DataError;

/// The most archives that are open at a time, beside those that are being listed: a system allows some hundred files.
const MOST_OPEN: usize = 64;

/// The archives that were read last, by number; the last one at the end.
static OPEN: Mutex<Vec<(u64, Arc<Handle>)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is opened when it is read, and closed when others are.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    path: PathBuf,
    number: u64,
    /// As it was when it was listed.
    stamp: Stamp,
    /// While it is being listed: what knows of all that was read, and stays open however many others are.
    listing: Mutex<Option<Arc<Handle>>>,
}

impl ArchiveFile {
    /// Opens a regular file, or an object of a store.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let (number, stamp) = (NEXT.fetch_add(1, Ordering::Relaxed), Stamp::of(path)?);
        let handle = Handle::open(path, stamp.bytes).map_err(|source| DataError::unreadable(path, source))?;
        handle.begin_listing(path, &stamp);
        Ok(Self { path: path.into(), number, stamp, listing: Mutex::new(Some(Arc::new(handle))) })
    }

    /// Says that all was read that is needed to list it.
    ///
    /// # Errors
    /// [`DataError::Store`] if its store has failed meanwhile: what it holds is not known then.
    pub(super) fn listed(&self) -> Result<(), DataError> {
        let Some(handle) = lock(&self.listing).take() else { return Ok(()) };
        let ended = handle.end_listing(&self.path, &self.stamp);
        keep_open(self.number, handle);
        ended.map_err(|source| DataError::Store { source })
    }

    /// What tells it from other files.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    /// Fills `buffer` from a place in the file.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.handle()?.read_exact_at(offset, buffer)
    }

    /// Replaces the content of `buffer` by so many bytes, which the file must hold: no memory is taken before that is
    /// known.
    pub(super) fn read_into(&self, offset: u64, bytes: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        if offset.checked_add(bytes).is_none_or(|end| end > self.bytes()) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        buffer.resize(bytes as usize, 0);
        self.read_at(offset, buffer)
    }

    /// What reads it, opened if it is not.
    fn handle(&self) -> io::Result<Arc<Handle>> {
        if let Some(listing) = &*lock(&self.listing) {
            return Ok(Arc::clone(listing));
        }
        let mut open = lock(&OPEN);
        if let Some(at) = open.iter().rposition(|(number, _)| *number == self.number) {
            let found = open.remove(at);
            let file = Arc::clone(&found.1);
            open.push(found);
            return Ok(file);
        }
        drop(open);
        let file = Arc::new(Handle::open(&self.path, self.bytes())?);
        keep_open(self.number, Arc::clone(&file));
        Ok(file)
    }
}

/// Keeps an archive open, in the place of the one that was read longest ago.
fn keep_open(number: u64, handle: Arc<Handle>) {
    let mut open = lock(&OPEN);
    if open.len() >= MOST_OPEN {
        open.remove(0);
    }
    open.push((number, handle));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ArchiveFile {
    fn drop(&mut self) {
        lock(&OPEN).retain(|(number, _)| *number != self.number);
        blocks::forget(self.number);
    }
}

/// A part of a file as a reader of its own, which keeps what it read last over short jumps.
#[derive(Debug)]
pub(super) struct Part {
    file: Arc<Handle>,
    start: u64,
    bytes: u64,
    at: u64,
    window: Vec<u8>,
    /// The most that is kept.
    window_bytes: usize,
    /// Where the window begins in the part.
    window_at: u64,
}

impl Part {
    /// The part of `file` from `start` on, as far as there is one.
    pub(super) fn of(file: &ArchiveFile, start: u64, bytes: u64, window_bytes: usize) -> io::Result<Self> {
        let bytes = bytes.min(file.bytes().saturating_sub(start));
        Ok(Self { file: file.handle()?, start, bytes, at: 0, window: Vec::new(), window_bytes, window_at: 0 })
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.saturating_sub(self.at);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.file.has_memory() {
            let bytes = left.min(buffer.len() as u64) as usize;
            self.file.read_exact_at(self.start + self.at, &mut buffer[..bytes])?;
            self.at += bytes as u64;
            return Ok(bytes);
        }
        let inside = self.at.checked_sub(self.window_at).filter(|at| *at < self.window.len() as u64);
        let inside = match inside {
            Some(inside) => inside as usize,
            None => {
                self.window.resize(left.min(self.window_bytes as u64) as usize, 0);
                self.window_at = self.at;
                if let Err(error) = self.file.read_exact_at(self.start + self.at, &mut self.window) {
                    self.window.clear();
                    return Err(error);
                }
                0
            }
        };
        let bytes = buffer.len().min(self.window.len() - inside);
        buffer[..bytes].copy_from_slice(&self.window[inside..inside + bytes]);
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_reader_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let all: Vec<u8> = (0..20_000u32).map(|at| (at / 3) as u8).collect();
        std::fs::write(&path, &all).unwrap();
        let file = ArchiveFile::open(&path).unwrap();
        let mut part = Part::of(&file, 1000, 15_000, 4096).unwrap();
        for (from, bytes) in [(0, 10), (10, 5000), (3, 7), (14_990, 10), (20_000, 0)] {
            part.seek(SeekFrom::Start(from)).unwrap();
            let mut read = Vec::new();
            part.by_ref().take(if bytes == 0 { 10 } else { bytes }).read_to_end(&mut read).unwrap();
            assert_eq!(read.len() as u64, bytes, "{from}");
            assert!(read.is_empty() || read == all[1000 + from as usize..][..bytes as usize], "{from}");
        }
        assert_eq!(part.seek(SeekFrom::End(-1)).unwrap(), 14_999);
        assert!(part.seek(SeekFrom::Current(-15_000)).is_err());
    }

    #[test]
    fn what_is_being_listed_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a").unwrap();
        let open = || ArchiveFile::open(&path).unwrap();
        let listing = open();
        // What it knows of a store's failure must not be lost.
        let handle = listing.handle().unwrap();
        for _ in 0..=MOST_OPEN {
            let other = open();
            other.listed().unwrap();
            other.read_at(0, &mut [0]).unwrap();
        }
        assert!(Arc::ptr_eq(&handle, &listing.handle().unwrap()));
        listing.listed().unwrap();
    }

    #[test]
    fn few_files_are_open_and_what_changed_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(at.to_string());
        let files: Vec<ArchiveFile> = (0..MOST_OPEN + 3)
            .map(|at| {
                std::fs::write(path(at), at.to_string()).unwrap();
                let file = ArchiveFile::open(&path(at)).unwrap();
                file.listed().unwrap();
                file
            })
            .collect();
        let mut buffer = Vec::new();
        for (at, file) in files.iter().enumerate().rev() {
            file.read_into(0, file.bytes(), &mut buffer).unwrap();
            assert_eq!(buffer, at.to_string().as_bytes());
        }
        assert!(OPEN.lock().unwrap().len() <= MOST_OPEN);
        assert!(files[0].read_into(0, u64::MAX, &mut buffer).is_err());
        let mut stamp = Stamp::of(&path(3)).unwrap();
        stamp.bytes = 7;
        let gone = ArchiveFile { number: u64::MAX, path: path(3), stamp, listing: Mutex::default() };
        assert!(gone.read_into(0, 7, &mut buffer).unwrap_err().to_string().contains("has changed"));
    }
}

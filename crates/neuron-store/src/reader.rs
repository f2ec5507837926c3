//! The bytes of a large object at some place in it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::ahead::{Ahead, Fetch, Order};
use crate::error::StoreError;
use crate::object::Object;
use crate::runtime;

/// What is fetched at once where an object is read from front to back.
const BLOCK: u64 = 2 << 20;
/// Blocks that are fetched ahead: enough for a hundred megabytes a second at a distance of a tenth of a second.
const ORDER: Order = Order { depth: 5, slack: 2, is_used_once: false };
/// Objects of which blocks are kept; a block is given up with its object.
const MOST_STREAMS: usize = 4;

/// The readers that hold blocks; the one that was used last is the last one.
static STREAMS: Mutex<Vec<Weak<Ahead>>> = Mutex::new(Vec::new());

/// Reads an object, for several threads at once.
///
/// Where places follow one another, whole blocks of 2 MiB are fetched ahead of their use; elsewhere, just what is asked
/// for. At most four objects hold blocks at a time, up to 16 MiB each.
#[derive(Debug)]
pub struct Reader {
    object: Object,
    ahead: Arc<Ahead>,
    /// Where what was read last ends.
    end: Mutex<u64>,
}

impl Reader {
    /// Asks for nothing yet.
    pub fn of(object: &Object) -> Self {
        Self { object: object.clone(), ahead: Arc::new(Ahead::new(ORDER)), end: Mutex::new(0) }
    }

    /// Fills `buffer` from a place in the object.
    ///
    /// # Errors
    /// [`StoreError::End`] if the object has fewer bytes, [`StoreError::Changed`], and any other [`StoreError`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.object.bytes() {
            return Err(StoreError::End { address: self.object.address(), end });
        }
        if buffer.is_empty() {
            return Ok(());
        }
        if !self.is_near(offset, end) {
            let read = runtime::wait(self.object.read(offset..end))?;
            buffer.copy_from_slice(&read);
            return Ok(());
        }
        self.keep();
        let mut at = offset;
        while at < end {
            let number = at / BLOCK;
            let block = self.block(number as usize)?;
            let inside = &block[(at - number * BLOCK) as usize..];
            let bytes = inside.len().min((end - at) as usize);
            buffer[(at - offset) as usize..][..bytes].copy_from_slice(&inside[..bytes]);
            at += bytes as u64;
        }
        Ok(())
    }

    /// Whether a place is about where the last one ends, which this one replaces.
    fn is_near(&self, offset: u64, end: u64) -> bool {
        let mut last = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let is_near = offset.saturating_add(BLOCK) >= *last && offset <= last.saturating_add(BLOCK);
        *last = end;
        is_near
    }

    fn block(&self, number: usize) -> Result<Bytes, StoreError> {
        let fetch = |number: usize| -> Option<Fetch> {
            let object = self.object.clone();
            let start = number as u64 * BLOCK;
            let range = start..object.bytes().min(start + BLOCK);
            Some(Box::pin(async move { object.read(range).await }))
        };
        let all = 0..self.object.bytes().div_ceil(BLOCK) as usize;
        self.ahead.get(number, all, &fetch).expect("every block is worth its request")
    }

    /// Says that this one was used last; the one that was not used for the longest time gives up its blocks.
    fn keep(&self) {
        let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Arc::as_ptr(&self.ahead);
        if streams.last().is_some_and(|last| Weak::as_ptr(last) == this) {
            return;
        }
        streams.retain(|other| Weak::as_ptr(other) != this && other.strong_count() > 0);
        if streams.len() >= MOST_STREAMS
            && let Some(oldest) = streams.remove(0).upgrade()
        {
            oldest.clear();
        }
        streams.push(Arc::downgrade(&self.ahead));
    }
}

use std::num::NonZeroUsize;

use crate::entry::{Entry, Ranked};
use crate::error::TopkError;
use crate::list::{Bounds, List, Scratch};

/// Scores compared at once; two registers of the widest vector units, eight of the narrowest.
const LANES: usize = 32;

/// Channels that a batch passes before it turns to the next ones, so that the ends of their lists stay in cache.
const TILE: usize = 256;

/// The best `keep` items of every channel of a stream of scores.
///
/// The usual score is far below its channel's floor, the worst score that still counts, and costs one lane of a
/// vector comparison. One that is not goes to its channel's list; a list that is a quarter over its size is
/// pruned by selection, which lifts the floor.
///
/// The result depends on the set of pushed items alone, not on their order, on how they were batched, or on how
/// they were split over several structures that were merged. Every index may be pushed once per channel.
///
/// Memory grows with what is kept: 12 bytes an entry, at most `1.25 * keep + 256` entries a channel.
pub struct TopK {
    bounds: Bounds,
    /// Per channel, a bound that a score must reach: minus infinity until the first pruning.
    floors: Vec<f32>,
    /// Per channel, the last index that may still enter with exactly that score.
    floor_indices: Vec<u32>,
    lists: Vec<List>,
    scratch: Scratch,
}

impl TopK {
    /// An empty structure that will keep the best `keep` items of each of `channels` channels.
    pub fn new(channels: usize, keep: NonZeroUsize) -> Self {
        let mut top_k = Self::without_channels(keep);
        (0..channels).for_each(|_| top_k.add_channel(List::default(), None));
        top_k
    }

    /// The start of a structure whose number of channels only shows as they are read.
    pub(crate) fn without_channels(keep: NonZeroUsize) -> Self {
        Self {
            bounds: Bounds::new(keep.get()),
            floors: Vec::new(),
            floor_indices: Vec::new(),
            lists: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    pub(crate) fn add_channel(&mut self, list: List, floor: Option<Ranked>) {
        self.floors.push(floor.map_or(f32::NEG_INFINITY, Ranked::score));
        self.floor_indices.push(floor.map_or(u32::MAX, Ranked::index));
        self.lists.push(list);
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.lists.len()
    }

    /// Number of items that each channel keeps.
    pub fn keep(&self) -> usize {
        self.bounds.keep
    }

    /// Absorbs one item's scores.
    ///
    /// # Shapes
    /// * `scores`: `[channels]`
    /// * `payloads`: `[channels]`; `None` stands for zeros
    ///
    /// # Errors
    /// As [`push_batch`](Self::push_batch).
    pub fn push(&mut self, index: u32, scores: &[f32], payloads: Option<&[u32]>) -> Result<(), TopkError> {
        self.push_batch(&[index], scores, payloads)
    }

    /// Absorbs a batch of items' scores.
    ///
    /// # Shapes
    /// * `indices`: `[batch]`
    /// * `scores`: `[batch, channels]`
    /// * `payloads`: `[batch, channels]`; `None` stands for zeros
    ///
    /// # Errors
    /// [`TopkError::NanScore`] for the first NaN and [`TopkError::Length`] for a slice of another shape; the
    /// structure is then as it was before the call.
    pub fn push_batch(
        &mut self,
        indices: &[u32],
        scores: &[f32],
        payloads: Option<&[u32]>,
    ) -> Result<(), TopkError> {
        let channels = self.channels();
        let expected = indices.len() * channels;
        check_length("scores", expected, scores.len())?;
        if let Some(payloads) = payloads {
            check_length("payloads", expected, payloads.len())?;
        }
        if channels == 0 {
            return Ok(());
        }
        for (&index, row) in indices.iter().zip(scores.chunks_exact(channels)) {
            check_numbers(index, row)?;
        }
        for first in (0..channels).step_by(TILE) {
            let width = TILE.min(channels - first);
            for (item, &index) in indices.iter().enumerate() {
                let part = item * channels + first..item * channels + first + width;
                self.absorb(first, index, &scores[part.clone()], payloads.map(|payloads| &payloads[part]));
            }
        }
        Ok(())
    }

    /// Absorbs one score of one channel, for items that only some channels look at.
    ///
    /// # Errors
    /// [`TopkError::UnknownChannel`] and [`TopkError::NanScore`]; the structure is then as it was.
    pub fn push_one(&mut self, channel: usize, entry: Entry) -> Result<(), TopkError> {
        if channel >= self.channels() {
            return Err(TopkError::UnknownChannel { channel, channels: self.channels() });
        }
        if entry.score.is_nan() {
            return Err(TopkError::NanScore { index: entry.index, channel });
        }
        self.offer(channel, entry);
        Ok(())
    }

    /// Absorbs another partial result, made over other items.
    ///
    /// # Errors
    /// [`TopkError::Incompatible`] if the two do not have the same channels and the same number to keep.
    pub fn merge(&mut self, other: Self) -> Result<(), TopkError> {
        if (self.channels(), self.keep()) != (other.channels(), other.keep()) {
            return Err(TopkError::Incompatible {
                channels: self.channels(),
                keep: self.keep(),
                found_channels: other.channels(),
                found_keep: other.keep(),
            });
        }
        for (channel, list) in other.lists.into_iter().enumerate() {
            list.iter().for_each(|entry| self.offer(channel, entry.into()));
        }
        Ok(())
    }

    /// The best items of a channel, best first; all of them where fewer than [`keep`](Self::keep) came by.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn channel(&self, channel: usize) -> Vec<Entry> {
        sorted(&self.lists[channel], self.bounds.keep)
    }

    /// The best items of every channel in turn, best first; a channel's memory is freed as it is passed.
    pub fn into_sorted(self) -> impl ExactSizeIterator<Item = Vec<Entry>> {
        let keep = self.bounds.keep;
        self.lists.into_iter().map(move |list| sorted(&list, keep))
    }

    pub(crate) fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Offers the scores of one item for the channels from `first` on.
    fn absorb(&mut self, first: usize, index: u32, scores: &[f32], payloads: Option<&[u32]>) {
        for start in (0..scores.len()).step_by(LANES) {
            let end = scores.len().min(start + LANES);
            let mut candidates = reaching(&scores[start..end], &self.floors[first + start..first + end]);
            while candidates != 0 {
                let place = start + candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                let payload = payloads.map_or(0, |payloads| payloads[place]);
                self.offer(first + place, Entry { score: scores[place], index, payload });
            }
        }
    }

    #[inline]
    fn offer(&mut self, channel: usize, entry: Entry) {
        let floor = self.floors[channel];
        if entry.score < floor || (entry.score == floor && entry.index > self.floor_indices[channel]) {
            return;
        }
        let list = &mut self.lists[channel];
        list.push(entry.into());
        if list.len() == self.bounds.capacity {
            let worst = list.prune(self.bounds.keep, &mut self.scratch);
            self.floors[channel] = worst.score();
            self.floor_indices[channel] = worst.index();
        }
    }
}

/// The lanes, as bits, whose scores reach their channels' floors.
fn reaching(scores: &[f32], floors: &[f32]) -> u32 {
    match (<&[f32; LANES]>::try_from(scores), <&[f32; LANES]>::try_from(floors)) {
        // The length known, the fold becomes vector comparisons.
        (Ok(scores), Ok(floors)) => lanes(scores, floors),
        _ => lanes(scores, floors),
    }
}

#[inline(always)]
fn lanes(scores: &[f32], floors: &[f32]) -> u32 {
    scores
        .iter()
        .zip(floors)
        .zip(0..)
        .fold(0, |lanes, ((score, floor), lane)| lanes | (u32::from(score >= floor) << lane))
}

fn sorted(list: &List, keep: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    list.sorted_to(keep, &mut entries);
    entries.into_iter().map(Entry::from).collect()
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), TopkError> {
    if expected == found { Ok(()) } else { Err(TopkError::Length { what, expected, found }) }
}

fn check_numbers(index: u32, scores: &[f32]) -> Result<(), TopkError> {
    // Two passes where there is a NaN, but one vectorised one where, as always, there is none.
    if !scores.iter().fold(false, |any, score| any | score.is_nan()) {
        return Ok(());
    }
    let channel = scores.iter().position(|score| score.is_nan());
    channel.map_or(Ok(()), |channel| Err(TopkError::NanScore { index, channel }))
}

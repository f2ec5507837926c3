use super::number::Terms;
use std::ops::{Deref, DerefMut};

/// Numbers of a cache line.
const LINE: usize = 32;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u16; LINE]);

/// Reusable bf16 numbers that begin at a cache line.
#[derive(Clone, Debug, Default)]
pub struct Bf16Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Bf16Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0; LINE]); len.div_ceil(LINE)], len }
    }

    /// Makes it at least `len` long; new numbers are zeros, the others stay.
    pub(super) fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeros(len);
        }
    }
}

impl Deref for Bf16Buffer {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        // SAFETY: the lines are numbers without padding, at least `len` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Bf16Buffer {
    fn deref_mut(&mut self) -> &mut [u16] {
        // SAFETY: the lines are numbers without padding, at least `len` of them.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Channels-last maps of bf16 numbers `[batch, height, width, terms, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct Bf16View<'a> {
    /// Number of items.
    pub batch: usize,
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
    /// Channels of a position.
    pub channels: usize,
    /// Numbers that stand for a value.
    pub terms: Terms,
    /// `batch * height * width * terms * channels` numbers.
    pub data: &'a [u16],
}

impl Bf16View<'_> {
    /// Numbers of a position.
    pub(super) fn pixel(&self) -> usize {
        self.terms.count() * self.channels
    }

    /// The fields are public, so every kernel checks them before it trusts them.
    pub(super) fn check(&self) {
        let expected = self.batch * self.height * self.width * self.pixel();
        assert_eq!(self.data.len(), expected, "numbers of {self:?}");
    }
}

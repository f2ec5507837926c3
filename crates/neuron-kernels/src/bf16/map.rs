use super::number::Terms;
use super::rounding::{part_pixels, split_all, split_pixels};
use crate::shape::View;

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

    /// The numbers of an item.
    pub(super) fn item(&self, index: usize) -> &[u16] {
        let len = self.height * self.width * self.pixel();
        &self.data[index * len..][..len]
    }

    /// The fields are public, so every kernel checks them before it trusts them.
    pub(super) fn check(&self) {
        let expected = self.batch * self.height * self.width * self.pixel();
        assert_eq!(self.data.len(), expected, "numbers of {self:?}");
    }
}

/// Maps whose products are taken in bf16 numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Map<'a> {
    /// Numbers as they lie.
    Numbers(Bf16View<'a>),
    /// Values, each of which is split into two numbers where it is read.
    Values(View<'a>),
}

impl Map<'_> {
    /// Items, lines, columns and channels.
    pub(super) fn sizes(&self) -> [usize; 4] {
        match self {
            Self::Numbers(map) => [map.batch, map.height, map.width, map.channels],
            Self::Values(map) => [map.batch, map.height, map.width, map.channels],
        }
    }

    /// Copies positions from the `first` of all items on: the terms of each side by side.
    pub(super) fn copy(&self, first: usize, to: &mut [u16]) {
        match self {
            Self::Numbers(map) => to.copy_from_slice(&map.data[first * map.pixel()..][..to.len()]),
            Self::Values(View { channels, data, .. }) => {
                split_pixels(&data[first * channels..][..to.len() / 2], *channels, to);
            }
        }
    }

    /// As [`Map::copy`], the terms apart. There are two of them.
    pub(super) fn copy_apart(&self, first: usize, [high, low]: [&mut [u16]; 2]) {
        match self {
            Self::Numbers(map) => {
                let numbers = &map.data[first * map.pixel()..][..2 * high.len()];
                part_pixels(numbers, map.channels, high, low);
            }
            Self::Values(map) => split_all(&map.data[first * map.channels..][..high.len()], high, low),
        }
    }
}

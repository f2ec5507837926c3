use super::number::Terms;

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

//! Positions of an output that lie apart: what one remainder of a strided transpose writes.

/// Those of `first`, `first + step`, and so on, along each axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) first: [usize; 2],
    pub(super) step: [usize; 2],
}

impl Grid {
    /// All positions.
    pub(super) const WHOLE: Self = Self { first: [0; 2], step: [1; 2] };

    /// How many of the first `len` positions along an axis belong to it.
    pub(super) fn before(&self, axis: usize, len: usize) -> usize {
        len.saturating_sub(self.first[axis]).div_ceil(self.step[axis])
    }
}

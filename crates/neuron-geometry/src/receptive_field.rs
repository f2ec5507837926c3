use crate::PixelBox;

/// One sliding-window layer: a convolution or a pool, square and symmetric as in torchvision's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Side of the window.
    pub kernel: usize,
    /// Distance of neighbouring windows.
    pub stride: usize,
    /// Zeros (or, for a max-pool, nothing) added on each side.
    pub padding: usize,
}

impl Window {
    /// Number of windows along an axis of `len` positions; 0 where not even one fits.
    pub fn positions(&self, len: usize) -> usize {
        (len + 2 * self.padding).checked_sub(self.kernel).map_or(0, |room| room / self.stride + 1)
    }
}

/// The theoretical receptive field of a map's positions in the pixels of the network's input.
///
/// Position `i` of an axis sees the pixels `start_px + i * stride_px .. + size_px`. The recurrences are those of
/// Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceptiveField {
    /// Side of the field, in pixels.
    pub size_px: usize,
    /// Distance of the fields of neighbouring positions, in pixels.
    pub stride_px: usize,
    /// First pixel seen by position 0; negative where it reaches into the padding.
    pub start_px: i64,
}

impl ReceptiveField {
    /// A pixel sees itself.
    pub const INPUT: Self = Self { size_px: 1, stride_px: 1, start_px: 0 };

    /// The field after one more layer on top of this one.
    pub fn then(&self, window: Window) -> Self {
        Self {
            size_px: self.size_px + (window.kernel - 1) * self.stride_px,
            stride_px: self.stride_px * window.stride,
            start_px: self.start_px - (window.padding * self.stride_px) as i64,
        }
    }

    /// The smallest field that holds both, for branches that meet in an addition.
    ///
    /// Branches that meet have maps of one size, hence equal strides.
    pub fn union(&self, other: &Self) -> Self {
        debug_assert_eq!(self.stride_px, other.stride_px, "branches of one map have one stride");
        let end = |field: &Self| field.start_px + field.size_px as i64;
        let start_px = self.start_px.min(other.start_px);
        let size_px = (end(self).max(end(other)) - start_px) as usize;
        Self { size_px, stride_px: self.stride_px, start_px }
    }

    /// The pixels that position (`y`, `x`) of the map sees; may reach outside of the input.
    pub fn pixels_of(&self, y: usize, x: usize) -> PixelBox {
        let start = |i: usize| self.start_px + (i * self.stride_px) as i64;
        PixelBox { y: start(y), x: start(x), height: self.size_px, width: self.size_px }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_composes() {
        // The stem of a ResNet: 7x7/2 pad 3, then 3x3/2 pad 1.
        let field = ReceptiveField::INPUT.then(Window { kernel: 7, stride: 2, padding: 3 }).then(Window {
            kernel: 3,
            stride: 2,
            padding: 1,
        });
        assert_eq!(field, ReceptiveField { size_px: 11, stride_px: 4, start_px: -5 });
        assert_eq!(field.pixels_of(2, 1), PixelBox { y: 3, x: -1, height: 11, width: 11 });
    }

    #[test]
    fn a_union_holds_both_branches() {
        let narrow = ReceptiveField { size_px: 1, stride_px: 8, start_px: 0 };
        let wide = ReceptiveField { size_px: 19, stride_px: 8, start_px: -9 };
        assert_eq!(narrow.union(&wide), wide);
        assert_eq!(wide.union(&narrow), wide);
    }

    #[test]
    fn positions_counts_windows() {
        let pool = Window { kernel: 3, stride: 2, padding: 1 };
        assert_eq!(pool.positions(112), 56);
        assert_eq!(pool.positions(113), 57);
        assert_eq!(Window { kernel: 7, stride: 1, padding: 0 }.positions(6), 0);
    }
}

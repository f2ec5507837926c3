use crate::{PixelBox, Window};

/// The theoretical receptive field of a map's positions in the pixels of the network's input. Pairs are
/// `[vertical, horizontal]`.
///
/// Position `i` of an axis sees the pixels `start_px + i * stride_px .. + size_px`. The recurrences are those of
/// Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceptiveField {
    /// Height and width of the field, in pixels.
    pub size_px: [usize; 2],
    /// Distance of the fields of neighbouring positions, in pixels.
    pub stride_px: [usize; 2],
    /// First pixel seen by position 0; negative where it reaches into the padding.
    pub start_px: [i64; 2],
}

/// Wider than any image: what windows of a damaged file would lead to stays below it.
const MOST_PX: usize = 1 << 32;

impl ReceptiveField {
    /// A pixel sees itself.
    pub const INPUT: Self = Self::square(1, 1, 0);

    /// A field that is the same along both axes.
    pub const fn square(size_px: usize, stride_px: usize, start_px: i64) -> Self {
        Self { size_px: [size_px; 2], stride_px: [stride_px; 2], start_px: [start_px; 2] }
    }

    /// The field after one more layer on top of this one.
    pub fn then(&self, window: Window) -> Self {
        let Self { size_px, stride_px, start_px } = *self;
        let extent = window.extent();
        let wider = |axis: usize| (extent[axis] - 1).saturating_mul(stride_px[axis]).min(MOST_PX);
        let before = |axis: usize| window.padding[axis].saturating_mul(stride_px[axis]).min(MOST_PX) as i64;
        Self {
            size_px: pair(|axis| (size_px[axis] + wider(axis)).min(MOST_PX)),
            stride_px: pair(|axis| stride_px[axis].saturating_mul(window.stride[axis]).min(MOST_PX)),
            start_px: pair(|axis| (start_px[axis] - before(axis)).max(-(MOST_PX as i64))),
        }
    }

    /// The smallest field that holds both, for branches that meet in an addition.
    ///
    /// Branches that meet have maps of one size, hence equal strides; `None` where they differ, for no single field
    /// describes such a map.
    pub fn union(&self, other: &Self) -> Option<Self> {
        let end = |field: &Self, axis: usize| field.start_px[axis] + field.size_px[axis] as i64;
        let start_px = pair(|axis| self.start_px[axis].min(other.start_px[axis]));
        let size_px = pair(|axis| (end(self, axis).max(end(other, axis)) - start_px[axis]) as usize);
        let stride_px = self.stride_px;
        (stride_px == other.stride_px).then_some(Self { size_px, stride_px, start_px })
    }

    /// The pixels that position (`y`, `x`) of the map sees; may reach outside of the input.
    pub fn pixels_of(&self, y: usize, x: usize) -> PixelBox {
        let start = |axis: usize, i: usize| {
            self.start_px[axis] + i.saturating_mul(self.stride_px[axis]).min(MOST_PX) as i64
        };
        let [height, width] = self.size_px;
        PixelBox { y: start(0, y), x: start(1, x), height, width }
    }
}

fn pair<T>(along: impl FnMut(usize) -> T) -> [T; 2] {
    std::array::from_fn(along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_composes() {
        // The stem of a ResNet: 7x7/2 pad 3, then 3x3/2 pad 1.
        let field = ReceptiveField::INPUT.then(Window::square(7, 2, 3)).then(Window::square(3, 2, 1));
        assert_eq!(field, ReceptiveField::square(11, 4, -5));
        assert_eq!(field.pixels_of(2, 1), PixelBox { y: 3, x: -1, height: 11, width: 11 });
    }

    #[test]
    fn the_axes_are_apart() {
        let wide = Window { kernel: [1, 7], padding: [0, 3], stride: [1, 2], ..Window::square(1, 1, 0) };
        let field =
            ReceptiveField::INPUT.then(wide).then(Window { dilation: [2, 1], ..Window::square(3, 1, 1) });
        let expected = ReceptiveField { size_px: [5, 11], stride_px: [1, 2], start_px: [-1, -5] };
        assert_eq!(field, expected);
        assert_eq!(field.pixels_of(3, 2), PixelBox { y: 2, x: -1, height: 5, width: 11 });
    }

    #[test]
    fn a_union_holds_both_branches() {
        let narrow = ReceptiveField::square(1, 8, 0);
        let wide = ReceptiveField::square(19, 8, -9);
        assert_eq!(narrow.union(&wide), Some(wide));
        assert_eq!(wide.union(&narrow), Some(wide));
    }

    /// A damaged file may say anything of its windows.
    #[test]
    fn a_field_of_any_windows_is_some_field() {
        let wide =
            Window { kernel: [1 << 24; 2], dilation: [1 << 24; 2], ..Window::square(1, 1 << 24, 1 << 24) };
        let mut field = ReceptiveField::INPUT;
        for _ in 0..9 {
            field = field.then(wide);
        }
        assert_eq!(field.size_px, [MOST_PX; 2]);
        assert!(field.pixels_of(usize::MAX, 3).y <= MOST_PX as i64 && field.union(&field).is_some());
    }

    #[test]
    fn branches_of_different_strides_have_no_union() {
        let other = ReceptiveField { stride_px: [8, 4], ..ReceptiveField::square(1, 8, 0) };
        assert_eq!(ReceptiveField::square(1, 8, 0).union(&other), None);
    }
}

/// A sliding window: how a convolution or a pool goes over a map. Pairs are `[vertical, horizontal]`.
///
/// No kernel, stride or dilation may be 0.
///
/// ```
/// use neuron_geometry::Window;
///
/// let wide = Window { kernel: [1, 7], padding: [0, 3], ..Window::square(1, 1, 0) };
/// assert_eq!(wide.positions([17, 17]), [17, 17]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// Places of the window.
    pub kernel: [usize; 2],
    /// Distance of neighbouring windows.
    pub stride: [usize; 2],
    /// Zeros (or, for a max-pool, nothing) added on each side.
    pub padding: [usize; 2],
    /// Distance of neighbouring places of one window; 1 where they touch.
    pub dilation: [usize; 2],
    /// Whether a last window may hang over the border, as long as it begins inside of the map or of the padding
    /// before it. Pools only.
    pub ceil_mode: bool,
}

impl Window {
    /// A window that is the same along both axes, without dilation.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [1; 2],
            ceil_mode: false,
        }
    }

    /// Number of windows on a map of `size`; 0 along an axis where not even one fits.
    ///
    /// PyTorch's formula, as `Conv2d`, `MaxPool2d` and `AvgPool2d` state it.
    pub fn positions(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| self.positions_along(axis, size[axis]))
    }

    fn positions_along(&self, axis: usize, len: usize) -> usize {
        let (stride, padding) = (self.stride[axis], self.padding[axis]);
        let overhang = if self.ceil_mode { stride - 1 } else { 0 };
        let room = (len + 2 * padding + overhang).checked_sub(self.extent()[axis]);
        let count = room.map_or(0, |room| room / stride + 1);
        let begins_behind = self.ceil_mode && count > 0 && (count - 1) * stride >= len + padding;
        count - usize::from(begins_behind)
    }

    /// Height and width from the first to the last place, both included: `dilation * (kernel - 1) + 1`.
    pub fn extent(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.dilation[axis] * (self.kernel[axis] - 1) + 1)
    }

    /// Number of places, `kernel height * kernel width`.
    pub const fn places(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether the window is the same along both axes.
    pub fn is_square(&self) -> bool {
        let same = |[vertical, horizontal]: [usize; 2]| vertical == horizontal;
        same(self.kernel) && same(self.stride) && same(self.padding) && same(self.dilation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_counts_windows() {
        let pool = Window::square(3, 2, 1);
        assert_eq!(pool.positions([112, 113]), [56, 57]);
        assert_eq!(Window::square(7, 1, 0).positions([6, 7]), [0, 1]);
        let dilated = Window { dilation: [2, 3], ..Window::square(3, 1, 0) };
        assert_eq!((dilated.extent(), dilated.positions([7, 7])), ([5, 7], [3, 1]));
    }

    #[test]
    fn with_ceil_mode_the_last_window_may_hang_over_but_not_lie_behind() {
        let positions = |kernel, stride, len| {
            Window { ceil_mode: true, ..Window::square(kernel, stride, 0) }.positions([len; 2])[0]
        };
        // As torch's AvgPool2d(kernel, stride, ceil_mode=True).
        assert_eq!([positions(2, 2, 7), positions(2, 2, 8), positions(2, 2, 1)], [4, 4, 1]);
        assert_eq!([positions(3, 2, 6), positions(1, 2, 2), positions(2, 3, 4)], [3, 1, 2]);
        // GoogLeNet's MaxPool2d(3, stride=2, ceil_mode=True), and one with padding.
        assert_eq!(positions(3, 2, 112), 56);
        let padded = Window { ceil_mode: true, ..Window::square(2, 2, 1) };
        assert_eq!(padded.positions([4, 5]), [3, 3]);
    }
}

//! Which places of a kernel see a position, where windows are several positions apart.
use crate::grid::Grid;
use neuron_geometry::Window;
use std::array::from_fn;

/// The kernel's places along an axis that see the positions of one remainder.
///
/// `dilation * tap` leaves the remainder by the stride for every `period`th tap or, if the greatest common divisor of
/// dilation and stride does not divide the remainder, for none. From one such tap to the next the window moves by
/// `dilation * period / stride`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps {
    pub(super) remainder: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    first: usize,
    period: usize,
    pub(super) count: usize,
    /// Distance of the windows of neighbouring taps.
    pub(super) apart: usize,
}

impl Taps {
    pub(super) fn new(window: Window, axis: usize, remainder: usize) -> Self {
        let (kernel, stride, dilation) = (window.kernel[axis], window.stride[axis], window.dilation[axis]);
        let period = (1..stride).find(|period| (dilation * period).is_multiple_of(stride)).unwrap_or(stride);
        let first = (0..period.min(kernel)).find(|tap| dilation * tap % stride == remainder);
        Self {
            remainder,
            stride,
            padding: window.padding[axis],
            dilation,
            first: first.unwrap_or(0),
            period,
            count: first.map_or(0, |first| (kernel - first).div_ceil(period)),
            apart: dilation * period / stride,
        }
    }

    /// The tap of the `index`th window: windows in ascending order are taps in descending order.
    pub(super) fn of_window(&self, index: usize) -> usize {
        self.first + self.period * (self.count - 1 - index)
    }

    /// The first window that sees position `at`, which leaves the remainder; may lie before the first.
    pub(super) fn first_window(&self, at: usize) -> isize {
        let seen_by_first_tap = (at + self.padding) as isize - (self.dilation * self.first) as isize;
        seen_by_first_tap / self.stride as isize - (self.apart * self.count.saturating_sub(1)) as isize
    }

    /// The first position of those that leave the remainder.
    pub(super) fn first_position(&self) -> usize {
        (self.remainder + self.stride - self.padding % self.stride) % self.stride
    }
}

/// The positions that leave two remainders, and the window that sees the first of them.
pub(super) fn grid(taps: [Taps; 2]) -> (Grid, [isize; 2]) {
    let first = taps.map(|taps| taps.first_position());
    let origin = from_fn(|axis| taps[axis].first_window(first[axis]));
    (Grid { first, step: taps.map(|taps| taps.stride) }, origin)
}

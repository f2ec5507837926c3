//! Pools over windows.
use crate::reduce::reduce_mean;
use crate::shape::View;
use neuron_geometry::Window;
use std::ops::Range;

mod adaptive;
mod average;
mod max;

pub use adaptive::AdaptiveAveragePool;
pub use average::{AveragePool, Divisor};
pub use max::MaxPool;

/// A window that a pool cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedPool {
    /// A kernel, stride or dilation is 0.
    #[error("a pool of kernel {:?}, stride {:?} and dilation {:?}: none of them may be 0", .0.kernel, .0.stride, .0.dilation)]
    Degenerate(Window),
    /// Whole windows would lie in the padding.
    #[error("a pool over {:?} places with {:?} of padding: the padding must be less than the window", .0.kernel, .0.padding)]
    TooMuchPadding(Window),
    /// The place of a maximum is kept in one byte.
    #[error(
        "a max-pool over {:?} places: more than 256 cannot be told apart; use two pools, first over \
         rows ({} x 1), then over columns (1 x {}), which have the same maxima", .0.kernel, .0.kernel[0], .0.kernel[1]
    )]
    TooManyPlaces(Window),
    /// An average pool whose places lie apart.
    #[error("an average pool of dilation {:?}: only 1 is supported; a convolution by equal weights does the same", .0.dilation)]
    DilatedAverage(Window),
}

/// What every pool asks of its window.
fn check(window: Window) -> Result<(), UnsupportedPool> {
    let Window { kernel, stride, dilation, padding, .. } = window;
    if [kernel, stride, dilation].iter().flatten().any(|value| *value == 0) {
        return Err(UnsupportedPool::Degenerate(window));
    }
    let extent = window.extent();
    if (0..2).any(|axis| padding[axis] >= extent[axis]) {
        return Err(UnsupportedPool::TooMuchPadding(window));
    }
    Ok(())
}

/// The places of a window along one axis that lie inside of the map.
#[derive(Clone, Debug)]
struct Places {
    places: Range<usize>,
    dilation: usize,
    /// Where the window begins, counted from `padding` before the map on.
    start: usize,
    padding: usize,
}

impl Places {
    /// Those of window `index` of an axis of `len` positions.
    fn inside(window: &Window, axis: usize, index: usize, len: usize) -> Self {
        let (kernel, padding, dilation) = (window.kernel[axis], window.padding[axis], window.dilation[axis]);
        let start = index * window.stride[axis];
        // The first place that does not lie before `end`. Hardly any pool has a dilation, and a division a window is
        // as much as the maxima of a few channels.
        let first_from = |end: usize| {
            let steps = end.saturating_sub(start);
            if dilation == 1 { steps.min(kernel) } else { steps.div_ceil(dilation).min(kernel) }
        };
        Self { places: first_from(padding)..first_from(padding + len), dilation, start, padding }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// Each place and its position in the map.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { dilation, start, padding, .. } = *self;
        self.places.clone().map(move |place| (place, start + place * dilation - padding))
    }

    /// The place that lies at position `at` of the map, if one does.
    fn at(&self, at: usize) -> Option<usize> {
        let steps = (at + self.padding).checked_sub(self.start)?;
        let place = steps / self.dilation;
        (steps.is_multiple_of(self.dilation) && self.places.contains(&place)).then_some(place)
    }
}

/// The windows of a line of outputs, one after the other.
struct Line<'a> {
    window: &'a Window,
    width: usize,
    channels: usize,
    rows: Places,
    /// Where the item's map begins in the data.
    start: usize,
    /// The places of the window that was asked for last, from its first on; windows inside of the map have the same.
    columns: Option<Range<usize>>,
    places: Vec<usize>,
    numbered: Vec<(usize, u8)>,
}

impl<'a> Line<'a> {
    fn new(window: &'a Window, input: &View<'_>, item: usize, y: usize) -> Self {
        Self {
            window,
            width: input.width,
            channels: input.channels,
            rows: Places::inside(window, 0, y, input.height),
            start: item * input.item_len(),
            columns: None,
            places: Vec::new(),
            numbered: Vec::new(),
        }
    }

    /// The places of window `x` along the line that lie inside of the map.
    fn columns(&self, x: usize) -> Places {
        Places::inside(self.window, 1, x, self.width)
    }

    /// Where the pixels of window `x` that lie inside of the map begin, row by row: the first, and how far from it they are.
    fn places(&mut self, x: usize) -> (usize, &[usize]) {
        let columns = self.columns(x);
        if self.columns.as_ref() != Some(&columns.places) {
            self.columns = Some(columns.places.clone());
            self.places.clear();
            self.numbered.clear();
            let first = self.first(&columns);
            for (row, y) in self.rows.positions() {
                for (column, x) in columns.positions() {
                    let place = (y * self.width + x) * self.channels - first;
                    self.places.push(place);
                    self.numbered.push((place, (row * self.window.kernel[1] + column) as u8));
                }
            }
        }
        (self.start + self.first(&columns), &self.places)
    }

    /// As [`Line::places`], with the number of each in the window.
    fn numbered_places(&mut self, x: usize) -> (usize, &[(usize, u8)]) {
        let (from, _) = self.places(x);
        (from, &self.numbered)
    }

    /// Where the first pixel begins in the map; 0 if there is none.
    fn first(&self, columns: &Places) -> usize {
        let (row, column) = (self.rows.positions().next(), columns.positions().next());
        row.zip(column).map_or(0, |((_, y), (_, x))| (y * self.width + x) * self.channels)
    }
}

/// The windows of an axis that may hold position `at`: all that do, and for a dilated one some that do not.
fn windows_over(window: &Window, axis: usize, at: usize, positions: usize) -> Range<usize> {
    let padded = at + window.padding[axis];
    let first = (padded + 1).saturating_sub(window.extent()[axis]).div_ceil(window.stride[axis]);
    first..(padded / window.stride[axis] + 1).min(positions)
}

/// The channels of a position of an item's map.
fn pixel<'a>(input: &View<'a>, item: usize, y: usize, x: usize) -> &'a [f32] {
    let View { height, width, channels, data, .. } = *input;
    &data[((item * height + y) * width + x) * channels..][..channels]
}

/// The mean of every map.
///
/// # Shapes
/// * `output`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn global_average_pool(input: View<'_>, output: &mut [f32]) {
    reduce_mean(input, output);
}

/// What both pools are tested against.
#[cfg(test)]
mod definition {
    use super::Window;
    use proptest::prelude::*;

    /// The places of each window that lie inside of the map, as (place in the window, index of its pixel in the batch).
    pub(super) fn windows(window: Window, [batch, height, width]: [usize; 3]) -> Vec<Vec<(usize, usize)>> {
        let [rows, columns] = window.positions([height, width]);
        let inside = |axis: usize, at: usize, place: usize, len: usize| {
            let at = at * window.stride[axis] + place * window.dilation[axis];
            at.checked_sub(window.padding[axis]).filter(|at| *at < len)
        };
        let mut all = Vec::new();
        for (item, at) in (0..batch).flat_map(|item| (0..rows * columns).map(move |at| (item, at))) {
            let places = (0..window.places()).filter_map(|place| {
                let y = inside(0, at / columns, place / window.kernel[1], height)?;
                let x = inside(1, at % columns, place % window.kernel[1], width)?;
                Some((place, (item * height + y) * width + x))
            });
            all.push(places.collect());
        }
        all
    }

    fn pair(range: std::ops::Range<usize>) -> impl Strategy<Value = [usize; 2]> {
        (range.clone(), range).prop_map(|(vertical, horizontal)| [vertical, horizontal])
    }

    /// Any window of up to 4 x 4 places.
    pub(super) fn any_window() -> impl Strategy<Value = Window> {
        (pair(1..5), pair(1..5), pair(0..3), pair(1..3), any::<bool>()).prop_map(
            |(kernel, stride, padding, dilation, ceil_mode)| Window {
                kernel,
                stride,
                padding,
                dilation,
                ceil_mode,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_no_pool_can_have_are_refused() {
        let window = Window::square(3, 1, 0);
        let max = |window| MaxPool::new(window).err();
        let degenerate = Window { stride: [1, 0], ..window };
        assert_eq!(max(degenerate), Some(UnsupportedPool::Degenerate(degenerate)));
        let padded = Window { padding: [3, 1], ..window };
        assert_eq!(max(padded), Some(UnsupportedPool::TooMuchPadding(padded)));
        assert_eq!(max(Window { padding: [3, 1], dilation: [2, 1], ..window }), None);
        let dilated = Window { dilation: [1, 2], ..window };
        let average = AveragePool::new(dilated, Divisor::Inside).err();
        assert_eq!(average, Some(UnsupportedPool::DilatedAverage(dilated)));
    }

    #[test]
    fn a_maximum_has_a_place_that_fits_a_byte() {
        assert!(MaxPool::new(Window::square(16, 1, 0)).is_ok());
        let large = Window { kernel: [16, 17], ..Window::square(1, 1, 0) };
        let error = MaxPool::new(large).map_err(|error| error.to_string());
        let text = "a max-pool over [16, 17] places: more than 256 cannot be told apart; use two pools, first over \
                    rows (16 x 1), then over columns (1 x 17), which have the same maxima";
        assert_eq!(error, Err(text.to_owned()));
    }
}

//! How a convolution's windows are read by instructions that want rows at one distance.
//!
//! The lines that a band of output lines sees are copied once, padded, such that the windows of all its positions lie at
//! one distance and each of their rows without a gap. With a vertical stride `s`, lines that are seen by the same kernel
//! row lie together: `s` planes. A line is longer than its positions, by as much as its last window reaches into the
//! next: the sums there are computed and dropped.
use super::map::Map;
use super::number::Terms;
use super::packed::STEP;
use super::task::{Items, Run};
use neuron_geometry::Window;
use std::ops::Range;

/// Numbers behind the last line that may be read: steps are whole.
const SLACK: usize = 2 * STEP;

/// The depth of a block of channels, in the order in which its products are added up.
#[derive(Clone, Debug)]
pub(super) struct Depth {
    window: Window,
    /// Channels of the maps, and of a block.
    channels: usize,
    block: usize,
    terms: Terms,
}

impl Depth {
    pub(super) fn new(window: Window, channels: usize, block: usize, terms: Terms) -> Self {
        Self { window, channels, block, terms }
    }

    /// Whether the second terms lie in planes of their own; else behind the first ones of each position.
    fn is_planar(&self) -> bool {
        self.terms == Terms::Two && !self.channels.is_multiple_of(STEP)
    }

    /// Whether a kernel row is read without a gap; else each of its places is a run.
    fn is_by_row(&self) -> bool {
        let gapless = self.terms == Terms::One || self.is_planar();
        gapless && self.block == self.channels && self.window.dilation[1] == 1
    }

    /// Length of a run in products, and how many there are.
    fn runs(&self) -> (usize, usize) {
        let [height, width] = self.window.kernel;
        if self.is_by_row() { (width * self.channels, height) } else { (self.block, height * width) }
    }

    /// The steps that a place of the kernel meets, if they are its alone.
    pub(super) fn steps_of(&self, [row, column]: [usize; 2]) -> Option<Range<usize>> {
        let steps = self.block / STEP;
        let index = row * self.window.kernel[1] + column;
        self.block.is_multiple_of(STEP).then(|| index * steps..(index + 1) * steps)
    }

    /// Steps of all runs.
    pub(super) fn steps(&self) -> usize {
        let (len, count) = self.runs();
        count * len.div_ceil(STEP)
    }

    /// Kernel row, kernel column and channel of the block at a depth; `None` if nothing lies there.
    pub(super) fn place(&self, depth: usize) -> Option<([usize; 2], usize)> {
        let (len, _) = self.runs();
        let padded = len.next_multiple_of(STEP);
        let (run, at) = (depth / padded, depth % padded);
        if at >= len {
            return None;
        }
        let width = self.window.kernel[1];
        Some(if self.is_by_row() {
            ([run, at / self.channels], at % self.channels)
        } else {
            ([run / width, run % width], at)
        })
    }
}

/// The copied lines of some output lines.
#[derive(Clone, Debug)]
pub(super) struct Band {
    depth: Depth,
    /// Output lines.
    lines: usize,
    /// Output positions of a line, and with those that are dropped.
    pub(super) kept: usize,
    pub(super) line: usize,
    /// Lines of each plane.
    plane_lines: usize,
}

impl Band {
    /// For `lines` output lines of `columns` positions.
    pub(super) fn new(depth: &Depth, lines: usize, columns: usize) -> Self {
        let Window { kernel, stride, dilation, .. } = depth.window;
        let reach = |axis: usize| ((kernel[axis] - 1) * dilation[axis] + 1).saturating_sub(stride[axis]);
        let plane_lines = lines + ((kernel[0] - 1) * dilation[0]) / stride[0];
        let line = columns + reach(1).div_ceil(stride[1]);
        Self { depth: depth.clone(), lines, kept: columns, line, plane_lines }
    }

    /// Rows of the product: every position, and what is dropped between.
    pub(super) fn rows(&self) -> usize {
        (self.lines - 1) * self.line + self.kept
    }

    /// Numbers of a copied position.
    fn pixel(&self) -> usize {
        let terms = if self.depth.is_planar() { 1 } else { self.depth.terms.count() };
        terms * self.depth.channels
    }

    /// Numbers from a row to the next.
    fn pitch(&self) -> usize {
        self.depth.window.stride[1] * self.pixel()
    }

    fn line_len(&self) -> usize {
        self.line * self.pitch()
    }

    /// Planes that a kernel row may lie in.
    fn planes(&self) -> usize {
        let Window { kernel, stride, dilation, .. } = self.depth.window;
        stride[0].min((kernel[0] - 1) * dilation[0] + 1)
    }

    /// Numbers of the first terms' planes.
    fn term_len(&self) -> usize {
        self.copied_lines() * self.line_len()
    }

    /// Numbers of all planes.
    fn planes_len(&self) -> usize {
        self.term_len() * if self.depth.is_planar() { 2 } else { 1 }
    }

    /// Numbers of a copy of so many items.
    pub(super) fn len(&self, items: usize) -> usize {
        items * self.planes_len() + SLACK
    }

    /// The items of a copy, and rows and positions from each to the next.
    pub(super) fn items(&self, count: usize) -> Items {
        Items { count, rows: self.planes_len() / self.pitch(), positions: self.lines * self.kept }
    }

    /// How far the second terms lie behind the first.
    fn low(&self) -> usize {
        if self.depth.is_planar() { self.term_len() } else { self.depth.channels }
    }

    /// Copies what the output lines from `first` on see of an item.
    pub(super) fn copy(&self, input: &Map<'_>, item: usize, first: usize, to: &mut [u16]) {
        let (to, slack) = to.split_at_mut(self.planes_len());
        slack.fill(0);
        self.copy_planes(input, item, first, to);
    }

    /// As [`Band::copy`], all items one behind the other.
    pub(super) fn copy_items(&self, input: &Map<'_>, to: &mut [u16]) {
        let (items, slack) = to.split_at_mut(to.len() - SLACK);
        slack.fill(0);
        if self.depth.is_planar() {
            // A line has two places there, one in the planes of each term.
            neuron_threads::for_each(items.chunks_exact_mut(self.planes_len()), |item, to| {
                self.copy_planes(input, item, 0, to);
            });
        } else {
            neuron_threads::for_each(items.chunks_exact_mut(self.line_len()), |index, to| {
                let (item, index) = (index / self.copied_lines(), index % self.copied_lines());
                self.copy_line(input, self.seen(input, item, 0, index), to);
            });
        }
    }

    fn copy_planes(&self, input: &Map<'_>, item: usize, first: usize, to: &mut [u16]) {
        for index in 0..self.copied_lines() {
            let seen = self.seen(input, item, first, index);
            let place = index * self.line_len()..(index + 1) * self.line_len();
            if self.depth.is_planar() {
                let (high, low) = to.split_at_mut(self.term_len());
                self.copy_line_apart(input, seen, [&mut high[place.clone()], &mut low[place]]);
            } else {
                self.copy_line(input, seen, &mut to[place]);
            }
        }
    }

    /// Lines of all planes.
    fn copied_lines(&self) -> usize {
        self.planes() * self.plane_lines
    }

    /// The first position of the input line that a copied one shows; `None` if it is padding.
    fn seen(&self, input: &Map<'_>, item: usize, first: usize, index: usize) -> Option<usize> {
        let Window { stride, padding, .. } = self.depth.window;
        let [_, height, width, _] = input.sizes();
        let (plane, line) = (index / self.plane_lines, first + index % self.plane_lines);
        let line = (line * stride[0] + plane).checked_sub(padding[0])?;
        (line < height).then(|| (item * height + line) * width)
    }

    fn copy_line(&self, input: &Map<'_>, seen: Option<usize>, to: &mut [u16]) {
        let inside = self.inside(input, seen, to);
        if let Some(seen) = seen {
            input.copy(seen, inside);
        }
    }

    /// As [`Band::copy_line`], the terms apart.
    fn copy_line_apart(&self, input: &Map<'_>, seen: Option<usize>, to: [&mut [u16]; 2]) {
        let inside = to.map(|term| self.inside(input, seen, term));
        if let Some(seen) = seen {
            input.copy_apart(seen, inside);
        }
    }

    /// The part of a copied line that shows the one that is seen, if there is one; the rest becomes zeros.
    fn inside<'a>(&self, input: &Map<'_>, seen: Option<usize>, to: &'a mut [u16]) -> &'a mut [u16] {
        let ([_, _, width, _], padding) = (input.sizes(), self.depth.window.padding[1]);
        let shown = (self.line * self.depth.window.stride[1]).saturating_sub(padding).min(width);
        let shown = if seen.is_some() { shown } else { 0 };
        let (before, rest) = to.split_at_mut((padding * self.pixel()).min(to.len()));
        let (inside, after) = rest.split_at_mut(shown * self.pixel());
        before.fill(0);
        after.fill(0);
        inside
    }

    /// The runs of a block of channels in the copy.
    pub(super) fn runs(&self, copy: &[u16], first_channel: usize) -> Vec<Run> {
        assert!(copy.len() >= self.len(1), "the copy of a band");
        let Window { kernel: [height, width], stride, dilation, .. } = self.depth.window;
        let (len, _) = self.depth.runs();
        let columns = if self.depth.is_by_row() { 1 } else { width };
        let places = (0..height).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let (steps, low, pitch) = (len.div_ceil(STEP), self.low(), self.pitch());
        let run = |(index, (row, column)): (usize, (usize, usize))| {
            let (plane, line) = (row * dilation[0] % stride[0], row * dilation[0] / stride[0]);
            let start = (plane * self.plane_lines + line) * self.line_len();
            let start = start + column * dilation[1] * self.pixel() + first_channel;
            let (start, steps) = (copy[start..].as_ptr(), index * steps..(index + 1) * steps);
            Run { start, steps, depth: len, low, pitch }
        };
        places.enumerate().map(run).collect()
    }
}

//! How a convolution of bf16 numbers is cut into tasks, and how each of them reads its rows.
use super::bands::Band;
use super::engine::Engine;
use super::frozen::Frozen;
use super::map::{Bf16View, Map};
use super::number::Terms;
use super::packed::{PANEL, STEP};
use super::rounding::round_into;
use super::task::{Items, Run, Sink, TILE, Task};
use crate::microkernel::{FullEpilogue, Isa, RowsInPlace, apply_to_rows, share, with_scratch};
use crate::shape::View;
use neuron_geometry::Window;
use std::ops::Range;

/// Rows a task at most: they stay in the second-level cache.
const ROWS: usize = 512;
/// Weights that stay in the second-level cache beside an item.
const MOST_STREAMED: usize = 1 << 20;
/// A copy of all items that stays in the second-level cache beside a panel's weights.
const MOST_COPIED: usize = 1 << 20;
/// Tasks a thread, where there is enough to do.
pub(super) const TASKS_A_THREAD: usize = 4;

/// The start of an output that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(super) struct Start<T>(pub(super) *mut T);

// SAFETY: tasks write other rows or other columns.
unsafe impl<T> Sync for Start<T> {}

/// A convolution of some maps.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) weights: &'a Frozen,
    pub(super) engine: Engine,
    pub(super) input: Map<'a>,
    /// A second map of numbers, whose channels follow those of the input; a pointwise convolution may have one.
    pub(super) beside: Option<Bf16View<'a>>,
    /// What is added; it may be `rounded`.
    pub(super) residual: Option<Start<u16>>,
    pub(super) relu: bool,
    pub(super) rounded: Option<Start<u16>>,
    pub(super) full: Option<Start<f32>>,
    /// What the values in `full` go through once a task has written them.
    pub(super) then: Option<(&'a Isa, &'a FullEpilogue<'a>)>,
    /// Height and width of the output.
    pub(super) positions: [usize; 2],
}

/// The part of the product that a task computes.
pub(super) struct Part<'a> {
    runs: &'a [Run],
    rows: usize,
    items: Items,
    /// Rows of an output line, kept ones, the first position, and from a line to the next.
    line: usize,
    kept: usize,
    position: usize,
    line_step: usize,
    block: usize,
    panels: Range<usize>,
}

impl<'a> Pass<'a> {
    /// Of one map, to nowhere yet.
    pub(super) fn new(weights: &'a Frozen, engine: Engine, input: Map<'a>) -> Self {
        let [_, height, width, _] = input.sizes();
        Self {
            weights,
            engine,
            input,
            beside: None,
            residual: None,
            relu: false,
            rounded: None,
            full: None,
            then: None,
            positions: weights.geometry.positions([height, width]),
        }
    }
}

impl Pass<'_> {
    /// Computes all tasks, however rows are best read.
    pub(super) fn run(&self) {
        let [batch, ..] = self.input.sizes();
        let by_position = self.weights.runs_by_position(batch, self.positions[0] * self.positions[1]);
        match &self.input {
            input if !by_position && self.is_copied_once() => self.by_items(input),
            Map::Values(values) if by_position || self.band_parts()[1] > 1 => self.run_split(values),
            Map::Numbers(input) if self.weights.reads_in_place() => self.in_place(input),
            Map::Numbers(input) if by_position => self.by_position(input),
            _ => self.by_bands(),
        }
    }

    /// Splits all values first: several tasks read the same ones.
    fn run_split(&self, values: &View<'_>) {
        let View { batch, height, width, channels, data } = *values;
        let terms = Terms::Two;
        with_scratch(terms.count() * data.len(), |numbers: &mut [u16]| {
            round_into(data, channels, terms, numbers);
            let input = Map::Numbers(Bf16View { batch, height, width, channels, terms, data: numbers });
            // What lives as long as the copy is the pass alone.
            Pass { input, ..*self }.run();
        });
    }

    /// Tasks of rows and panels of a pointwise convolution.
    fn in_place(&self, input: &Bf16View<'_>) {
        let Frozen { inputs, blocks, .. } = self.weights;
        let rows = input.batch * self.positions[0] * self.positions[1];
        // The depth of a block that the input itself has.
        let own = inputs - self.beside.map_or(0, |beside| beside.channels);
        let (row_parts, panel_parts) = self.partition(rows, 1);
        neuron_threads::run(blocks.len() * row_parts * panel_parts, |task| {
            let (block, task) = (task / (row_parts * panel_parts), task % (row_parts * panel_parts));
            let rows = share(rows, task / panel_parts, row_parts);
            let run = |map: &Bf16View<'_>, channel: usize, depths: Range<usize>| {
                let (low, pitch, depth) = (map.channels, map.pixel(), depths.len());
                let start = map.data[rows.start * pitch + channel..].as_ptr();
                Run { start, steps: depths.start / STEP..depths.end / STEP, depth, low, pitch }
            };
            let first = run(input, block * inputs, 0..own);
            let second = self.beside.map(|beside| run(&beside, 0, own..*inputs));
            let runs = [first.clone(), second.clone().unwrap_or(first)];
            let part = Part {
                runs: &runs[..1 + usize::from(second.is_some())],
                rows: rows.len(),
                items: Items::ONE,
                line: rows.len(),
                kept: rows.len(),
                position: rows.start,
                line_step: 0,
                block,
                panels: share(self.weights.panels(), task % panel_parts, panel_parts),
            };
            // SAFETY: the rows lie in the input, whose length was checked, and tasks have other rows or panels.
            unsafe { self.compute(&part) }
        });
    }

    /// Whether there are few rows for many weights: what all of them see is copied once, and read by all tasks.
    fn is_copied_once(&self) -> bool {
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let copied = size_of::<u16>() * Band::new(&self.weights.depth, lines, columns).len(batch);
        let in_place = self.weights.reads_in_place() && matches!(self.input, Map::Numbers(_));
        !in_place && self.band_parts()[1] > 1 && copied <= MOST_COPIED
    }

    /// Tasks of panels, each of all items.
    fn by_items(&self, input: &Map<'_>) {
        let Frozen { depth, inputs, blocks, .. } = self.weights;
        let ([lines, columns], [batch, ..]) = (self.positions, input.sizes());
        let band = Band::new(depth, lines, columns);
        with_scratch(band.len(batch), |copy: &mut [u16]| {
            band.copy_items(input, copy);
            let copy = &*copy;
            let panel_parts = (TASKS_A_THREAD * neuron_threads::threads()).min(self.weights.panels());
            neuron_threads::run(blocks.len() * panel_parts, |task| {
                let (block, panel_part) = (task / panel_parts, task % panel_parts);
                let runs = band.runs(copy, block * inputs);
                let part = Part {
                    items: band.items(batch),
                    panels: share(self.weights.panels(), panel_part, panel_parts),
                    ..self.banded(&band, &runs, block)
                };
                // SAFETY: the rows lie in the copy, and tasks have other panels.
                unsafe { self.compute(&part) }
            });
        });
    }

    /// Tasks of lines and panels, of which each copies what its lines see.
    fn by_bands(&self) {
        let Frozen { depth, inputs, blocks, .. } = self.weights;
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let [band_parts, panel_parts] = self.band_parts();
        let tasks = batch * band_parts * panel_parts;
        neuron_threads::run(tasks, |task| {
            // Tasks of the same panels follow one another.
            let (panel_part, task) = (task / (batch * band_parts), task % (batch * band_parts));
            let (item, lines) = (task / band_parts, share(lines, task % band_parts, band_parts));
            let band = Band::new(depth, lines.len(), columns);
            with_scratch(band.len(1), |copy: &mut [u16]| {
                band.copy(&self.input, item, lines.start, copy);
                for block in 0..blocks.len() {
                    let runs = band.runs(copy, block * inputs);
                    let part = Part {
                        position: (item * self.positions[0] + lines.start) * columns,
                        panels: share(self.weights.panels(), panel_part, panel_parts),
                        ..self.banded(&band, &runs, block)
                    };
                    // SAFETY: the rows lie in the copy, and tasks have other lines or panels.
                    unsafe { self.compute(&part) }
                }
            });
        });
    }

    /// All panels of a block, for the rows of a band from position 0 on.
    pub(super) fn banded<'r>(&self, band: &Band, runs: &'r [Run], block: usize) -> Part<'r> {
        Part {
            runs,
            rows: band.rows(),
            items: Items::ONE,
            line: band.line,
            kept: band.kept,
            position: 0,
            line_step: band.kept,
            block,
            panels: 0..self.weights.panels(),
        }
    }

    /// Shares of the lines of an item, and of the panels.
    fn band_parts(&self) -> [usize; 2] {
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let line = Band::new(&self.weights.depth, 1, columns).line;
        let (band_parts, panel_parts) = self.partition(lines * line, batch);
        // Every item streams all weights that do not stay in cache from one to the next.
        let streamed = if batch > 1 { self.weights.bytes().div_ceil(MOST_STREAMED) } else { 1 };
        [band_parts.min(lines), panel_parts.max(streamed.min(self.weights.panels()))]
    }

    /// Tasks of a position, items and panels.
    fn by_position(&self, input: &Bf16View<'_>) {
        let Frozen { depth, inputs, blocks, geometry, .. } = self.weights;
        let Window { kernel, stride, padding, dilation, .. } = geometry.window;
        let [lines, columns] = self.positions;
        let (pixel, size) = (input.pixel(), [input.height, input.width]);
        let (item_parts, panel_parts) = self.partition(input.batch, lines * columns * blocks.len());
        let parts = item_parts * panel_parts;
        neuron_threads::run(lines * columns * blocks.len() * parts, |task| {
            let (position, block) = (task / parts / blocks.len(), task / parts % blocks.len());
            let items = share(input.batch, task % parts / panel_parts, item_parts);
            let seen = |axis: usize, place: usize| {
                let at =
                    [position / columns, position % columns][axis] * stride[axis] + place * dilation[axis];
                at.checked_sub(padding[axis]).filter(|at| *at < size[axis])
            };
            let places = (0..kernel[0]).flat_map(|row| (0..kernel[1]).map(move |column| [row, column]));
            let run = |place: [usize; 2]| {
                let (y, x) = (seen(0, place[0])?, seen(1, place[1])?);
                let start = ((items.start * size[0] + y) * size[1] + x) * pixel + block * inputs;
                let start = input.data[start..].as_ptr();
                let (low, pitch) = (input.channels, size[0] * size[1] * pixel);
                Some(Run { start, steps: depth.steps_of(place)?, depth: *inputs, low, pitch })
            };
            let runs: Vec<Run> = places.filter_map(run).collect();
            let part = Part {
                runs: &runs,
                rows: items.len(),
                items: Items::ONE,
                line: 1,
                kept: 1,
                position: items.start * lines * columns + position,
                line_step: lines * columns,
                block,
                panels: share(self.weights.panels(), task % panel_parts, panel_parts),
            };
            // SAFETY: the items lie in the input, whose length was checked; tasks have other positions, items or panels.
            unsafe { self.compute(&part) }
        });
    }

    /// Shares of the rows of an item and of the panels, so that every thread gets several tasks.
    fn partition(&self, rows: usize, items: usize) -> (usize, usize) {
        let threads = neuron_threads::threads();
        let wanted = if threads == 1 { 1 } else { TASKS_A_THREAD * threads };
        let panels = self.weights.panels();
        let mut row_parts = rows.div_ceil(ROWS);
        let missing = |row_parts: usize| wanted.div_ceil(items * row_parts);
        // Where there are more weights than rows, tasks that share rows stream less.
        let mut panel_parts = 1;
        if rows * items < self.weights.outputs {
            panel_parts = missing(row_parts).min(panels);
        }
        row_parts *= missing(row_parts * panel_parts).min(rows.div_ceil(2 * TILE)).max(1);
        if panel_parts == 1 {
            panel_parts = missing(row_parts).min(panels);
        }
        (row_parts.min(rows), panel_parts)
    }

    /// # Safety
    /// The runs must be readable for all rows, and no other task may have these positions and panels.
    pub(super) unsafe fn compute(&self, part: &Part<'_>) {
        let Frozen { geometry, terms, outputs, .. } = *self.weights;
        let (weights, bias) = &self.weights.blocks[part.block];
        let sink = Sink {
            line: part.line,
            kept: part.kept,
            position: part.position,
            line_step: part.line_step,
            channels: geometry.out_channels,
            first: part.block * outputs,
            columns: outputs,
            terms,
            relu: self.relu,
            residual: self.residual.map(|start| start.0.cast_const()),
            rounded: self.rounded.map(|start| start.0),
            full: self.full.map(|start| start.0),
        };
        let Part { runs, rows, items, .. } = *part;
        let panels = part.panels.clone();
        let task = Task { runs, rows, items, weights, panels, bias, sink };
        // SAFETY: the caller's promise; the engine is one that this machine has.
        unsafe {
            self.engine.compute(&task);
            if let (Some(then), Some(full)) = (self.then, self.full) {
                apply(then, part, [part.block * outputs, outputs], geometry.out_channels, full);
            }
        }
    }
}

/// What follows the values of a part, whose block has `columns` from the `first` on.
///
/// # Safety
/// No other task may have the part's positions and panels.
unsafe fn apply(
    (isa, then): (&Isa, &FullEpilogue<'_>),
    part: &Part<'_>,
    [first, columns]: [usize; 2],
    channels: usize,
    Start(output): Start<f32>,
) {
    let Range { start, end } = part.panels;
    let (start, end) = (start * PANEL, (end * PANEL).min(columns));
    let lines = part.rows.div_ceil(part.line);
    for (item, line) in (0..part.items.count).flat_map(|item| (0..lines).map(move |line| (item, line))) {
        let count = part.kept.min(part.rows - line * part.line);
        let column = first + start;
        let position = part.position + item * part.items.positions + line * part.line_step;
        let at = position * channels + column;
        let rows = RowsInPlace {
            start: output.wrapping_add(at),
            column,
            at,
            count,
            pitch: channels,
            len: end - start,
        };
        // SAFETY: the caller's promise; the slices were checked against the output.
        unsafe { apply_to_rows(isa, then, &rows) };
    }
}

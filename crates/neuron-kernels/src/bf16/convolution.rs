use super::bands::{Band, Depth};
use super::engine::{Engine, detected};
use super::map::{Bf16View, Map};
use super::number::{self, Terms, round_into};
use super::packed::{PANEL, Packed, STEP};
use super::task::{Run, Sink, TILE, Task};
use crate::microkernel::{Buffer, FullEpilogue, Isa, RowsInPlace, apply_to_rows, share, with_scratch};
use crate::shape::{ConvGeometry, View};
use neuron_geometry::Window;
use std::ops::Range;

/// Rows a task at most: they stay in the second-level cache.
const ROWS: usize = 512;
/// Maps of up to this many positions run position by position, if there are at least so many items.
const SMALL: usize = 64;
const MANY: usize = 32;
/// Weights that stay in the second-level cache beside an item.
const MOST_STREAMED: usize = 1 << 20;
/// Tasks a thread, where there is enough to do.
const TASKS_A_THREAD: usize = 4;

/// A convolution on frozen weights of bf16 numbers.
#[derive(Debug)]
pub struct Bf16Convolution {
    geometry: ConvGeometry,
    terms: Terms,
    depth: Depth,
    /// One matrix a block of channels, and the biases of its panels, which begin at cache lines: tiles are loaded with them.
    blocks: Vec<(Packed, Buffer)>,
    inputs: usize,
    outputs: usize,
}

/// What happens to the sums: `relu?(conv + bias + residual?)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bf16Epilogue<'a> {
    /// What is added to the sums.
    pub residual: Option<Bf16Residual<'a>>,
    /// Whether negative values become 0 (NaN stays NaN).
    pub relu: bool,
}

/// A value that is added.
#[derive(Clone, Copy, Debug)]
pub enum Bf16Residual<'a> {
    /// Laid out like the rounded output.
    Map(&'a [u16]),
    /// What the rounded output holds, and loses.
    Output,
}

/// Where values go; both may be wanted.
#[derive(Debug, Default)]
pub struct Bf16Output<'a> {
    /// `[batch, positions, terms, out_channels]`
    pub rounded: Option<&'a mut [u16]>,
    /// As they were summed up, before they are rounded: `[batch, positions, out_channels]`
    pub full: Option<&'a mut [f32]>,
}

impl Bf16Convolution {
    /// Rounds and packs the weights.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel height, kernel width]`
    /// * `bias`: `[out_channels]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], bias: Option<&[f32]>, terms: Terms) -> Self {
        geometry.check(weight);
        let ConvGeometry { in_channels, out_channels, groups, window } = geometry;
        assert!(bias.is_none_or(|bias| bias.len() == out_channels), "bias of {geometry:?}");
        let [group_in, group_out] = geometry.group();
        // Narrow groups share a panel, with zeros between them.
        let fits = |merged: &usize| groups.is_multiple_of(*merged) && merged * group_out <= PANEL;
        let merged = (1..=groups).filter(fits).max().unwrap_or(1);
        let (inputs, outputs) = (merged * group_in, merged * group_out);
        let depth = Depth::new(window, in_channels, inputs, terms);
        let places: Vec<_> = (0..depth.steps() * STEP).map(|at| depth.place(at)).collect();
        let block = |block: usize| {
            let at = |([row, place], channel): ([usize; 2], usize), column: usize| {
                if channel / group_in != column / group_out {
                    return 0.0;
                }
                let out = block * outputs + column;
                let [height, width] = window.kernel;
                weight[((out * group_in + channel % group_in) * height + row) * width + place]
            };
            let packed = Packed::new(&places, outputs, terms, at);
            let mut biases = Buffer::zeros(packed.panels * PANEL);
            if let Some(bias) = bias {
                let bias = &bias[block * outputs..][..outputs];
                biases.iter_mut().zip(bias).for_each(|(to, bias)| *to = number::bias(*bias));
            }
            (packed, biases)
        };
        let blocks = (0..groups / merged).map(block).collect();
        Self { geometry, terms, depth, blocks, inputs, outputs }
    }

    /// Overwrites the outputs with `epilogue(conv(input) + bias)`.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, terms, in_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: Bf16View<'_>, epilogue: Bf16Epilogue<'_>, output: Bf16Output<'_>) {
        self.run(detected(), input, epilogue, output);
    }

    pub(super) fn run(
        &self,
        engine: Engine,
        input: Bf16View<'_>,
        epilogue: Bf16Epilogue<'_>,
        output: Bf16Output<'_>,
    ) {
        input.check();
        let ConvGeometry { in_channels, out_channels, .. } = self.geometry;
        assert_eq!((input.channels, input.terms), (in_channels, self.terms), "the input's numbers");
        let [lines, columns] = self.geometry.positions([input.height, input.width]);
        let values = input.batch * lines * columns * out_channels;
        let numbers = self.terms.count() * values;
        let fits = |len: Option<usize>, expected: usize| len.is_none_or(|len| len == expected);
        let rounded = output.rounded.as_ref().map(|rounded| rounded.len());
        assert!(fits(rounded, numbers), "rounded output of {:?}", self.geometry);
        assert!(
            fits(output.full.as_ref().map(|full| full.len()), values),
            "full output of {:?}",
            self.geometry
        );
        let residual = epilogue.residual.map(|residual| match residual {
            Bf16Residual::Map(map) => map,
            Bf16Residual::Output => output.rounded.as_deref().unwrap_or_default(),
        });
        assert!(fits(residual.map(<[u16]>::len), numbers), "residual of {:?}", self.geometry);
        if values == 0 || (rounded.is_none() && output.full.is_none()) {
            return;
        }
        let rounded = output.rounded.map(|rounded| Start(rounded.as_mut_ptr()));
        let pass = Pass {
            convolution: self,
            engine,
            input: Map::Numbers(input),
            residual: match epilogue.residual {
                None => None,
                Some(Bf16Residual::Map(map)) => Some(Start(map.as_ptr().cast_mut())),
                Some(Bf16Residual::Output) => rounded,
            },
            relu: epilogue.relu,
            rounded,
            full: output.full.map(|full| Start(full.as_mut_ptr())),
            then: None,
            positions: [lines, columns],
        };
        pass.run();
    }

    /// Overwrites `output` with what `then` makes of the products of maps in f32. The bias must be 0.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, in_channels]`
    /// * `output`: `[batch, positions, out_channels]`
    ///
    /// # Panics
    /// If a length does not fit, or values are not split into two terms.
    pub(crate) fn forward_on_values(
        &self,
        input: View<'_>,
        then: (&Isa, &FullEpilogue<'_>),
        output: &mut [f32],
    ) {
        self.run_on_values(detected(), input, then, output);
    }

    pub(super) fn run_on_values(
        &self,
        engine: Engine,
        input: View<'_>,
        (isa, then): (&Isa, &FullEpilogue<'_>),
        output: &mut [f32],
    ) {
        input.check();
        let ConvGeometry { in_channels, out_channels, .. } = self.geometry;
        assert_eq!((input.channels, Terms::Two), (in_channels, self.terms), "the input's channels");
        let [lines, columns] = self.geometry.positions(input.size());
        assert_eq!(
            output.len(),
            input.batch * lines * columns * out_channels,
            "output of {:?}",
            self.geometry
        );
        then.check(output.len());
        if output.is_empty() {
            return;
        }
        let pass = Pass {
            convolution: self,
            engine,
            input: Map::Values(input),
            residual: None,
            relu: false,
            rounded: None,
            full: Some(Start(output.as_mut_ptr())),
            then: Some((isa, then)),
            positions: [lines, columns],
        };
        pass.run();
    }

    /// Whether each output position is a product by itself, whose rows are the items: nothing is copied, and places in
    /// the padding are left out.
    fn runs_by_position(&self, batch: usize, positions: usize) -> bool {
        positions <= SMALL && batch >= MANY && self.depth.steps_of([0, 0]).is_some()
    }

    /// Whether rows are read where they lie.
    fn reads_in_place(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.geometry.window;
        let pointwise = (kernel, stride, padding) == ([1; 2], [1; 2], [0; 2]);
        // Whole steps, so that nothing is read behind the last row.
        pointwise && self.inputs.is_multiple_of(STEP)
    }

    fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }
}

/// The start of an output that tasks write disjoint parts of.
#[derive(Clone, Copy)]
struct Start<T>(*mut T);

// SAFETY: tasks write other rows or other columns.
unsafe impl<T> Sync for Start<T> {}

#[derive(Clone, Copy)]
struct Pass<'a> {
    convolution: &'a Bf16Convolution,
    engine: Engine,
    input: Map<'a>,
    /// Is read.
    residual: Option<Start<u16>>,
    relu: bool,
    rounded: Option<Start<u16>>,
    full: Option<Start<f32>>,
    /// What the values in `full` go through once a task has written them.
    then: Option<(&'a Isa, &'a FullEpilogue<'a>)>,
    /// Height and width of the output.
    positions: [usize; 2],
}

/// The part of the product that a task computes.
struct Part<'a> {
    runs: &'a [Run],
    low: usize,
    pitch: usize,
    rows: usize,
    /// Rows of an output line, kept ones, the first position, and from a line to the next.
    line: usize,
    kept: usize,
    position: usize,
    line_step: usize,
    block: usize,
    panels: Range<usize>,
}

impl Pass<'_> {
    fn run(&self) {
        let [batch, ..] = self.input.sizes();
        let by_position = self.convolution.runs_by_position(batch, self.positions[0] * self.positions[1]);
        match &self.input {
            Map::Values(values) if by_position || self.band_parts()[1] > 1 => self.run_split(values),
            Map::Numbers(input) if self.convolution.reads_in_place() => self.in_place(input),
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
        let Bf16Convolution { inputs, blocks, .. } = self.convolution;
        let (rows, pixel) = (input.batch * self.positions[0] * self.positions[1], input.pixel());
        let (row_parts, panel_parts) = self.partition(rows, 1);
        neuron_threads::run(blocks.len() * row_parts * panel_parts, |task| {
            let (block, task) = (task / (row_parts * panel_parts), task % (row_parts * panel_parts));
            let rows = share(rows, task / panel_parts, row_parts);
            let start = &input.data[rows.start * pixel + block * inputs..];
            let runs = [Run { start: start.as_ptr(), steps: 0..inputs / STEP, depth: *inputs }];
            let part = Part {
                runs: &runs,
                low: input.channels,
                pitch: pixel,
                rows: rows.len(),
                line: rows.len(),
                kept: rows.len(),
                position: rows.start,
                line_step: 0,
                block,
                panels: share(self.convolution.panels(), task % panel_parts, panel_parts),
            };
            // SAFETY: the rows lie in the input, whose length was checked, and tasks have other rows or panels.
            unsafe { self.compute(&part) }
        });
    }

    /// Tasks of lines and panels, of which each copies what its lines see.
    fn by_bands(&self) {
        let Bf16Convolution { depth, inputs, blocks, .. } = self.convolution;
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let [band_parts, panel_parts] = self.band_parts();
        let tasks = batch * band_parts * panel_parts;
        neuron_threads::run(tasks, |task| {
            // Tasks of the same panels follow one another.
            let (panel_part, task) = (task / (batch * band_parts), task % (batch * band_parts));
            let (item, lines) = (task / band_parts, share(lines, task % band_parts, band_parts));
            let band = Band::new(depth, lines.len(), columns);
            with_scratch(band.len(), |copy: &mut [u16]| {
                band.copy(&self.input, item, lines.start, copy);
                for block in 0..blocks.len() {
                    let part = Part {
                        runs: &band.runs(copy, block * inputs),
                        low: band.low(),
                        pitch: band.pitch(),
                        rows: band.rows(),
                        line: band.line,
                        kept: band.kept,
                        position: (item * self.positions[0] + lines.start) * columns,
                        line_step: columns,
                        block,
                        panels: share(self.convolution.panels(), panel_part, panel_parts),
                    };
                    // SAFETY: the rows lie in the copy, and tasks have other lines or panels.
                    unsafe { self.compute(&part) }
                }
            });
        });
    }

    /// Shares of the lines of an item, and of the panels.
    fn band_parts(&self) -> [usize; 2] {
        let ([lines, columns], [batch, ..]) = (self.positions, self.input.sizes());
        let line = Band::new(&self.convolution.depth, 1, columns).line;
        let (band_parts, panel_parts) = self.partition(lines * line, batch);
        let Bf16Convolution { blocks, .. } = self.convolution;
        let bytes: usize = blocks.iter().map(|(weights, _)| size_of_val(weights.numbers())).sum();
        // Every item streams all weights that do not stay in cache from one to the next.
        let streamed = if batch > 1 { bytes.div_ceil(MOST_STREAMED) } else { 1 };
        [band_parts.min(lines), panel_parts.max(streamed.min(self.convolution.panels()))]
    }

    /// Tasks of a position, items and panels.
    fn by_position(&self, input: &Bf16View<'_>) {
        let Bf16Convolution { depth, inputs, blocks, geometry, .. } = self.convolution;
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
                Some(Run { start, steps: depth.steps_of(place)?, depth: *inputs })
            };
            let runs: Vec<Run> = places.filter_map(run).collect();
            let part = Part {
                runs: &runs,
                low: input.channels,
                pitch: size[0] * size[1] * pixel,
                rows: items.len(),
                line: 1,
                kept: 1,
                position: items.start * lines * columns + position,
                line_step: lines * columns,
                block,
                panels: share(self.convolution.panels(), task % panel_parts, panel_parts),
            };
            // SAFETY: the items lie in the input, whose length was checked; tasks have other positions, items or panels.
            unsafe { self.compute(&part) }
        });
    }

    /// Shares of the rows of an item and of the panels, so that every thread gets several tasks.
    fn partition(&self, rows: usize, items: usize) -> (usize, usize) {
        let threads = neuron_threads::threads();
        let wanted = if threads == 1 { 1 } else { TASKS_A_THREAD * threads };
        let panels = self.convolution.panels();
        let mut row_parts = rows.div_ceil(ROWS);
        let missing = |row_parts: usize| wanted.div_ceil(items * row_parts);
        // Where there are more weights than rows, tasks that share rows stream less.
        let mut panel_parts = 1;
        if rows * items < self.convolution.outputs {
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
    unsafe fn compute(&self, part: &Part<'_>) {
        let Bf16Convolution { geometry, terms, outputs, .. } = *self.convolution;
        let (weights, bias) = &self.convolution.blocks[part.block];
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
        let Part { runs, low, pitch, rows, .. } = *part;
        let panels = part.panels.clone();
        let task = Task { runs, low, pitch, rows, weights, panels, bias, sink };
        // SAFETY: the caller's promise; the engine is one that this machine has.
        unsafe {
            (self.engine.kernel)(&task);
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
    for line in 0..part.rows.div_ceil(part.line) {
        let count = part.kept.min(part.rows - line * part.line);
        let column = first + start;
        let at = (part.position + line * part.line_step) * channels + column;
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

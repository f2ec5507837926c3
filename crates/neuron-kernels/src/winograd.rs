//! Convolutions of 3x3 kernels with stride 1 in fewer multiplications: Winograd's minimal filtering.
//!
//! Each tile of inputs is transformed, multiplied by the transformed kernels frequency by frequency (as many matrix
//! products with rows = tiles), and transformed back. Tiles are anchored to the item, and a tile's numbers depend on
//! nothing else, so the result is the same in any batch.
use crate::direct::{Blocks, Direct};
use crate::microkernel::{
    Axis, F2_KERNEL, F4_KERNEL, FullEpilogue, Isa, Map, MatrixMut, Products, Rows, Size, Split, Stage, gemm,
    share, transform_input, transform_output, with_scratch,
};
use crate::packed::Packed;
use crate::shape::View;
use std::array::from_fn;
use std::ops::Range;

/// Transformed inputs and products of a task, in values: about what the second-level cache holds.
const TASK_VALUES: usize = 600 * 256;
/// Tiles a chunk where tasks share the transformed inputs: the weights are read once a chunk, the rest stays in the
/// third-level cache.
const CHUNK: usize = 128;
/// Channels a task of narrow groups, about.
const CHANNELS: usize = 64;
/// Positions of a kernel.
const TAPS: usize = 9;
/// At least the columns of a panel.
const MOST_COLUMNS: usize = 32;
/// Channels are padded to whole vectors of the widest instruction set.
const LANES: usize = 16;

/// A 3x3 convolution's weights, transformed and packed.
#[derive(Debug)]
pub(super) struct Winograd {
    isa: &'static Isa,
    size: Size,
    blocks: Blocks,
    /// `[frequency][block]`
    weight: Vec<Packed>,
    zeros: Vec<f32>,
}

/// The weights of a block as `[tap, channel in, channel out]`.
fn taps(direct: &Direct, block: usize) -> Vec<f32> {
    let (weight, Blocks { inputs, outputs, .. }) = (&direct.weight[block], direct.blocks);
    let steps = (0..TAPS * inputs).flat_map(|step| (0..outputs).map(move |out| (step, out)));
    steps.map(|(step, out)| weight.value(step, out)).collect()
}

/// A batch cut into tiles.
struct Tiling<'a> {
    input: View<'a>,
    /// Where the first window begins.
    origin: [isize; 2],
    /// Height and width of the output, in positions and in tiles.
    positions: [usize; 2],
    tiles: [usize; 2],
}

/// Some columns of the product of one frequency and block.
#[derive(Clone, Copy)]
struct Product {
    frequency: usize,
    block: usize,
    first_column: usize,
}

/// Distances in a buffer of `[frequency][tile][channel]`.
#[derive(Clone, Copy)]
struct Slabs {
    frequency: usize,
    tile: usize,
}

/// Where the products of some tiles go.
struct Multiplied<'a> {
    tiles: usize,
    slabs: Slabs,
    data: &'a mut [f32],
}

impl Slabs {
    /// One line off the powers of two, where all frequencies of a value would compete for one place in the cache.
    fn new(tiles: usize, channels: usize) -> Self {
        let tile = channels.next_multiple_of(LANES);
        Self { frequency: tiles * tile + LANES, tile }
    }

    fn len(&self, size: Size) -> usize {
        size.frequencies() * self.frequency
    }

    /// What lies in such a buffer for one tile.
    fn of_tile<'a>(&self, values: &'a [f32], tile: usize) -> Products<'a> {
        Products { data: &values[tile * self.tile..], pitch: self.frequency }
    }
}

impl Winograd {
    /// Transforms the weights of a direct 3x3 convolution, in f64.
    pub(super) fn new(direct: &Direct, size: Size) -> Self {
        let Direct { isa, blocks, .. } = *direct;
        let rows: &[[f64; 3]] = match size {
            Size::F2 => &F2_KERNEL,
            Size::F4 => &F4_KERNEL,
        };
        let taps: Vec<Vec<f32>> = (0..blocks.count).map(|block| taps(direct, block)).collect();
        let transform = |frequency: usize, block: usize| {
            let (column, row) = (rows[frequency / size.inputs()], rows[frequency % size.inputs()]);
            let factors: [f64; TAPS] = from_fn(|tap| column[tap / 3] * row[tap % 3]);
            Packed::by_rows(isa, blocks.inputs, blocks.outputs, |channel, columns, values| {
                let mut sums = [0f64; MOST_COLUMNS];
                for (tap, factor) in factors.iter().enumerate() {
                    let kernels = &taps[block][(tap * blocks.inputs + channel) * blocks.outputs..];
                    let kernels = &kernels[columns.clone()];
                    sums.iter_mut().zip(kernels).for_each(|(sum, value)| *sum += factor * f64::from(*value));
                }
                values.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
            })
        };
        let mut weight: Vec<Option<Packed>> = Vec::new();
        weight.resize_with(size.frequencies() * blocks.count, || None);
        neuron_threads::for_each(weight.chunks_mut(1), |index, packed| {
            packed[0] = Some(transform(index / blocks.count, index % blocks.count));
        });
        let weight = weight.into_iter().flatten().collect();
        Self { isa, size, blocks, weight, zeros: vec![0.0; direct.in_channels()] }
    }

    /// Overwrites `output` `[batch, positions, out_channels]`.
    pub(super) fn forward(
        &self,
        input: View<'_>,
        origin: [isize; 2],
        positions: [usize; 2],
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        if output.is_empty() {
            return;
        }
        let side = self.size.outputs();
        let tiles = positions.map(|positions| positions.div_ceil(side));
        let tiling = Tiling { input, origin, positions, tiles };
        if self.blocks.count > 1 {
            return self.block_by_block(&tiling, epilogue, output);
        }
        let Blocks { inputs, outputs, .. } = self.blocks;
        let a_task = (TASK_VALUES / (self.size.frequencies() * (inputs + outputs))).clamp(14, 112);
        let count = input.batch * tiles[0] * tiles[1];
        if inputs * outputs <= 256 * 256 && count >= a_task * neuron_threads::threads() {
            self.tile_by_tile(&tiling, a_task, epilogue, output);
        } else {
            self.frequency_by_frequency(&tiling, epilogue, output);
        }
    }

    /// Groups: a task takes some tiles of some blocks through all three steps in its own cache.
    fn block_by_block(&self, tiling: &Tiling<'_>, epilogue: &FullEpilogue<'_>, output: &mut [f32]) {
        let Blocks { count, inputs, outputs } = self.blocks;
        // Of nearly equal size.
        let together = (CHANNELS / inputs.max(outputs)).clamp(1, count);
        let together = count.div_ceil(count.div_ceil(together));
        let (parts, tiles) =
            (count.div_ceil(together), tiling.input.batch * tiling.tiles[0] * tiling.tiles[1]);
        let values = self.size.frequencies() * together * (inputs + outputs);
        let a_task = (TASK_VALUES / values).clamp(14, 112);
        let split = self.tiles(tiling, together * outputs);
        // A whole number of runs for each part, so that no run crosses from one into the next.
        let tasks = parts * tiles.div_ceil(a_task);
        split.for_each_run(output, 0..split.cells(), tasks, |mut cells| {
            let (part, run) = (cells.range.start / tiles, cells.range.clone());
            let first = part * together;
            let held = together.min(count - first);
            let (transformed_by, products) =
                (Slabs::new(run.len(), held * inputs), Slabs::new(run.len(), held * outputs));
            let len = transformed_by.len(self.size);
            let epilogue = epilogue.at_column(first * outputs);
            with_scratch(len + products.len(self.size), |scratch| {
                let (transformed, multiplied) = scratch.split_at_mut(len);
                for (index, cell) in run.clone().enumerate() {
                    let values = &mut transformed[index * transformed_by.tile..];
                    let rows = self.size.frequencies();
                    let mut values =
                        MatrixMut::new(values, rows, transformed_by.tile, transformed_by.frequency);
                    self.transform(
                        tiling,
                        cell % tiles,
                        first * inputs..(first + held) * inputs,
                        &mut values,
                    );
                }
                for frequency in 0..self.size.frequencies() {
                    for block in 0..held {
                        let from = frequency * products.frequency + block * outputs;
                        let mut values =
                            MatrixMut::new(&mut multiplied[from..], run.len(), outputs, products.tile);
                        let product = Product { frequency, block: first + block, first_column: 0 };
                        self.multiply(transformed, transformed_by, (product, block), &mut values);
                    }
                }
                for (index, cell) in run.enumerate() {
                    let values = products.of_tile(multiplied, index);
                    let mut block = cells.block(cell).reordered([1, 2, 3, 0]);
                    transform_output(self.isa, self.size, values, &epilogue, &mut block);
                }
            });
        });
    }

    /// One block of small weights: a task takes its tiles through all three steps in its own cache.
    fn tile_by_tile(
        &self,
        tiling: &Tiling<'_>,
        a_task: usize,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let split = self.tiles(tiling, self.blocks.outputs);
        let count = split.cells();
        split.for_each_run(output, 0..count, count.div_ceil(a_task), |mut cells| {
            let tiles = cells.range.clone();
            let (inputs, products) = self.slabs(tiles.len());
            with_scratch(inputs.len(self.size) + products.len(self.size), |scratch| {
                let (transformed, multiplied) = scratch.split_at_mut(inputs.len(self.size));
                for (index, tile) in tiles.clone().enumerate() {
                    let values = &mut transformed[index * inputs.tile..];
                    let mut values =
                        MatrixMut::new(values, self.size.frequencies(), inputs.tile, inputs.frequency);
                    self.transform(tiling, tile, 0..self.blocks.inputs, &mut values);
                }
                for frequency in 0..self.size.frequencies() {
                    let values = &mut multiplied[frequency * products.frequency..];
                    let mut values = MatrixMut::new(values, tiles.len(), self.blocks.outputs, products.tile);
                    let product = Product { frequency, block: 0, first_column: 0 };
                    self.multiply(transformed, inputs, (product, 0), &mut values);
                }
                for (index, tile) in tiles.enumerate() {
                    let values = products.of_tile(multiplied, index);
                    let mut block = cells.block(tile).reordered([1, 2, 3, 0]);
                    transform_output(self.isa, self.size, values, epilogue, &mut block);
                }
            });
        });
    }

    /// One block of large weights, or few tiles: three phases over buffers that the tasks share, so that each weight is read once a
    /// chunk of tiles.
    fn frequency_by_frequency(&self, tiling: &Tiling<'_>, epilogue: &FullEpilogue<'_>, output: &mut [f32]) {
        let split = self.tiles(tiling, self.blocks.outputs);
        let count = split.cells();
        let chunks = count.div_ceil(CHUNK);
        let (inputs, products) = self.slabs(count.div_ceil(chunks));
        with_scratch(inputs.len(self.size) + products.len(self.size), |scratch| {
            let (transformed, multiplied) = scratch.split_at_mut(inputs.len(self.size));
            for chunk in 0..chunks {
                let tiles = share(count, chunk, chunks);
                self.transform_all(tiling, tiles.clone(), inputs, transformed);
                self.multiply_all(
                    inputs,
                    transformed,
                    Multiplied { tiles: tiles.len(), slabs: products, data: multiplied },
                );
                let tasks = 8 * neuron_threads::threads();
                split.for_each_run(output, tiles.clone(), tasks, |mut cells| {
                    for tile in cells.range.clone() {
                        let values = products.of_tile(multiplied, tile - tiles.start);
                        let mut block = cells.block(tile).reordered([1, 2, 3, 0]);
                        transform_output(self.isa, self.size, values, epilogue, &mut block);
                    }
                });
            }
        });
    }

    /// The first phase: a task transforms some tiles.
    fn transform_all(&self, tiling: &Tiling<'_>, tiles: Range<usize>, slabs: Slabs, transformed: &mut [f32]) {
        let split = Split::new(
            [
                Axis::whole(tiles.len(), slabs.tile).every(1),
                Axis::whole(1, 1),
                Axis::whole(self.size.frequencies(), slabs.frequency),
                Axis::whole(slabs.tile, 1),
            ],
            3,
        );
        split.for_each_run(transformed, 0..tiles.len(), 8 * neuron_threads::threads(), |mut cells| {
            for index in cells.range.clone() {
                let values = &mut cells.block(index);
                self.transform(tiling, tiles.start + index, 0..self.blocks.inputs, &mut values.matrix(2));
            }
        });
    }

    /// The second phase: a task multiplies one frequency of all tiles by some columns.
    fn multiply_all(&self, inputs: Slabs, transformed: &[f32], multiplied: Multiplied<'_>) {
        let Multiplied { tiles, slabs, data } = multiplied;
        let outputs = self.blocks.outputs;
        let column_parts = (outputs / 256).max(1);
        let split = Split::new(
            [
                Axis::whole(self.size.frequencies(), slabs.frequency).every(1),
                Axis::whole(1, 1),
                Axis::whole(tiles, slabs.tile),
                Axis::whole(outputs, 1).shares(self.isa.panel, column_parts),
            ],
            3,
        );
        split.for_each(data, |_, mut cell| {
            let [frequency, _, _, first_column] = cell.first;
            let product = Product { frequency, block: 0, first_column };
            self.multiply(transformed, inputs, (product, 0), &mut cell.matrix(2));
        });
    }

    /// Transforms some channels of one tile into the rows (frequencies) of `values`.
    fn transform(
        &self,
        tiling: &Tiling<'_>,
        tile: usize,
        channels: Range<usize>,
        values: &mut MatrixMut<'_>,
    ) {
        let Tiling { input, origin, tiles: [down, across], .. } = *tiling;
        let (item, y, x) = (tile / (down * across), tile / across % down, tile % across);
        let map = Map {
            data: &input.data[item * input.item_len()..][..input.item_len()],
            height: input.height,
            width: input.width,
            pitch: input.channels,
            first: channels.start,
            channels: channels.len(),
            zeros: &self.zeros,
        };
        let start = |index: usize, origin: isize| (index * self.size.outputs()) as isize + origin;
        transform_input(self.isa, self.size, map, [start(y, origin[0]), start(x, origin[1])], values);
    }

    /// The products of one frequency: rows are the tiles of `transformed`, whose `place`th block is the product's.
    fn multiply(
        &self,
        transformed: &[f32],
        slabs: Slabs,
        (product, place): (Product, usize),
        products: &mut MatrixMut<'_>,
    ) {
        let Product { frequency, block, first_column } = product;
        let transformed = &transformed[frequency * slabs.frequency..];
        let weight = &self.weight[frequency * self.blocks.count + block];
        for steps in weight.blocks() {
            let rows = Rows::new(&transformed[place * self.blocks.inputs + steps.start..], slabs.tile);
            let stage = Stage { resume: steps.start > 0, epilogue: None };
            gemm(self.isa, rows, weight.panels(&steps, first_column), products, stage);
        }
    }

    /// Layouts of the transformed inputs and of the products of some tiles of one block.
    fn slabs(&self, tiles: usize) -> (Slabs, Slabs) {
        (Slabs::new(tiles, self.blocks.inputs), Slabs::new(tiles, self.blocks.outputs))
    }

    /// The output cut into parts of the channels, and these into tiles, in the order in which they are counted.
    fn tiles(&self, tiling: &Tiling<'_>, part: usize) -> Split {
        let ([height, width], side) = (tiling.positions, self.size.outputs());
        let channels = self.blocks.count * self.blocks.outputs;
        Split::new(
            [
                Axis::whole(channels, 1).every(part),
                Axis::whole(tiling.input.batch, height * width * channels).every(1),
                Axis::whole(height, width * channels).every(side),
                Axis::whole(width, channels).every(side),
            ],
            0,
        )
    }
}

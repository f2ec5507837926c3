//! Transposed convolutions to few channels, such as pixels.
use crate::epilogue::TransposeEpilogue;
use crate::microkernel::{Axis, Isa, MatrixMut, Rows, Split, Stage, apply_to_line, gemm, with_scratch};
use crate::packed::{Depth, Packed};
use crate::shape::{ConvGeometry, View};

/// Output lines a task: the gradient lines at its border are multiplied by its neighbour once more.
const LINES: usize = 32;

/// Each gradient times all kernel positions and channels in one product, whose rows are then added to the positions.
///
/// The product of a gradient line has `kernel^2 * channels` columns, which fills register tiles where the channels alone
/// would not.
#[derive(Debug)]
pub(super) struct Scatter {
    geometry: ConvGeometry,
    isa: &'static Isa,
    /// `[channel out] x [kernel row, kernel column, channel in]`
    weight: Packed,
}

impl Scatter {
    /// Packs the weights of the forward convolution, which has one group.
    pub(super) fn new(isa: &'static Isa, geometry: ConvGeometry, weight: &[f32]) -> Self {
        let ConvGeometry { in_channels, out_channels, .. } = geometry;
        let taps = geometry.window.places();
        let weight =
            Packed::new(isa, Depth { runs: 1, run: out_channels }, taps * in_channels, |out, column| {
                let (tap, channel) = (column / in_channels, column % in_channels);
                weight[(out * in_channels + channel) * taps + tap]
            });
        Self { geometry, isa, weight }
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        [height, width]: [usize; 2],
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        let ConvGeometry { in_channels, window: slide, .. } = self.geometry;
        let (stride, padding) = (slide.stride[0], slide.padding[0]);
        let line = width * in_channels;
        // A line is finished as a whole.
        let zeros = vec![0.0; line];
        let epilogue = epilogue.with_bias(&zeros);
        epilogue.check(output.len());
        if output.is_empty() {
            return;
        }
        let one = Axis::whole(1, 1);
        let split = Split::new(
            [
                one,
                Axis::whole(gradient.batch, height * line).every(1),
                Axis::whole(height, line).every(LINES),
                Axis::whole(line, 1),
            ],
            3,
        );
        let columns = slide.places() * in_channels;
        split.for_each(output, |_, mut cell| {
            let ([_, item, top, _], [_, _, lines, _]) = (cell.first, cell.extent);
            (0..lines).for_each(|y| cell.line([0, 0, y, 0]).0.fill(0.0));
            // Windows in ascending order, so that every value is one sum in one order, whoever computes it.
            let first = (top + padding + 1).saturating_sub(slide.extent()[0]).div_ceil(stride);
            let end = ((top + lines - 1 + padding) / stride + 1).min(gradient.height);
            with_scratch((gradient.width * columns).max(line), |products| {
                for window in first..end {
                    self.multiply_line(gradient, item * gradient.height + window, products);
                    for tap in 0..slide.kernel[0] {
                        let y = (window * stride + tap * slide.dilation[0]).checked_sub(padding + top);
                        let Some(y) = y.filter(|y| *y < lines) else { continue };
                        self.add_line(
                            tap,
                            products.chunks_exact(columns).take(gradient.width),
                            cell.line([0, 0, y, 0]).0,
                        );
                    }
                }
                (0..lines).for_each(|y| {
                    let (values, at) = cell.line([0, 0, y, 0]);
                    let sums = &mut products[..line];
                    sums.copy_from_slice(values);
                    apply_to_line(self.isa, sums, &epilogue, (values, at));
                });
            });
        });
    }

    /// The products of gradient line `line`, counted over all items.
    fn multiply_line(&self, gradient: View<'_>, line: usize, products: &mut [f32]) {
        let View { width, channels, data, .. } = gradient;
        let columns = self.geometry.window.places() * self.geometry.in_channels;
        let mut products = MatrixMut::new(products, width, columns, columns);
        for steps in self.weight.blocks() {
            let rows = Rows::new(&data[line * width * channels + steps.start..], channels);
            let stage = Stage::of(&steps, self.weight.depth(), None);
            gemm(self.isa, rows, self.weight.panels(&steps, 0), &mut products, stage);
        }
    }

    /// Adds kernel row `tap` of each column's products to an output line.
    fn add_line<'a>(&self, tap: usize, products: impl Iterator<Item = &'a [f32]>, line: &mut [f32]) {
        let ConvGeometry { in_channels, window: slide, .. } = self.geometry;
        let [stride, dilation, kernel] = [slide.stride[1], slide.dilation[1], slide.kernel[1]];
        let padding = slide.padding[1] as isize;
        // A kernel row is one run in the output line, unless its columns lie apart: then each of them is.
        let run = if dilation == 1 { kernel * in_channels } else { in_channels };
        for (window, products) in products.enumerate() {
            let row = &products[tap * kernel * in_channels..][..kernel * in_channels];
            for (index, run) in row.chunks_exact(run).enumerate() {
                let column = (window * stride + index * dilation) as isize - padding;
                add_clipped(run, column * in_channels as isize, line);
            }
        }
    }
}

/// `line[start..] += values`, without what lies beyond the line.
fn add_clipped(values: &[f32], start: isize, line: &mut [f32]) {
    let inside = |at: isize| at.clamp(0, line.len() as isize);
    let (from, to) = (inside(start), inside(start + values.len() as isize));
    let skipped = (from - start).clamp(0, values.len() as isize) as usize;
    let values = &values[skipped..][..(to - from) as usize];
    line[from as usize..to as usize].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

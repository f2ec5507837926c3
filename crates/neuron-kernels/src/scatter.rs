//! Transposed convolutions to few channels, such as pixels.
use super::kernel::{
    Axis, Finish, Isa, MatrixMut, Operation, Rows, Split, Stage, finish_line, gemm, with_scratch,
};
use super::packed::Packed;
use super::{ConvGeometry, View};

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
        let ConvGeometry { in_channels, out_channels, kernel, .. } = geometry;
        let taps = kernel * kernel;
        let weight = Packed::new(isa, (1, out_channels), taps * in_channels, |out, column| {
            let (tap, channel) = (column / in_channels, column % in_channels);
            weight[(out * in_channels + channel) * taps + tap]
        });
        Self { geometry, isa, weight }
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        (height, width): (usize, usize),
        addend: Option<&[f32]>,
        operation: Operation<'_>,
        output: &mut [f32],
    ) {
        let ConvGeometry { in_channels, kernel, stride, padding, .. } = self.geometry;
        let line = width * in_channels;
        // A line is finished as a whole.
        let zeros = vec![0.0; line];
        let finish = Finish { bias: &zeros, addend, operation };
        finish.check(output.len());
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
        let columns = kernel * kernel * in_channels;
        split.for_each(output, |_, mut cell| {
            let ([_, item, top, _], [_, _, lines, _]) = (cell.first, cell.extent);
            (0..lines).for_each(|y| cell.line([0, 0, y, 0]).0.fill(0.0));
            // Windows in ascending order, so that every value is one sum in one order, whoever computes it.
            let first = (top + padding + 1).saturating_sub(kernel).div_ceil(stride);
            let end = ((top + lines - 1 + padding) / stride + 1).min(gradient.height);
            with_scratch((gradient.width * columns).max(line), |products| {
                for window in first..end {
                    self.multiply_line(gradient, item * gradient.height + window, products);
                    for tap in 0..kernel {
                        let y = (window * stride + tap).checked_sub(padding + top).filter(|y| *y < lines);
                        let Some(y) = y else { continue };
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
                    finish_line(self.isa, sums, &finish, (values, at));
                });
            });
        });
    }

    /// The products of gradient line `line`, counted over all items.
    fn multiply_line(&self, gradient: View<'_>, line: usize, products: &mut [f32]) {
        let View { width, channels, data, .. } = gradient;
        let columns = self.geometry.kernel * self.geometry.kernel * self.geometry.in_channels;
        let mut products = MatrixMut::new(products, width, columns, columns);
        for steps in self.weight.blocks() {
            let rows = Rows::new(&data[line * width * channels + steps.start..], channels);
            let stage = Stage::of(&steps, self.weight.depth(), None);
            gemm(self.isa, rows, self.weight.panels(&steps, 0), &mut products, stage);
        }
    }

    /// Adds kernel row `tap` of each column's products to an output line.
    fn add_line<'a>(&self, tap: usize, products: impl Iterator<Item = &'a [f32]>, line: &mut [f32]) {
        let ConvGeometry { in_channels, kernel, stride, padding, .. } = self.geometry;
        let row = kernel * in_channels;
        for (window, products) in products.enumerate() {
            // A kernel row is contiguous in the output line, apart from clipping at its ends.
            let start = (window * stride * in_channels) as isize - (padding * in_channels) as isize;
            let inside = |at: isize| at.clamp(0, line.len() as isize);
            let (from, to) = (inside(start), inside(start + row as isize));
            let skipped = (from - start).clamp(0, row as isize) as usize;
            let products = &products[tap * row..][skipped..][..(to - from) as usize];
            let values = &mut line[from as usize..to as usize];
            values.iter_mut().zip(products).for_each(|(value, product)| *value += product);
        }
    }
}

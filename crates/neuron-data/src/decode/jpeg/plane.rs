use std::ops::Range;

use super::header::{Frame, ZIGZAG};
use super::{corrupt, idct, unsupported};
use crate::error::ImageError;

/// The samples of one colour component, as far as they are wanted.
pub(super) struct Plane {
    /// Size of the whole component, in samples.
    pub(super) height: usize,
    pub(super) width: usize,
    /// Pixels that share a sample, down and across.
    pub(super) ratio: (usize, usize),
    /// Blocks of the whole component, without those that only fill up its MCUs.
    pub(super) blocks_down: usize,
    pub(super) blocks_across: usize,
    /// Blocks whose samples are held.
    rows: Range<usize>,
    columns: Range<usize>,
    /// In zigzag order.
    quantisation: Option<[i32; 64]>,
    /// Blocks in a row of `coefficients`, with those that fill up the MCUs.
    stride: usize,
    memory: Memory,
    complete: bool,
}

/// The buffers of a plane, kept from picture to picture.
#[derive(Default)]
pub(super) struct Memory {
    samples: Vec<u8>,
    /// Of a progressive picture, all coefficients in zigzag order, block by block.
    coefficients: Vec<i16>,
}

/// Samples are centred on this level: what is missing is gray.
const GRAY: u8 = 128;

/// Plans the planes of a picture of which `rows` and `columns` are wanted.
pub(super) fn lay_out(
    frame: &Frame,
    rows: &Range<usize>,
    columns: &Range<usize>,
    memory: &mut [Memory; 4],
) -> Result<Vec<Plane>, ImageError> {
    let most =
        |of: fn(&super::header::FrameComponent) -> usize| frame.components.iter().map(of).max().unwrap_or(1);
    let (most_down, most_across) = (most(|component| component.down), most(|component| component.across));
    let mcus_down = frame.height.div_ceil(8 * most_down);
    let mcus_across = frame.width.div_ceil(8 * most_across);
    let plan = |(component, memory): (&super::header::FrameComponent, &mut Memory)| {
        if most_down % component.down != 0 || most_across % component.across != 0 {
            return Err(unsupported("fractional sampling"));
        }
        let ratio = (most_down / component.down, most_across / component.across);
        let (height, width) = (frame.height.div_ceil(ratio.0), frame.width.div_ceil(ratio.1));
        let mut plane = Plane {
            height,
            width,
            ratio,
            blocks_down: height.div_ceil(8),
            blocks_across: width.div_ceil(8),
            rows: blocks_below(rows, ratio.0, height),
            columns: blocks_below(columns, ratio.1, width),
            quantisation: None,
            stride: mcus_across * component.across,
            memory: std::mem::take(memory),
            complete: false,
        };
        let samples = plane.rows.len() * plane.columns.len() * 64;
        plane.memory.samples.clear();
        plane.memory.samples.resize(samples, GRAY);
        plane.memory.coefficients.clear();
        if frame.progressive {
            plane.memory.coefficients.resize(mcus_down * component.down * plane.stride * 64, 0);
        }
        Ok(plane)
    };
    frame.components.iter().zip(memory).map(plan).collect()
}

/// The blocks that a range of pixels needs: its samples and, to enlarge them, one neighbour on each side.
fn blocks_below(pixels: &Range<usize>, ratio: usize, samples: usize) -> Range<usize> {
    let first = (pixels.start / ratio).saturating_sub(1);
    let end = (pixels.end.div_ceil(ratio) + 1).min(samples);
    first / 8..end.div_ceil(8)
}

impl Plane {
    /// Fixes the quantisation at the component's first scan, as the standard asks.
    pub(super) fn latch_quantisation(&mut self, table: Option<[i32; 64]>) {
        self.quantisation = self.quantisation.or(table);
    }

    pub(super) fn quantisation(&self) -> Result<[i32; 64], ImageError> {
        self.quantisation.ok_or_else(|| corrupt("a quantisation table is missing"))
    }

    /// The coefficients of a sequential scan have all been read.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the samples of a block are held.
    pub(super) fn wants(&self, row: usize, column: usize) -> bool {
        self.rows.contains(&row) && self.columns.contains(&column)
    }

    /// Transforms a block that is held.
    ///
    /// # Shapes
    /// * `coefficients`: `[8, 8]`, dequantised; all but the first are 0 where `is_flat`
    pub(super) fn transform(&mut self, row: usize, column: usize, coefficients: &[i32; 64], is_flat: bool) {
        let stride = self.columns.len() * 8;
        let start = (row - self.rows.start) * 8 * stride + (column - self.columns.start) * 8;
        let out = &mut self.memory.samples[start..][..7 * stride + 8];
        if is_flat {
            idct::flat(coefficients[0], out, stride);
        } else {
            idct::block(coefficients, out, stride);
        }
    }

    /// The coefficients of a block of a progressive picture, in zigzag order.
    pub(super) fn coefficients(&mut self, row: usize, column: usize) -> &mut [i16; 64] {
        let start = (row * self.stride + column) * 64;
        self.memory.coefficients[start..].first_chunk_mut().expect("the plane holds all blocks of its MCUs")
    }

    /// Transforms all blocks of a progressive picture that are held.
    pub(super) fn transform_kept(&mut self) {
        // Without a table no scan wrote to this plane: it stays gray.
        let Some(quantisation) = self.quantisation else { return };
        for row in self.rows.clone() {
            for column in self.columns.clone() {
                let mut block = [0; 64];
                let mut is_flat = true;
                let kept = *self.coefficients(row, column);
                for (k, (&coefficient, step)) in kept.iter().zip(&quantisation).enumerate() {
                    block[usize::from(ZIGZAG[k])] = i32::from(coefficient) * step;
                    is_flat &= k == 0 || coefficient == 0;
                }
                self.transform(row, column, &block, is_flat);
            }
        }
    }

    /// Held samples of row `y`.
    pub(super) fn samples(&self, y: usize, columns: &Range<usize>) -> &[u8] {
        let stride = self.columns.len() * 8;
        let row = &self.memory.samples[(y - self.rows.start * 8) * stride..][..stride];
        let first = self.columns.start * 8;
        &row[columns.start - first..columns.end - first]
    }

    pub(super) fn into_memory(self) -> Memory {
        self.memory
    }
}

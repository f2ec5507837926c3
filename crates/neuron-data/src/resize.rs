//! Antialiased resizing, bit-identical to Pillow's `Image.resize` on 8-bit RGB.
//!
//! Two passes, rows first; between them pixels are rounded to 8 bits. Weights are computed in f64, normalised,
//! and rounded to 22 fractional bits (Pillow, `src/libImaging/Resample.c`). Only the part that is asked for is
//! computed, from only the pixels it needs.

mod filter;
mod kernel;

pub use filter::Interpolation;
pub(crate) use filter::Taps;

use std::ops::Range;

use crate::Rgb8Image;

/// A rectangle of pixels cut from a larger picture, rows one after the other.
pub(crate) struct Raster<'a> {
    /// Red, green, blue and a byte that means nothing: four are what fits registers.
    pub(crate) pixels: &'a [[u8; 4]],
    /// Rows of the whole picture that are held.
    pub(crate) rows: Range<usize>,
    /// Columns of the whole picture that are held.
    pub(crate) columns: Range<usize>,
}

impl Raster<'_> {
    /// Some held pixels of row `y`; both are counted in the whole picture.
    fn row(&self, y: usize, columns: &Range<usize>) -> &[[u8; 4]] {
        let stride = self.columns.len();
        let row = &self.pixels[(y - self.rows.start) * stride..][..stride];
        &row[columns.start - self.columns.start..columns.end - self.columns.start]
    }
}

/// A resize of one picture size to one output rectangle: the taps of both axes.
pub(crate) struct Resize {
    rows: Taps,
    columns: Taps,
}

impl Resize {
    /// Plans the output rectangle `rows x columns` of a resize from `from` to `to`, both (height, width).
    pub(crate) fn new(
        from: (usize, usize),
        to: (usize, usize),
        rows: Range<usize>,
        columns: Range<usize>,
        interpolation: Interpolation,
    ) -> Self {
        Self {
            rows: Taps::new(from.0, to.0, rows, interpolation),
            columns: Taps::new(from.1, to.1, columns, interpolation),
        }
    }

    /// The rows and columns of the source picture that [`Resize::run`] reads.
    pub(crate) fn source(&self) -> (Range<usize>, Range<usize>) {
        (self.rows.source(), self.columns.source())
    }

    /// Resizes into `out`.
    ///
    /// # Shapes
    /// * `source`: holds at least the rectangle of [`Resize::source`]
    /// * `between`: scratch, grown as needed
    /// * `out`: `[rows, columns, 3]`
    pub(crate) fn run(&self, source: &Raster<'_>, between: &mut Vec<u8>, out: &mut [u8]) {
        let stride = self.columns.len() * 3;
        let (rows, columns) = self.source();
        between.resize(rows.len() * stride, 0);
        for (y, line) in rows.zip(between.chunks_exact_mut(stride)) {
            kernel::across(source.row(y, &columns), &self.columns, line);
        }
        for ((span, weights), line) in self.rows.iter().zip(out.chunks_exact_mut(stride)) {
            kernel::down(&between[span.start * stride..span.end * stride], weights, line);
        }
    }
}

/// Resizes a picture to `height x width`, aspect ratio not kept, exactly as Pillow's `Image.resize` does.
///
/// # Panics
/// If the picture or the result has no pixels.
pub fn resize_rgb8(
    image: &Rgb8Image,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Rgb8Image {
    let from = (image.height, image.width);
    let plan = Resize::new(from, (height, width), 0..height, 0..width, interpolation);
    let padded = image.padded();
    let source = Raster { pixels: &padded, rows: 0..image.height, columns: 0..image.width };
    let mut pixels = vec![0; height * width * 3];
    plan.run(&source, &mut Vec::new(), &mut pixels);
    Rgb8Image { height, width, pixels }
}

#[cfg(test)]
mod tests;

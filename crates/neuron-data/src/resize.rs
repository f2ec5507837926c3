//! Antialiased resizing, bit-identical to Pillow's `Image.resize` on 8-bit RGB.
//!
//! Two passes, across and down; between them pixels are rounded to 8 bits. Weights are computed in f64,
//! normalised, and rounded to 22 fractional bits (Pillow, `src/libImaging/Resample.c`). Only the part that is
//! asked for is computed, from only the pixels it needs.

mod filter;
mod kernel;

pub use filter::Interpolation;
pub(crate) use filter::Taps;

use std::ops::Range;

use crate::rgb8::Rgb8Image;

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
    /// The held pixels from row `y` and column `x` of the whole picture on.
    fn from(&self, y: usize, x: usize) -> &[[u8; 4]] {
        &self.pixels[(y - self.rows.start) * self.columns.len() + x - self.columns.start..]
    }

    /// Some held pixels of row `y`; both are counted in the whole picture.
    fn row(&self, y: usize, columns: &Range<usize>) -> &[[u8; 4]] {
        &self.from(y, columns.start)[..columns.len()]
    }
}

/// A resize of one picture size to one output rectangle: the taps of both axes.
pub(crate) struct Resize {
    rows: Taps,
    columns: Taps,
    order: Order,
}

/// Which pass comes first; the rounding between them makes a difference of at most a level.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    AcrossThenDown,
    DownThenAcross,
}

impl Order {
    /// The choice of Pillow 13: down first where that removes more than twice as many rows as the other pass
    /// removes columns. Older versions always went across first.
    fn of(from: (usize, usize), to: (usize, usize)) -> Self {
        let removed = |from: usize, to: usize| from as i64 - to as i64;
        let (rows, columns) = (removed(from.0, to.0), removed(from.1, to.1));
        if rows > 0 && 2 * columns < rows { Self::DownThenAcross } else { Self::AcrossThenDown }
    }
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
            order: Order::of(from, to),
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
        match self.order {
            Order::AcrossThenDown => self.across_then_down(source, between, out),
            Order::DownThenAcross => self.down_then_across(source, between, out),
        }
    }

    fn across_then_down(&self, source: &Raster<'_>, between: &mut Vec<u8>, out: &mut [u8]) {
        let stride = self.columns.len() * 3;
        let (rows, columns) = self.source();
        between.resize(rows.len() * stride, 0);
        for (y, line) in rows.zip(between.chunks_exact_mut(stride)) {
            kernel::across(source.row(y, &columns), &self.columns, line);
        }
        for ((span, weights), line) in self.rows.iter().zip(out.chunks_exact_mut(stride)) {
            kernel::down(&between[span.start * stride..], stride, weights, line);
        }
    }

    fn down_then_across(&self, source: &Raster<'_>, between: &mut Vec<u8>, out: &mut [u8]) {
        let (rows, columns) = self.source();
        let source_stride = source.columns.len() * 4;
        between.resize(columns.len() * 4, 0);
        for ((span, weights), line) in self.rows.iter().zip(out.chunks_exact_mut(self.columns.len() * 3)) {
            let below = source.from(rows.start + span.start, columns.start).as_flattened();
            kernel::down(below, source_stride, weights, between);
            let (pixels, _) = between.as_chunks::<4>();
            kernel::across(pixels, &self.columns, line);
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

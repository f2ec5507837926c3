use crate::error::PatchError;
use crate::picture::{COLOURS, Picture};

/// Bilinear resizing of float pictures from one size to another, without antialiasing.
///
/// Pixel centres lie at halves and the edges are repeated: PyTorch's `interpolate(mode="bilinear",
/// align_corners=False)`, whose order of operations is kept. The weights are computed once; what a picture
/// becomes depends on that picture alone.
#[derive(Clone, Debug)]
pub struct BilinearResize {
    source_height: usize,
    source_width: usize,
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

/// An output position between two input positions.
#[derive(Clone, Copy, Debug)]
struct Tap {
    low: usize,
    high: usize,
    low_weight: f32,
    high_weight: f32,
}

impl BilinearResize {
    /// A plan from `source` to `target`, both (height, width) in pixels.
    ///
    /// # Errors
    /// [`PatchError::Zero`] if a side is 0.
    pub fn new(source: (usize, usize), target: (usize, usize)) -> Result<Self, PatchError> {
        if source.0.min(source.1) == 0 {
            return Err(PatchError::Zero { what: "each side of the picture to resize" });
        }
        if target.0.min(target.1) == 0 {
            return Err(PatchError::Zero { what: "each side of the resized picture" });
        }
        Ok(Self {
            source_height: source.0,
            source_width: source.1,
            rows: taps(source.0, target.0),
            columns: taps(source.1, target.1),
        })
    }

    /// Values of a resized picture: height * width * 3.
    pub fn output_len(&self) -> usize {
        self.rows.len() * self.columns.len() * COLOURS
    }

    /// Resizes one picture.
    ///
    /// # Shapes
    /// * `source`: `[source height, source width, 3]`
    /// * `out`: `[target height, target width, 3]`
    ///
    /// # Errors
    /// [`PatchError::Length`] if the picture or the output has another size than the plan.
    pub fn resize(&self, source: Picture<'_, f32>, out: &mut [f32]) -> Result<(), PatchError> {
        if (source.height(), source.width()) != (self.source_height, self.source_width) {
            let expected = self.source_height * self.source_width * COLOURS;
            let found = source.pixels().len();
            return Err(PatchError::Length { what: "the picture to resize", expected, found });
        }
        if out.len() != self.output_len() {
            let (expected, found) = (self.output_len(), out.len());
            return Err(PatchError::Length { what: "the resized picture", expected, found });
        }
        let source_row = |row: usize| &source.pixels()[row * self.source_width * COLOURS..];
        // Rows are stretched once, when the walk down first reaches them; two at a time are enough.
        let mut low = StretchedRow::new(self.columns.len());
        let mut high = StretchedRow::new(self.columns.len());
        for (tap, out) in self.rows.iter().zip(out.chunks_exact_mut(self.columns.len() * COLOURS)) {
            if high.row == Some(tap.low) {
                std::mem::swap(&mut low, &mut high);
            }
            low.fill(tap.low, source_row(tap.low), &self.columns);
            high.fill(tap.high, source_row(tap.high), &self.columns);
            for ((out, low), high) in out.iter_mut().zip(&low.values).zip(&high.values) {
                *out = tap.low_weight * low + tap.high_weight * high;
            }
        }
        Ok(())
    }
}

/// One row of the source, resized along the width.
struct StretchedRow {
    row: Option<usize>,
    values: Vec<f32>,
}

impl StretchedRow {
    fn new(columns: usize) -> Self {
        Self { row: None, values: vec![0.0; columns * COLOURS] }
    }

    fn fill(&mut self, row: usize, source: &[f32], columns: &[Tap]) {
        if self.row == Some(row) {
            return;
        }
        self.row = Some(row);
        for (tap, out) in columns.iter().zip(self.values.chunks_exact_mut(COLOURS)) {
            let (low, high) =
                (&source[tap.low * COLOURS..][..COLOURS], &source[tap.high * COLOURS..][..COLOURS]);
            for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
                *out = tap.low_weight * low + tap.high_weight * high;
            }
        }
    }
}

/// In f32 throughout, as PyTorch does it.
fn taps(source: usize, target: usize) -> Vec<Tap> {
    let scale = source as f32 / target as f32;
    let tap = |position: usize| {
        let centre = (scale * (position as f32 + 0.5) - 0.5).max(0.0);
        let low = (centre as usize).min(source - 1);
        let high_weight = (centre - low as f32).clamp(0.0, 1.0);
        Tap { low, high: (low + 1).min(source - 1), low_weight: 1.0 - high_weight, high_weight }
    };
    (0..target).map(tap).collect()
}

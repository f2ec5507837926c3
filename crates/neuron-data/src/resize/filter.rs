use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Fractional bits of a weight: 8 bits of pixel, 22 of weight, sign and one guard bit make 32.
pub(super) const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// Filter of an antialiased resize; its support grows with the reduction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Interpolation {
    /// Triangle filter.
    #[default]
    Bilinear,
    /// Cubic convolution with a = -0.5 (Keys 1981).
    Bicubic,
}

impl Interpolation {
    /// The filter of a name as in timm's configurations, or `None`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim() {
            "bilinear" => Some(Self::Bilinear),
            "bicubic" => Some(Self::Bicubic),
            _ => None,
        }
    }

    /// The name that [`Interpolation::parse`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }

    /// Radius of the filter at scale 1, in pixels.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// The filter's value at a distance from its centre, in the order of operations that Pillow uses.
    fn value(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// Sharpness of the bicubic filter.
const A: f64 = -0.5;

/// The weights with which each output position of one axis reads its input positions.
///
/// All outputs read equally many positions, some with weight 0: loops of one length are what processors
/// predict.
pub(crate) struct Taps {
    /// First input position that any output reads.
    first: usize,
    /// For each output, the first position it reads, counted from `first`.
    starts: Vec<usize>,
    /// `reach` weights for each output, in units of `2^-WEIGHT_BITS`.
    weights: Vec<i32>,
    reach: usize,
}

impl Taps {
    /// The taps of the outputs `wanted` of a resize from `from` to `to` positions.
    pub(crate) fn new(from: usize, to: usize, wanted: Range<usize>, interpolation: Interpolation) -> Self {
        assert!(from > 0 && to >= wanted.end, "a resize has pixels, and a part of it lies inside");
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = interpolation.support() * stretch;
        // Pillow multiplies by the inverse; a division would round differently.
        let shrink = 1.0 / stretch;
        let span = |centre: f64| {
            // Casts to unsigned saturate at 0, which is Pillow's clamp.
            let start = (centre - support + 0.5) as usize;
            start..((centre + support + 0.5) as usize).min(from)
        };
        let centres = wanted.map(|position| (position as f64 + 0.5) * scale);
        let longest = centres.clone().map(|centre| span(centre).len()).max().unwrap_or(0);
        // Even where the axis is long enough: kernels take two at a time.
        let reach = longest.next_multiple_of(2).min(from);

        let mut taps = Self { first: 0, starts: Vec::new(), weights: vec![0; centres.len() * reach], reach };
        let mut exact = Vec::with_capacity(longest);
        for (centre, weights) in centres.zip(taps.weights.chunks_exact_mut(reach)) {
            let span = span(centre);
            let start = span.start.min(from - reach);
            exact.clear();
            exact.extend(span.clone().map(|at| interpolation.value((at as f64 - centre + 0.5) * shrink)));
            round_to_fixed(&exact, &mut weights[span.start - start..]);
            taps.starts.push(start);
        }
        taps.first = taps.starts.first().copied().unwrap_or(0);
        taps.starts.iter_mut().for_each(|start| *start -= taps.first);
        taps
    }

    /// Number of outputs.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Input positions that any output reads.
    pub(crate) fn source(&self) -> Range<usize> {
        // Starts ascend.
        self.first..self.first + self.starts.last().map_or(0, |last| last + self.reach)
    }

    /// For each output, the positions it reads, counted from `source().start`, and their weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[i32])> {
        let spans = self.starts.iter().map(|&start| start..start + self.reach);
        spans.zip(self.weights.chunks_exact(self.reach.max(1)))
    }
}

/// Normalises weights and rounds them to fixed point.
fn round_to_fixed(exact: &[f64], out: &mut [i32]) {
    let sum: f64 = exact.iter().sum();
    let one = f64::from(1u32 << WEIGHT_BITS);
    for (out, &weight) in out.iter_mut().zip(exact) {
        let scaled = if sum == 0.0 { weight } else { weight / sum } * one;
        *out = (scaled + 0.5f64.copysign(scaled)) as i32;
    }
}

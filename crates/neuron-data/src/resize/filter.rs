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
pub(crate) struct Taps {
    /// First input position that any output reads.
    first: usize,
    /// One past the last.
    end: usize,
    /// For each output: first input position, relative to `first`, and number of weights.
    spans: Vec<(usize, usize)>,
    /// `reach` weights for each output, in units of `2^-WEIGHT_BITS`; the unused ones are 0.
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
        let reach = support.ceil() as usize * 2 + 1;

        let mut taps = Self {
            first: 0,
            end: 0,
            spans: Vec::with_capacity(wanted.len()),
            weights: Vec::with_capacity(wanted.len() * reach),
            reach,
        };
        // Pillow multiplies by the inverse; a division would round differently.
        let shrink = 1.0 / stretch;
        let mut exact = Vec::with_capacity(reach);
        for position in wanted {
            let centre = (position as f64 + 0.5) * scale;
            // Casts to unsigned saturate at 0, which is Pillow's clamp.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend((start..end).map(|at| interpolation.value((at as f64 - centre + 0.5) * shrink)));
            taps.push(start, &exact);
        }
        taps.first = taps.spans.iter().map(|&(start, _)| start).min().unwrap_or(0);
        taps.end = taps.spans.iter().map(|&(start, len)| start + len).max().unwrap_or(0);
        for (start, _) in &mut taps.spans {
            *start -= taps.first;
        }
        taps
    }

    /// Normalises the weights of one output, rounds them to fixed point and appends them.
    fn push(&mut self, start: usize, exact: &[f64]) {
        let sum: f64 = exact.iter().sum();
        let one = f64::from(1u32 << WEIGHT_BITS);
        let fixed = exact.iter().map(|&weight| {
            let scaled = if sum == 0.0 { weight } else { weight / sum } * one;
            (scaled + 0.5f64.copysign(scaled)) as i32
        });
        self.weights.extend(fixed);
        self.spans.push((start, exact.len()));
        self.weights.resize(self.spans.len() * self.reach, 0);
    }

    /// Number of outputs.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Input positions that any output reads.
    pub(crate) fn source(&self) -> Range<usize> {
        self.first..self.end
    }

    /// First input position of an output, counted from `source().start`, and its weights.
    pub(super) fn of(&self, output: usize) -> (usize, &[i32]) {
        let (start, len) = self.spans[output];
        (start, &self.weights[output * self.reach..][..len])
    }
}

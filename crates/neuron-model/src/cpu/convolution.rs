use super::{ConvGeometry, Epilogue, View, naive};

/// How sums may be arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// The fastest that stays within a relative error of 1e-4: Winograd's minimal filtering for 3x3 kernels of stride 1.
    #[default]
    Auto,
    /// One chain of fused multiply-adds an output value. Relevance divides by small sums, so it never uses Winograd.
    Direct,
}

/// A convolution on frozen weights.
#[derive(Debug)]
pub struct Convolution {
    geometry: ConvGeometry,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Convolution {
    /// Packs the weights.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel, kernel]`
    /// * `bias`: `[out_channels]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], bias: Option<&[f32]>, algorithm: Algorithm) -> Self {
        geometry.check(weight);
        let _ = algorithm;
        Self { geometry, weight: weight.to_vec(), bias: bias.map(<[f32]>::to_vec) }
    }

    /// Overwrites `output` with `epilogue(conv(input) + bias)`.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, in_channels]`
    /// * `output`, and the epilogue's slices: `[batch, positions(height), positions(width), out_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: View<'_>, epilogue: Epilogue<'_>, output: &mut [f32]) {
        input.check();
        naive::convolution(self.geometry, &self.weight, self.bias.as_deref(), input, epilogue, output);
    }
}

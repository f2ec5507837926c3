use super::{Algorithm, ConvGeometry, TransposeEpilogue, View, naive};

/// The gradient of a convolution with respect to its input, on frozen weights.
#[derive(Debug)]
pub struct ConvolutionTranspose {
    geometry: ConvGeometry,
    weight: Vec<f32>,
}

impl ConvolutionTranspose {
    /// Packs the weights of the *forward* convolution.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel, kernel]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], algorithm: Algorithm) -> Self {
        geometry.check(weight);
        let _ = algorithm;
        Self { geometry, weight: weight.to_vec() }
    }

    /// Overwrites `output` with `epilogue(conv^T(gradient))`.
    ///
    /// `height` and `width` are those of the forward convolution's input, which several sizes share one output of.
    ///
    /// # Shapes
    /// * `gradient`: `[batch, positions(height), positions(width), out_channels]`
    /// * `output`, and the epilogue's slices: `[batch, height, width, in_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(
        &self,
        gradient: View<'_>,
        height: usize,
        width: usize,
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        gradient.check();
        naive::transpose(self.geometry, &self.weight, gradient, (height, width), epilogue, output);
    }
}

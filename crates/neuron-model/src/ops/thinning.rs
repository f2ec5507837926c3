use neuron_kernels::ConvGeometry;

/// Which positions of maps a call finds and which it computes: every n-th line and column from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thinning {
    /// Of the input.
    pub(crate) input: usize,
    /// Of the output.
    pub(crate) output: usize,
}

impl Thinning {
    /// How a convolution slides over the positions that are there, to those that are wanted.
    pub(crate) fn of(self, geometry: ConvGeometry) -> ConvGeometry {
        geometry.with_stride_times([self.output, self.input])
    }
}

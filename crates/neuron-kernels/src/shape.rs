use neuron_geometry::Window;

/// Channels-last activations `[batch, height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Number of items.
    pub batch: usize,
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
    /// Channels of a position.
    pub channels: usize,
    /// The values, `batch * height * width * channels` of them.
    pub data: &'a [f32],
}

impl<'a> View<'a> {
    /// A view of exactly `data`.
    ///
    /// # Panics
    /// If `data` is not `batch * height * width * channels` long.
    pub fn new(batch: usize, height: usize, width: usize, channels: usize, data: &'a [f32]) -> Self {
        let view = Self { batch, height, width, channels, data };
        view.check();
        view
    }

    /// Values of one item.
    pub fn item_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The fields are public, so every kernel checks them before it trusts them.
    pub(super) fn check(&self) {
        let Self { batch, height, width, channels, data } = self;
        let expected = batch * height * width * channels;
        assert_eq!(data.len(), expected, "view of [{batch}, {height}, {width}, {channels}]");
    }
}

/// The shape of a convolution's weights, `[out_channels, in_channels / groups, kernel, kernel]`, and how it slides.
///
/// A [`ConvolutionTranspose`](super::ConvolutionTranspose) is described by the forward convolution it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Distance of neighbouring windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Number of groups that the channels are split into, each convolved by itself.
    pub groups: usize,
}

impl ConvGeometry {
    /// How the kernel slides.
    pub fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Positions along an axis of `len`, of the output.
    pub fn positions(&self, len: usize) -> usize {
        self.window().positions(len)
    }

    /// Shape of the weights, `[out_channels, in_channels / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel]
    }

    /// Number of weights.
    pub fn weight_len(&self) -> usize {
        self.out_channels * (self.in_channels / self.groups) * self.kernel * self.kernel
    }

    pub(super) fn check(&self, weight: &[f32]) {
        assert!(self.kernel > 0 && self.stride > 0 && self.groups > 0, "degenerate convolution {self:?}");
        let divisible =
            self.in_channels.is_multiple_of(self.groups) && self.out_channels.is_multiple_of(self.groups);
        assert!(divisible, "channels are not a multiple of the groups in {self:?}");
        assert_eq!(weight.len(), self.weight_len(), "number of weights of {self:?}");
    }
}

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

    /// The values in torch's order, `[batch, channels, height, width]`.
    pub fn channels_first(&self) -> impl Iterator<Item = f32> + 'a {
        let (channels, item_len) = (self.channels, self.item_len());
        let items = self.data.chunks_exact(item_len.max(1));
        items.flat_map(move |item| {
            (0..channels).flat_map(move |channel| item.iter().skip(channel).step_by(channels).copied())
        })
    }

    /// Height and width of a map.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The fields are public, so every kernel checks them before it trusts them.
    pub(super) fn check(&self) {
        let Self { batch, height, width, channels, data } = self;
        let expected = batch * height * width * channels;
        assert_eq!(data.len(), expected, "view of [{batch}, {height}, {width}, {channels}]");
    }
}

/// The shape of a convolution's weights, `[out_channels, in_channels / groups, kernel height, kernel width]`, and how
/// it slides.
///
/// A [`ConvolutionTranspose`](super::ConvolutionTranspose) is described by the forward convolution it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ConvGeometry {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Number of groups that the channels are split into, each convolved by itself.
    pub groups: usize,
    /// How the kernel slides; never in ceil mode.
    pub window: Window,
}

impl ConvGeometry {
    /// Height and width of the output for an input of `size`.
    pub fn positions(&self, size: [usize; 2]) -> [usize; 2] {
        self.window.positions(size)
    }

    /// Shape of the weights, `[out_channels, in_channels / groups, kernel height, kernel width]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        let [height, width] = self.window.kernel;
        [self.out_channels, self.in_channels / self.groups, height, width]
    }

    /// Number of weights.
    pub fn weight_len(&self) -> usize {
        self.weight_shape().iter().product()
    }

    /// Whether every position of the output sees all channels of one position of the input, the same one.
    pub fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.window;
        self.groups == 1 && (kernel, stride, padding) == ([1; 2], [1; 2], [0; 2])
    }

    /// The same, with so many times the stride.
    ///
    /// # Panics
    /// If a new stride is not a whole number.
    #[must_use]
    pub fn with_stride_times(&self, [factor, divisor]: [usize; 2]) -> Self {
        let stride = self.window.stride.map(|stride| {
            assert!((stride * factor).is_multiple_of(divisor), "{factor} / {divisor} of stride {stride}");
            stride * factor / divisor
        });
        Self { window: Window { stride, ..self.window }, ..*self }
    }

    /// Whether [`Algorithm::Auto`](crate::Algorithm::Auto) may arrange the sums otherwise than in one chain: a 3x3 kernel of
    /// stride and dilation 1.
    pub fn is_minimally_filtered(&self) -> bool {
        let Window { kernel, stride, dilation, .. } = self.window;
        (kernel, stride, dilation) == ([3; 2], [1; 2], [1; 2])
            && self.in_channels >= 16
            && !self.is_depthwise()
    }

    /// Channels of a group, in and out.
    pub(super) fn group(&self) -> [usize; 2] {
        [self.in_channels / self.groups, self.out_channels / self.groups]
    }

    /// Whether every channel has a kernel of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group() == [1, 1]
    }

    pub(super) fn check(&self, weight: &[f32]) {
        let Window { kernel, stride, dilation, ceil_mode, .. } = self.window;
        let positive = [kernel, stride, dilation].iter().flatten().all(|value| *value > 0);
        assert!(positive && self.groups > 0 && !ceil_mode, "degenerate convolution {self:?}");
        let divisible =
            self.in_channels.is_multiple_of(self.groups) && self.out_channels.is_multiple_of(self.groups);
        assert!(divisible, "channels are not a multiple of the groups in {self:?}");
        assert_eq!(weight.len(), self.weight_len(), "number of weights of {self:?}");
    }
}

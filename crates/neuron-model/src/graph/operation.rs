use neuron_geometry::{ReceptiveField, Window};

use super::MapShape;
use neuron_kernels::ConvGeometry;

/// What a node computes. Adding an architecture needs at most one more of these, never a second walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The normalised image, with this many channels.
    Input {
        /// 3 for RGB.
        channels: usize,
    },
    /// A convolution without bias; tensor `<name>.weight`.
    Convolution(ConvGeometry),
    /// A frozen batch norm; tensors `<name>.{weight,bias,running_mean,running_var}`.
    BatchNorm {
        /// Channels of input and output.
        channels: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// Maximum over windows; padding never wins.
    MaxPool(Window),
    /// Elementwise sum of two maps; input 0 is the main path, input 1 the shortcut.
    Add,
    /// Mean over all positions.
    GlobalAveragePool,
    /// A fully connected layer with bias on a 1x1 map; tensors `<name>.{weight,bias}`.
    Linear {
        /// Channels of the input.
        in_features: usize,
        /// Channels of the output.
        out_features: usize,
    },
}

impl Operation {
    /// The output's shape for an input's (the first one's, if there are two); 0 positions where nothing fits.
    pub(crate) fn output_shape(&self, input: MapShape) -> MapShape {
        let slide = |channels: usize, window: Window| {
            let [height, width] = window.positions([input.height, input.width]);
            MapShape { channels, height, width }
        };
        match *self {
            Self::Input { channels } => MapShape { channels, ..input },
            Self::Convolution(geometry) => slide(geometry.out_channels, geometry.window),
            Self::MaxPool(window) => slide(input.channels, window),
            Self::GlobalAveragePool => MapShape { height: 1, width: 1, ..input },
            Self::Linear { out_features, .. } => MapShape { channels: out_features, ..input },
            Self::BatchNorm { .. } | Self::Relu | Self::Add => input,
        }
    }

    /// The output's receptive field for an input's; `None` once a position sees the whole image.
    pub(super) fn receptive_field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        match *self {
            Self::Convolution(geometry) => Some(input.then(geometry.window)),
            Self::MaxPool(window) => Some(input.then(window)),
            Self::GlobalAveragePool => None,
            Self::Input { .. } | Self::BatchNorm { .. } | Self::Relu | Self::Add | Self::Linear { .. } => {
                Some(input)
            }
        }
    }

    /// Channels of the output, where the operation sets them.
    pub(crate) fn channels(&self) -> Option<usize> {
        match *self {
            Self::Input { channels } | Self::BatchNorm { channels } => Some(channels),
            Self::Convolution(geometry) => Some(geometry.out_channels),
            Self::Linear { out_features, .. } => Some(out_features),
            Self::Relu | Self::MaxPool(_) | Self::Add | Self::GlobalAveragePool => None,
        }
    }

    /// Names and shapes of the operation's tensors.
    pub(super) fn tensors(&self, name: &str) -> Vec<(String, Vec<usize>)> {
        match *self {
            Self::Convolution(geometry) => vec![(format!("{name}.weight"), geometry.weight_shape().to_vec())],
            Self::BatchNorm { channels } => ["weight", "bias", "running_mean", "running_var"]
                .map(|tensor| (format!("{name}.{tensor}"), vec![channels]))
                .to_vec(),
            Self::Linear { in_features, out_features } => vec![
                (format!("{name}.weight"), vec![out_features, in_features]),
                (format!("{name}.bias"), vec![out_features]),
            ],
            Self::Input { .. } | Self::Relu | Self::MaxPool(_) | Self::Add | Self::GlobalAveragePool => {
                Vec::new()
            }
        }
    }
}

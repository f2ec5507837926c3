//! The operations of networks, one file each: parameters, shape, tensors, receptive field, what a backward pass reads,
//! and how the CPU computes it both ways.
//!
//! An operation is a value ([`Operation`]); its behaviour is behind [`Op`], and for the CPU behind `HostOp`. The list at
//! the end of this file is the only one: everything else asks an operation.

mod activation;
mod adaptive_average_pool;
mod add;
mod attention;
mod average_pool;
mod batch_norm;
mod channel_reduction;
mod channel_shuffle;
mod channel_slice;
mod choice;
mod concatenation;
mod convolution;
mod cross_attention;
pub mod cubic;
mod custom;
mod depth_to_space;
mod enlarge;
mod exchange;
mod flatten;
mod gate;
mod global_average_pool;
mod global_max_pool;
mod global_sum;
mod grid_selection;
mod group_norm;
mod host;
mod input;
mod layer_norm;
mod layer_scale;
mod linear;
mod matrix_product;
mod max_pool;
mod means;
mod moves;
mod multiply;
mod names;
mod numbers;
mod op;
mod pad;
mod patch_merging;
mod pointwise;
mod position_table;
mod product;
mod rearrangement;
mod relu;
mod rescale;
mod rms_norm;
mod scatter;
mod softmax;
mod space_to_depth;
mod spread;
mod sums;
mod table_product;
mod thinning;
mod token_insertion;
mod token_join;
mod token_selection;

pub(crate) use host::{
    Backward, Bf16Forward, Bf16Input, Bf16Shortcut, Forward, HostOp, Pool, Signal, Size, Weighted,
};
pub(crate) use thinning::Thinning;

pub use crate::error::ShapeError;
pub use attention::{Places, Reach, Similarity};
pub use enlarge::Interpolation;
pub use linear::Stored;
pub use names::Suffix;
pub use op::{Op, Saves, TensorSpec};
pub use pad::Filling;
pub use pointwise::Function;
pub use position_table::Enlargement;
pub use rearrangement::{MOST_STEPS, Step, StepAxis};

use serde::{Deserialize, Serialize};

use crate::rule::Rule;
use crate::value::Shape;
use product::Sliding;

/// Makes the enum, its kinds, and the one match that leads to an operation's behaviour.
macro_rules! operations {
    ($($(#[$doc:meta])* $module:ident :: $name:ident,)+) => {
        $(pub use $module::$name;)+

        /// What a node computes.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $name($name),)+
        }

        /// A kind of operation, without its parameters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum OpKind {
            $($(#[$doc])* $name,)+
        }

        impl OpKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }

        impl Operation {
            /// Its kind.
            pub fn kind(&self) -> OpKind {
                match self { $(Self::$name(_) => OpKind::$name,)+ }
            }

            pub(crate) fn host(&self) -> &dyn HostOp {
                match self { $(Self::$name(operation) => operation,)+ }
            }
        }

        $(impl From<$name> for Operation {
            fn from(operation: $name) -> Self {
                Self::$name(operation)
            }
        })+
    };
}

operations! {
    /// The normalised image.
    input::Input,
    /// A convolution.
    convolution::Convolution,
    /// A frozen batch norm.
    batch_norm::BatchNorm,
    /// `max(x, 0)`
    relu::Relu,
    /// Maximum over windows.
    max_pool::MaxPool,
    /// Elementwise sum of two maps.
    add::Add,
    /// Mean over all positions.
    global_average_pool::GlobalAveragePool,
    /// A fully connected layer.
    linear::Linear,
    /// A function of every value by itself.
    activation::Activation,
    /// Mean over windows.
    average_pool::AveragePool,
    /// Means over bins, so many that the output has a fixed size.
    adaptive_average_pool::AdaptiveAveragePool,
    /// The channels of several maps.
    concatenation::Concatenation,
    /// Some neighbouring channels.
    channel_slice::ChannelSlice,
    /// Channels dealt out among groups.
    channel_shuffle::ChannelShuffle,
    /// A map as the channels of one position.
    flatten::Flatten,
    /// Every channel times one number that the network computes.
    gate::Gate,
    /// Every channel times a weight.
    layer_scale::LayerScale,
    /// Each position's channels by their own mean and variance.
    layer_norm::LayerNorm,
    /// The pixels by constants.
    rescale::Rescale,
    /// Each position's mean of others' values, by how alike they are.
    attention::Attention,
    /// Each position's mean of another map's values, by how alike they are.
    cross_attention::CrossAttention,
    /// Positions as channels, and channels as positions.
    exchange::Exchange,
    /// Values in another order.
    rearrangement::Rearrangement,
    /// Products of matrices that the network computes.
    matrix_product::MatrixProduct,
    /// Every value times a weight of its own.
    table_product::TableProduct,
    /// Extra positions that were computed apart.
    token_join::TokenJoin,
    /// Learned vectors as extra positions.
    token_insertion::TokenInsertion,
    /// One position.
    token_selection::TokenSelection,
    /// A learned vector for every position.
    position_table::PositionTable,
    /// 2 x 2 positions as one.
    patch_merging::PatchMerging,
    /// The positions of a grid without the extra ones before it.
    grid_selection::GridSelection,
    /// Rows and columns around a map.
    pad::Pad,
    /// Neighbouring positions as the channels of one.
    space_to_depth::SpaceToDepth,
    /// Channels as neighbouring positions.
    depth_to_space::DepthToSpace,
    /// Positions with zeros between them.
    scatter::Scatter,
    /// A larger map.
    enlarge::Enlarge,
    /// One position, or one channel, everywhere.
    spread::Spread,
    /// Elementwise product of two maps.
    multiply::Product,
    /// Of two maps the one that a third chooses.
    choice::Choice,
    /// Channels as parts of a whole.
    softmax::Softmax,
    /// A function of every value by itself that few networks have.
    pointwise::Pointwise,
    /// Maximum over all positions.
    global_max_pool::GlobalMaxPool,
    /// Sum over all positions.
    global_sum::GlobalSum,
    /// Each position's channels as one number.
    channel_reduction::ChannelReduction,
    /// Each position's channels by the root of their mean square.
    rms_norm::RmsNorm,
    /// Groups of channels by their mean and variance.
    group_norm::GroupNorm,
}

/// Values of one item's map: no memory holds as many, and what is computed with fewer does not overflow.
const MOST_VALUES: usize = 1 << 40;

impl Operation {
    /// What it is.
    pub fn op(&self) -> &dyn Op {
        self.host()
    }

    /// Whether it is a product of its input and weights.
    pub fn is_product(&self) -> bool {
        self.op().sliding().is_some()
    }

    /// Whether it is a function that makes a unit silent, at 0 wherever what it reads is below.
    pub(crate) fn can_be_silent(&self) -> bool {
        use neuron_kernels::Activation::{Relu, Relu6};
        match self {
            Self::Pointwise(Pointwise { function: Function::Clamp { low, .. } }) => *low == 0.0,
            _ => matches!(self.op().activation(), Some(Relu | Relu6)),
        }
    }

    /// Whether a signal can pass it by a rule on the CPU.
    pub fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Custom(_)) || self.op().knows(rule)
    }

    /// Passes a signal from the output to each input, in their order, by the rule of the call.
    pub(crate) fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let Rule::Custom(rule) = call.rule else { return self.host().backward(call, signal, pool) };
        let sliding = self.op().sliding().map(|geometry| Sliding { weights: call.weights, geometry });
        custom::backward(&**rule, call, sliding, signal, pool)
    }

    /// Shape of the output, with the number of inputs checked.
    ///
    /// # Errors
    /// Those of [`Op::shape`].
    pub fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.op().arity(), inputs.len());
        if expected != found {
            return Err(ShapeError::Arity { expected, found });
        }
        let shape = self.op().shape(inputs)?;
        let Shape { channels, height, width, .. } = shape;
        match shape.len() {
            0 => Err(ShapeError::TooSmall),
            len if len > MOST_VALUES => Err(ShapeError::TooLarge { channels, height, width }),
            _ => Ok(shape),
        }
    }
}

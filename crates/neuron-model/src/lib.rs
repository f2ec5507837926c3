#![doc = include_str!("../README.md")]

mod activations;
mod arithmetic;
mod backward;
mod composite;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod device_event;
mod error;
mod executor;
mod families;
mod finite;
mod graph;
mod images;
mod nearest;
mod network;
mod opening;
pub mod ops;
mod plan;
mod prepared;
mod rule;
mod session;
mod traversal;
mod value;
pub mod weights;

pub use arithmetic::{Arithmetic, Engine, ParsePrecisionError, Precision};
pub use backward::{Attributed, Attribution, Attributor, BackwardPass, RelevanceMethod, UnknownMethod};
#[cfg(feature = "cuda")]
pub use backward::{DeviceSignal, OnDevice};
pub use composite::Composite;
#[cfg(feature = "cuda")]
pub use cuda::{Argument, Arriving, DeviceMemory, DeviceView, KernelSource, Readback, Scalar};
pub use device::{Device, DeviceRequest, ParseDeviceError};
pub use device_event::{DeviceEvent, Observer};
pub use error::{Cause, DeviceError, GraphError, ModelError, Unsupported};
pub use families::{Architecture, Fit};
pub use finite::first_not_finite;
pub use graph::{Absent, CellInfo, Graph, GraphBuilder, GraphRecord, Node, Tap, TapInfo, UsualLayers};
pub use images::{ByteImages, ChannelsFirst, ChannelsLast, ImageRange, Images};
pub use network::Network;
pub use neuron_geometry::{ReceptiveField, Window};
pub use neuron_kernels::{
    Algorithm, ConvGeometry, UnknownIsa, View, bf16_is_fast, check_isa, has_matrix_instructions,
};
pub use ops::{OpKind, Operation};
pub use plan::Plan;
pub use prepared::Part;
pub use rule::{CustomRule, PixelRange, Rule, Site};
pub use session::Session;
pub use value::{Keep, NodeId, Positions, Reduction, Scored, Scoring, Shape, Tapped};
pub use weights::Weights;

/// The README's example and the programs of `docs/embedding.md` compile.
#[cfg(doctest)]
mod programs {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/embedding.md")]
    struct Embedding;
}

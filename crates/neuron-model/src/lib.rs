//! Vision networks with named taps: forward pass, input gradient and relevance on frozen weights.
//!
//! A [`Network`] is a [`Graph`] of named operations and its [`Weights`]. Any module output that torchvision would
//! name can be *tapped*; one pass serves several taps and stops at the deepest.
//!
//! ```no_run
//! use candle_core::{DType, Device, Tensor};
//! use neuron_model::Network;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::open("resnet50", "weights/resnet50.safetensors".as_ref())?;
//! let images = Tensor::zeros((2, 3, 224, 224), DType::F32, &Device::Cpu)?;
//! let maps = network.activations(&images, &["layer3", "layer4.2.conv2"])?;
//! assert_eq!(maps[0].dims(), [2, 1024, 14, 14]);
//! # Ok(())
//! # }
//! ```

mod arithmetic;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod error;
mod executor;
mod families;
mod finite;
mod graph;
mod images;
mod kernels;
mod matching;
mod network;
mod opening;
mod plan;
mod reverse;
mod session;
pub mod weights;

pub use device::{
    Arithmetic, Device, DeviceError, DeviceEvent, DeviceRequest, Engine, Observer, ParseDeviceError,
    ParsePrecisionError, Precision,
};
pub use error::ModelError;
pub use families::{Architecture, Fit};
pub use finite::{Cause, first_not_finite};
pub use graph::{Absent, Graph, GraphBuilder, MapShape, Node, NodeId, Operation, Tap, TapInfo};
pub use images::{ByteImages, ChannelsFirst, ChannelsLast, Images};
pub use matching::{Distribution, Matched, Matcher, Matching, RANKS_TOGETHER};
pub use network::Network;
pub use neuron_kernels::{Algorithm, ConvGeometry, View};
pub use plan::{Keep, Plan};
pub use reverse::{
    Attribution, ConvolutionSite, Gradient, GuidedBackprop, KnownRule, LrpZPlus, PixelRange, RelevanceMethod,
    Reversal, Rule, Scratch, UnknownMethod, attribute, relevance,
};
pub use session::{Reduction, Scored, Session, Tapped};
pub use weights::Weights;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

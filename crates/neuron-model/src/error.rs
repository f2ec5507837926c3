//! What can go wrong in this crate.

use std::path::PathBuf;

use crate::device::DeviceError;
use crate::finite::Cause;
use crate::weights::{TorchError, WeightsProblems};

/// Everything this crate can fail with.
///
/// A message does not repeat that of its [`source`](std::error::Error::source): print the whole chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A weights file could not be read.
    #[error("cannot read the weights file {}", path.display())]
    ReadWeights {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file of tensors could not be written; nothing was left behind.
    #[error("cannot write {}", path.display())]
    WriteWeights {
        /// The file that should have been written.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The bytes are neither safetensors nor a torch checkpoint.
    #[error(
        "{} is not a weights file: it holds {found}; expected safetensors or a torch checkpoint (.pth)",
        path.display()
    )]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// What its first bytes look like.
        found: String,
    },
    /// The file begins like safetensors but its content is not valid.
    #[error("{} is a damaged or truncated safetensors file; fetch or convert it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// The file is a torch checkpoint that cannot be read.
    #[error("cannot read the torch checkpoint {}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TorchError,
    },
    /// A floating-point tensor is stored in a type that is not read.
    #[error("tensor {tensor} is stored as {dtype}; save it as float32, float16 or bfloat16")]
    UnsupportedDtype {
        /// The tensor.
        tensor: String,
        /// The name of its type.
        dtype: String,
    },
    /// A tensor's shape and the number of its elements disagree.
    #[error("tensor {tensor} has shape {shape:?} but {elements} elements")]
    ElementCount {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The number of elements it holds.
        elements: usize,
    },
    /// The weights are not those of the network: every disagreement, at once.
    #[error("{problems}")]
    WrongWeights {
        /// The disagreements.
        problems: WeightsProblems,
    },
    /// No network of that name is known.
    #[error("unknown architecture {name}; known are {known}")]
    UnknownArchitecture {
        /// What was asked for.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// The network has no module of that name.
    #[error("unknown layer {tap}; the nearest names are {}", nearest.join(", "))]
    UnknownTap {
        /// What was asked for.
        tap: String,
        /// The most similar names of the network.
        nearest: Vec<String>,
    },
    /// A window of the network does not fit into so small an image.
    #[error(
        "an image of {height} x {width} pixels is too small at {layer}; the smallest is {smallest} x {smallest}"
    )]
    ImageTooSmall {
        /// The operation that has no output.
        layer: String,
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// Side of the smallest square image that works.
        smallest: usize,
    },
    /// The layer has fewer channels than that.
    #[error("{tap} has no channel {channel}; its channels are 0 to {}", channels - 1)]
    UnknownChannel {
        /// The layer.
        tap: String,
        /// What was asked for.
        channel: usize,
        /// Number of its channels.
        channels: usize,
    },
    /// A value of a tap is NaN or infinite: nothing can be ranked, drawn or optimised by it.
    #[error(
        "channel {channel} of {tap} is {value} on image {item} of those that were computed together; {cause}"
    )]
    NotFinite {
        /// Index of the image in its batch.
        item: usize,
        /// The layer.
        tap: String,
        /// Its channel.
        channel: usize,
        /// The value.
        value: f32,
        /// Where it may come from.
        cause: Cause,
    },
    /// A GPU failed.
    #[error(transparent)]
    Device {
        /// What went wrong.
        #[from]
        source: DeviceError,
    },
    /// The threads of the network could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// A tensor that was passed in has the wrong shape or type.
    #[error("images must be f32 of shape [batch, 3, height, width]")]
    Images {
        /// What candle said.
        source: candle_core::Error,
    },
}

impl ModelError {
    /// Whether a GPU's memory was too small: fewer items at a time may fit.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Device { source: DeviceError::OutOfMemory { .. } })
    }
}

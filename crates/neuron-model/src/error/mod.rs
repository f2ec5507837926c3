//! What can go wrong in this crate.

mod cause;
mod device;
mod graph;
mod shape;
mod torch;
mod unsupported;
mod weights;

pub use cause::Cause;
pub use device::DeviceError;
pub use graph::GraphError;
pub use shape::ShapeError;
pub use torch::TorchError;
pub use unsupported::Unsupported;
pub use weights::{WeightsProblem, WeightsProblems};

use std::fmt;
use std::path::PathBuf;

use crate::value::Keep;

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
    /// A folder was named in the place of a weights file.
    #[error("{} is a folder, not a weights file; {}", path.display(), InFolder(files))]
    WeightsFolder {
        /// The folder.
        path: PathBuf,
        /// The names of weights files in it.
        files: Vec<String>,
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
    /// The file is one of several that hold the weights together, and their index is not beside it.
    #[error(
        "{} is one of several files that hold the weights together; put all of them and their index {} beside it",
        path.display(),
        index.display()
    )]
    Shard {
        /// The file.
        path: PathBuf,
        /// Where the index was looked for.
        index: PathBuf,
    },
    /// The index of weights in several files is not usable.
    #[error("{} is no usable index of weights: {problem}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file holds no weights under the name that was asked for.
    #[error("{} holds no weights under {key:?}; it holds them under {}", path.display(), Names(known))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        key: String,
        /// Names under which it holds weights; the empty one is the outermost dictionary.
        known: Vec<String>,
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
    /// The weights' metadata choose none of the forms that the network has.
    #[error(
        "the weights' metadata say {key} = {value:?}: expected {} or {}, or nothing", expected[0], expected[1]
    )]
    WrongMetadata {
        /// The key.
        key: &'static str,
        /// What the weights say.
        value: String,
        /// What they may say.
        expected: [&'static str; 2],
    },
    /// No network of that name is known.
    #[error("unknown architecture {name}; the nearest names are {}", nearest.join(", "))]
    UnknownArchitecture {
        /// What was asked for.
        name: String,
        /// The most similar names that are known.
        nearest: Vec<String>,
    },
    /// The network has no module of that name.
    #[error("unknown layer {tap}; the nearest names are {}", nearest.join(", "))]
    UnknownTap {
        /// What was asked for.
        tap: String,
        /// The most similar names of the network.
        nearest: Vec<String>,
    },
    /// Several modules have that name if dots and underscores are not told apart.
    #[error("layer {tap} may be {}; name the one that is meant", candidates.join(" or "))]
    AmbiguousTap {
        /// What was asked for.
        tap: String,
        /// The names that may be meant.
        candidates: Vec<String>,
    },
    /// The weights do not hold the tensors of this layer, which others are not computed from.
    #[error(
        "layer {tap} cannot be computed: the weights hold no {}; every layer below it works",
        missing.join(" and no ")
    )]
    AbsentTap {
        /// What was asked for.
        tap: String,
        /// The tensors that it would need and that are not there.
        missing: Vec<String>,
    },
    /// A window of the network does not fit into so small an image.
    #[error("an image of {height} x {width} pixels is too small at {layer}; {}", Smallest(*smallest))]
    ImageTooSmall {
        /// The operation that has no output.
        layer: String,
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// Side of the smallest square image that works; `None` if none of a usual size does.
        smallest: Option<usize>,
    },
    /// The network takes images of one size, and these are of another.
    #[error(
        "the network takes images of {} x {} pixels only, and these are {height} x {width}",
        only[0],
        only[1]
    )]
    OnlySize {
        /// Height and width of the images that it takes.
        only: [usize; 2],
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
    },
    /// A layer has no class token to look at.
    #[error("{tap} has no class token: all positions of its maps belong to a grid")]
    NoClassToken {
        /// The layer.
        tap: String,
    },
    /// Values of the network do not fit together for images of that size.
    #[error("images of {height} x {width} pixels do not fit at {layer}")]
    Shape {
        /// The operation that has no output.
        layer: String,
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// Why not.
        source: ShapeError,
    },
    /// The operations of a graph do not fit together.
    #[error("the graph is not a network")]
    Graph {
        /// Where.
        #[from]
        source: GraphError,
    },
    /// What cannot be computed on the device, or passed by its rule: all of it at once.
    #[error("not everything can be computed: {}", Listed(list))]
    Unsupported {
        /// The operations.
        list: Vec<Unsupported>,
    },
    /// A session keeps less of its forward passes than a backward pass reads.
    #[error("the session keeps {keeps:?}, the rules read {needs:?}")]
    NotKept {
        /// What it keeps.
        keeps: Keep,
        /// What it would have to keep.
        needs: Keep,
    },
    /// A tap that another network gave.
    #[error("{tap} is a tap of another network; ask this one for its own by that name")]
    ForeignTap {
        /// Its name.
        tap: String,
    },
    /// A layer whose values are needed is not one of the session's taps.
    #[error("{tap} is not a tap of the session, or nothing has run yet")]
    NotTapped {
        /// The layer.
        tap: String,
    },
    /// There is not one channel for each item of the batch.
    #[error("{found} channels for a batch of {expected}")]
    Items {
        /// Items of the batch.
        expected: usize,
        /// How many channels were given.
        found: usize,
    },
    /// The layer has fewer channels than that.
    #[error("{tap} has no channel {channel}; {}", Range(*channels))]
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
        source: std::io::Error,
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

/// Everything that cannot be computed.
struct Listed<'a>(&'a [Unsupported]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, unsupported) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{unsupported}")?;
        }
        Ok(())
    }
}

/// What to name instead of a folder.
struct InFolder<'a>(&'a [String]);

impl fmt::Display for InFolder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no weights file is in it"),
            files => write!(f, "name one of those in it: {}", Names(files)),
        }
    }
}

/// Names in quotes.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            if name.is_empty() {
                write!(f, "{comma}no name (ask for none)")?;
            } else {
                write!(f, "{comma}{name:?}")?;
            }
        }
        Ok(())
    }
}

/// The smallest square image that works, by its side, if there is one.
struct Smallest(Option<usize>);

impl fmt::Display for Smallest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no square image of a usual size works"),
            Some(side) => write!(f, "the smallest is {side} x {side}"),
        }
    }
}

/// The channels there are, of this many.
struct Range(usize);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(1) {
            None => f.write_str("it has none"),
            Some(last) => write!(f, "its channels are 0 to {last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_without_channels_has_a_message_too() {
        let message =
            |channels| ModelError::UnknownChannel { tap: "fc".to_owned(), channel: 7, channels }.to_string();
        assert_eq!(message(0), "fc has no channel 7; it has none");
        assert_eq!(message(3), "fc has no channel 7; its channels are 0 to 2");
    }
}

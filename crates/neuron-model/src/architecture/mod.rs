//! The networks that are known by name, each a description from which a [`Graph`] is built.

mod fit;
mod resnet;

pub use fit::Fit;
pub use resnet::{Block, ResNet};

use crate::error::ModelError;
use crate::graph::Graph;
use crate::weights::Weights;

/// A known network.
///
/// A new family (DenseNet, VGG, ConvNeXt) is a new variant with a description of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// A residual network of torchvision's.
    ResNet(ResNet),
}

impl Architecture {
    /// The names of every known network.
    pub fn names() -> impl Iterator<Item = &'static str> {
        resnet::TABLE.iter().map(|(name, _)| *name)
    }

    /// The network of that name (torchvision's: `resnet50`, `resnext50_32x4d`).
    ///
    /// # Errors
    /// [`ModelError::UnknownArchitecture`] with the names that are known.
    pub fn from_name(name: &str) -> Result<Self, ModelError> {
        let known = resnet::TABLE.iter().find(|(known, _)| *known == name);
        known.map(|(_, resnet)| Self::ResNet(*resnet)).ok_or_else(|| ModelError::UnknownArchitecture {
            name: name.to_owned(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The graph of this network as `weights` fill it.
    ///
    /// The weights decide what the name leaves open: the number of classes by the shape of the classifier, and
    /// by the metadatum `stride_in_1x1` where a bottleneck's stride sits. Without its classifier a network ends
    /// below it ([`Graph::absent`]).
    pub fn graph(&self, weights: &Weights) -> Graph {
        match self {
            Self::ResNet(resnet) => resnet.graph(weights),
        }
    }
}

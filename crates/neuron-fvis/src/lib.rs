#![doc = include_str!("../README.md")]

mod activation_term;
mod adam;
mod aim;
mod anchor;
mod checkpoint;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod facets;
mod features;
mod item;
mod layer_target;
mod layer_weights;
mod matching;
mod objective;
mod optimizer;
mod parametrisation;
mod planes;
mod prior;
mod random;
mod ranking;
mod rendering;
mod schedule;
mod settings;
mod view;
mod warp;
mod weighting;

pub use activation_term::ActivationTerm;
pub use aim::Aim;
pub use checkpoint::CheckpointState;
pub use error::FvisError;
pub use facets::{FacetCount, Facets, ParseFacetCountError, relevant_channels};
pub use item::{Item, Step};
pub use layer_target::LayerTarget;
pub use layer_weights::{LayerWeights, ParseLayerWeightsError};
pub use objective::{Distance, ItemDistance, Objective};
pub use optimizer::{Event, Optimizer};
pub use parametrisation::{Parametrisation, UnknownParametrisation};
pub use prior::{ImagePriors, PriorLoss};
pub use rendering::Rendering;
pub use schedule::{Phase, Preset, Schedule};
pub use settings::{Settings, Start, Unit};
pub use view::Shift;
pub use warp::Transforms;
pub use weighting::FeatureWeighting;

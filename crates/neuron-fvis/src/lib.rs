//! VITAL feature visualisation.

mod adam;
mod checkpoint;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod features;
mod item;
mod layer_weights;
mod matching;
mod objective;
mod optimizer;
mod planes;
mod prior;
mod random;
mod ranking;
mod rendering;
mod schedule;
mod settings;
mod view;
mod weighting;

pub use checkpoint::CheckpointState;
pub use error::FvisError;
pub use item::{Item, Step};
pub use layer_weights::{LayerWeights, ParseLayerWeightsError};
pub use objective::{Distance, ItemDistance, LayerTarget, Objective};
pub use optimizer::{Event, Optimizer};
pub use prior::{ImagePriors, PriorLoss};
pub use rendering::Rendering;
pub use schedule::{Phase, Preset, Schedule};
pub use settings::{Settings, Start, Unit};
pub use view::Shift;
pub use weighting::FeatureWeighting;

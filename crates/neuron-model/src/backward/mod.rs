//! Passing a signal back through a graph after a forward pass: gradients and relevance.
//!
//! Input gradients, guided backpropagation and layer-wise relevance propagation go the same way through the same graph;
//! only the [rule](crate::Rule) at each operation differs ([`Composite`](crate::Composite)).

mod attribution;
mod attributor;
mod host;
#[cfg(feature = "cuda")]
mod on_device;
mod pass;
mod seed;

pub use attribution::{Attribution, RelevanceMethod, UnknownMethod};
pub use attributor::{Attributed, Attributor};
#[cfg(feature = "cuda")]
pub use on_device::{DeviceSignal, OnDevice};
pub use pass::BackwardPass;

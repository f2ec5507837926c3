//! Passing a signal back through a graph after a forward pass: gradients and relevance.
//!
//! Input gradients, guided backpropagation and layer-wise relevance propagation go the same way through the same graph;
//! only the [rule](crate::Rule) at each operation differs ([`Composite`](crate::Composite)).

mod attribution;
mod attributor;
mod host;
mod pass;
mod route;
mod start;
mod traverse;

pub use attribution::{Attribution, RelevanceMethod, UnknownMethod};
pub use attributor::{Attributed, Attributor};
pub use pass::BackwardPass;

#[cfg(feature = "cuda")]
pub(crate) use attribution::Finish;
#[cfg(feature = "cuda")]
pub(crate) use start::Start;
#[cfg(feature = "cuda")]
pub(crate) use traverse::{Crossing, SignalOps, traverse};

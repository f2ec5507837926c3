//! What runs a plan: the CPU engine, or GPUs.
//!
//! A [`Session`](crate::Session) and the backward passes through a graph know a plan and its values by node; where the
//! values are and what computes them is an executor's business.

#[cfg(any(feature = "cuda", test))]
pub(crate) mod blocks;
mod host;
mod interface;

pub(crate) use host::Host;
#[cfg(feature = "cuda")]
pub(crate) use interface::reduced;
pub(crate) use interface::{Executor, Signals};

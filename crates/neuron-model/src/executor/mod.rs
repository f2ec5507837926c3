//! What runs a plan: the CPU engine, or GPUs.
//!
//! A [`Session`](crate::Session) and the backward passes through a graph know a plan and its values by node; where the
//! values are and what computes them is an executor's business.

mod bf16;
#[cfg(any(feature = "cuda", test))]
mod blocks;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod host;
mod interface;
mod reading;
mod sized;
mod stages;
mod thinned;

pub(crate) use bf16::Bf16Host;
pub(crate) use host::Host;
pub(crate) use interface::{Executor, Signals};

//! The way of a signal back through a graph, whatever the signal is and wherever it lies.

mod route;
mod start;
mod traverse;

pub(crate) use start::Start;
pub(crate) use traverse::{Crossing, SignalOps, check, traverse};

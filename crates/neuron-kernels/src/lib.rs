//! The arithmetic of frozen convolution networks on the CPU, without a graph.
//!
//! Everything here works on channels-last `f32` activations in slices that the caller owns and reuses. Weights are
//! packed once. All functions run on the ambient rayon pool: wrap a whole forward pass in `pool.install`.
//!
//! An item's result has the same bits whatever the batch it came in, the number of threads and the instruction set.
//!
//! The fastest instruction set of the machine is found at run time; the environment variable `NEURON_ISA` (`avx512`,
//! `avx2`, `neon`, `portable`) asks for another one, for comparison.
//!
//! Shapes are the caller's responsibility: a slice of the wrong length is a bug and panics.

mod convolution;
mod direct;
mod elementwise;
mod epilogue;
mod kernel;
#[cfg(test)]
mod naive;
mod packed;
mod parallel;
mod pool;
mod reduce;
mod scatter;
mod shape;
mod strided;
mod transpose;
mod winograd;

pub use convolution::{Algorithm, Convolution};
pub use elementwise::{
    add, clamp_negative, copy, relu, scale_by_channel, scale_shift, split_by_magnitude, update,
};
pub use epilogue::{Epilogue, Gate, TransposeEpilogue};
pub use kernel::Buffer;
pub use pool::{AveragePool, Divisor, MaxPool, UnsupportedPool, global_average_pool};
pub use reduce::{reduce_max, reduce_mean};
pub use shape::{ConvGeometry, View};
pub use transpose::ConvolutionTranspose;

#[cfg(test)]
mod tests;

#![doc = include_str!("../README.md")]
//!
//! # For callers
//!
//! Everything here works in slices that the caller owns and reuses. Loops are shared among the threads of
//! `neuron-threads`: wrap a whole forward pass in `pool.install`. The environment variable `NEURON_ISA` (`avx512`,
//! `avx2`, `neon`, `portable`) asks for another instruction set than the fastest, for comparison. It decides the bits of
//! bf16 convolutions: those names, and `amx`, ask for the arithmetic of tiles ([`Bf16Arithmetic`]), `avx512bf16` and the
//! names with `-pairs` behind (`avx2-pairs`) for that of pairs, on every machine with the instructions.
//!
//! Shapes are the caller's responsibility: a slice of the wrong length is a bug and panics.

mod activation;
mod attention;
mod bf16;
mod chain;
mod channels;
mod convolution;
mod depthwise;
mod direct;
mod elementwise;
mod epilogue;
mod gate;
mod grid;
mod microkernel;
#[cfg(test)]
mod naive;
mod normalise;
mod packed;
mod pool;
mod positions;
mod reduce;
mod shape;
mod tasks;
mod transpose;
mod wide;
mod winograd;

pub use activation::{Activation, activate, activation_gradient, activation_gradient_guided};
pub use attention::{
    Attention, Neighbourhoods, Similarity, attention, attention_gradient, attention_transpose,
};
pub use bf16::{
    Bf16Arithmetic, Bf16Convolution, Bf16Epilogue, Bf16Output, Bf16Residual, Bf16View, Terms,
    bf16_arithmetic, bf16_is_fast, bf16_max_pool, check_isa, has_matrix_instructions, round_into, widen_into,
};
pub use chain::{Link, convolve_chain};
pub use channels::{
    concatenate, flatten_channels_first, put_channels, shuffle_channels, take_channels,
    unflatten_channels_first,
};
pub use convolution::{Algorithm, Convolution};
pub use elementwise::{
    add, clamp_negative, copy, scale_by_channel, scale_shift, split_by_magnitude, split_by_value, stabilised,
    update,
};
pub use epilogue::{Epilogue, Gate, TransposeEpilogue};
pub use gate::{gate_gradient, multiply_by_gate, scale_by_gate};
pub use microkernel::{Aligned, Bf16Buffer, Buffer, Number, UnknownIsa};
pub use normalise::{layer_norm, layer_norm_gradient};
pub use pool::{AdaptiveAveragePool, AveragePool, Divisor, MaxPool, UnsupportedPool, global_average_pool};
pub use positions::{
    add_to_items, insert_positions, merge_patches, put_positions, split_patches, take_positions,
    thin_positions,
};
pub use reduce::{reduce_max, reduce_mean};
pub use shape::{ConvGeometry, View};
pub use transpose::ConvolutionTranspose;

#[cfg(test)]
mod tests;

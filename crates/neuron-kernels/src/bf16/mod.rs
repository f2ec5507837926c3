//! Convolutions whose factors are bf16 numbers and whose sums are f32.
//!
//! # The arithmetic
//!
//! A value stands as one bf16 number ([`Terms::One`]) or as the sum of two ([`Terms::Two`]: the nearest, and the nearest
//! to what is left). Rounding is to nearest, ties to even; what is smaller than 2^-56 counts as 0. An output value
//! begins as its bias. Its products are taken 32 at a time, in the order of kernel rows, columns and channels: the sum
//! of those at even places and the sum of those at odd places, each one chain of fused multiply-adds from 0, are added
//! to one another, and then to the value. With two terms, each 32 products are taken three times: high by high, low by
//! high, high by low.
//!
//! That is what `tdpbf16ps` of Intel's AMX computes. Everybody else computes the same bits with fused multiply-adds of
//! f32: since nothing smaller than 2^-56 is a factor, no product and no sum on the way can be denormal, and it makes no
//! difference that AMX takes denormal numbers for 0.

#[cfg(target_arch = "x86_64")]
mod amx;
mod bands;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod convolution;
mod engine;
#[cfg(target_arch = "x86_64")]
mod epilogue;
mod fused;
mod map;
mod number;
mod packed;
mod pool;
mod task;
#[cfg(test)]
mod tests;

pub use convolution::{Bf16Convolution, Bf16Epilogue, Bf16Output};
pub use engine::has_matrix_instructions;
pub use map::Bf16View;
pub use number::{Terms, round_into, widen_into};
pub use pool::bf16_max_pool;

//! Convolutions whose factors are bf16 numbers and whose sums are f32.
//!
//! # The arithmetics
//!
//! A value stands as one bf16 number ([`Terms::One`]) or as the sum of two ([`Terms::Two`]: the nearest, and the nearest
//! to what is left). Rounding is to nearest, ties to even; what is smaller than 2^-56 then counts as 0. An output value
//! begins as its bias, and one smaller than 2^-102 counts as 0. Its products are taken 32 at a time, in the order of
//! kernel rows, columns and channels. With two terms, each 32 products are taken three times: low by high, high by high,
//! high by low, an order in which each of the four factors is loaded once. How they are added to the value is one of two
//! things ([`Bf16Arithmetic`]):
//!
//! * **Tiles**, as `tdpbf16ps` of Intel's AMX does: the sum of those at even places and the sum of those at odd places,
//!   each one chain of fused multiply-adds from 0, are added to one another, and then to the value.
//! * **Pairs**, as `vdpbf16ps` of AVX-512 does: they are added to the value by one chain of fused multiply-adds, in which
//!   the members of each pair of an even and the next odd place are swapped: 1, 0, 3, 2, and so on to 31, 30.
//!
//! Everybody else computes the same bits with fused multiply-adds of f32. Both instructions take denormal numbers for 0,
//! but there are none: factors are multiples of 2^-63, as they have 8 significant bits and are no smaller than 2^-56, so
//! products are multiples of 2^-126, and biases are multiples of 2^-125. Sums of these are multiples of 2^-126, rounded or
//! not: they are 0, or at least the smallest number that is not denormal, even where terms cancel. For the same reason
//! no sum is ever -0, and products that are 0 may be left out.

#[cfg(target_arch = "x86_64")]
mod amx;
mod arithmetic;
mod bands;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod convolution;
#[cfg(target_arch = "x86_64")]
mod dot;
mod engine;
#[cfg(target_arch = "x86_64")]
mod epilogue;
mod frozen;
mod fused;
mod map;
mod number;
mod packed;
mod pass;
mod pool;
mod pooled;
mod rounding;
mod task;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vectors;

pub use arithmetic::Bf16Arithmetic;
pub use convolution::{Bf16Convolution, Bf16Epilogue, Bf16Output, Bf16Residual};
pub use engine::{bf16_arithmetic, bf16_is_fast, check_isa, has_matrix_instructions};
pub use map::Bf16View;
pub use number::Terms;
pub use pool::bf16_max_pool;
pub use rounding::{round_into, widen_into};

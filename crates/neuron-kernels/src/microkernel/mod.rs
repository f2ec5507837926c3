//! Everything `unsafe` of the CPU backend: vector instructions, and outputs that tasks share.
//!
//! The functions that leave this module are safe, but for [`apply_to_rows`]: they check that slices are long enough before
//! they hand pointers to a microkernel, and outputs are only ever cut into disjoint parts.
//!
//! From the ground up: [`lanes`] are the vectors of each instruction set; [`tile`], [`depthwise`], [`winograd`],
//! [`epilogue`], [`activation`], [`normalise`], [`attention`], [`elementwise`], [`wide`] and [`pool`] are the microkernels, generic over
//! them; [`isa`] is the table of those compiled for each set; [`gemm`], [`strip`], [`line`], [`transform`], [`heads`],
//! [`pixels`] and [`wide_rows`] call them on slices. [`block`], [`places`], [`buffer`] and [`memory`] are the memory that they work on.

mod activation;
mod attention;
mod block;
mod buffer;
mod depthwise;
mod elementwise;
mod epilogue;
mod gemm;
mod heads;
mod isa;
mod lanes;
mod line;
mod memory;
mod minimal;
mod normalise;
mod pixels;
mod places;
mod pool;
mod strip;
mod tile;
mod transform;
mod wide;
mod wide_rows;
mod winograd;

pub use activation::Activation;
pub(super) use block::{Axis, BlockMut, Cells, MatrixMut, Split, share};
pub(super) use buffer::with_scratch;
pub use buffer::{Aligned, Bf16Buffer, Buffer, Number};
pub(super) use epilogue::{FullEpilogue, Last};
pub(super) use gemm::{Panels, Rows, Stage, gemm};
pub(super) use heads::{Similarities, pack_flipped, pass_through_units, soften, to_slopes, to_units};
pub use isa::UnknownIsa;
pub(super) use isa::{Isa, wanted};
pub(super) use line::{
    RowsInPlace, activate_line, add_line, apply_to_line, apply_to_rows, normalise_line, normalise_line_back,
    pass_line_back, scale_line, scale_line_in_place, scale_shift_line,
};
pub(super) use minimal::{F2_KERNEL, F4_KERNEL};
pub(super) use pixels::{pool_pixels, pool_pixels_max, sum_positions};
pub(super) use places::{Members, OUTSIDE, Places, Shares};
pub(super) use pool::Pooling;
pub(super) use strip::{Pixels, Positions, Windows, convolve_strip, copy_strip};
pub(super) use transform::{Map, Products, transform_input, transform_output};
pub(super) use wide_rows::{wide_panel, wide_sums};
pub(super) use winograd::Size;

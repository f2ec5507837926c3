//! Everything `unsafe` of the CPU backend: vector instructions, and outputs that tasks share.
//!
//! The functions of this module are safe: they check that slices are long enough before they hand pointers to a
//! kernel, and outputs are only ever cut into disjoint parts.

mod block;
mod buffer;
mod finish;
mod gemm;
mod isa;
mod lanes;
mod minimal;
mod tile;
mod winograd;

pub(super) use block::{Axis, BlockMut, Cells, MatrixMut, Split, share};
pub use buffer::Buffer;
pub(super) use buffer::with_scratch;
pub(super) use finish::{Finish, Operation, finish_line};
pub(super) use gemm::{Panels, Rows, Stage, gemm};
pub(super) use isa::Isa;
pub(super) use minimal::{F2_KERNEL, F4_KERNEL};
pub(super) use winograd::{Map, Size, input as winograd_input, output as winograd_output};

//! The engine on NVIDIA GPUs: the same plans, with values that stay on the device.
//!
//! Convolutions are cuDNN's, channels-last; everything else is a small kernel of our own (`kernels.cu`), compiled by
//! NVRTC when a GPU is opened. The libraries are opened at run time: building needs none, and a program starts
//! without them.
//!
//! Each GPU computes on one stream, so that every kernel sees what the one before it wrote; images come on another
//! ([`upload`]), and results leave ([`readback`]) while the next are computed. **None of this has run on
//! a GPU yet**: `docs/gpu.md` lists what is unchecked, and the command that checks it.

mod algorithm;
pub(crate) mod argument;
pub(crate) mod convolution;
mod cudnn;
pub(crate) mod device_weights;
pub(crate) mod element;
#[cfg(test)]
mod emulated;
mod errors;
pub(crate) mod gpu;
pub(crate) mod kernels;
pub(crate) mod memory;
pub(crate) mod pinned;
pub(crate) mod readback;
mod signature;

pub use argument::Argument;
pub(crate) use device_weights::DeviceWeights;
pub(crate) use gpu::Gpu;
pub use kernels::KernelSource;
pub use memory::{DeviceMemory, DeviceView, Scalar};
pub use readback::{Arriving, Readback};

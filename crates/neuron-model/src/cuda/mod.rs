//! NVIDIA GPUs: their memory, cuDNN's convolutions, and kernels of our own.
//!
//! Convolutions are channels-last; everything that cuDNN does not compute is a small kernel (`kernels.cu`), compiled by
//! NVRTC when a GPU is opened. The libraries are opened at run time: building needs none, and a program starts
//! without them. What runs a plan on this is `executor::cuda`.
//!
//! Each GPU computes on one stream, so that every kernel sees what the one before it wrote; images come on another, and
//! results leave ([`readback`]) while the next are computed. `docs/gpu.md` lists
//! what was checked on which GPU, and the command that checks it.

mod algorithm;
pub(crate) mod argument;
pub(crate) mod capability;
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

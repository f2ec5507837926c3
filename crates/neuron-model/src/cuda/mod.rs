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
mod backward;
mod capability;
mod convolution;
mod cudnn;
mod device_weights;
mod element;
#[cfg(test)]
mod emulated;
mod errors;
mod executor;
mod gpu;
mod gpu_run;
mod kernels;
mod matching;
mod memory;
mod pinned;
mod readback;
mod relevance;
mod signature;
mod steps;
mod upload;

pub(crate) use device_weights::DeviceWeights;
pub(crate) use executor::Gpus;
pub(crate) use gpu::Gpu;

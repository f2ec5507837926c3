//! The engine on NVIDIA GPUs: the same plans, with values that stay on the device.
//!
//! Convolutions are cuDNN's, channels-last; everything else is a small kernel of our own (`kernels.cu`), compiled by
//! NVRTC when a GPU is opened. The libraries are opened at run time: building needs none, and a program starts
//! without them.
//!
//! Each GPU computes on one stream, so that every kernel sees what the one before it wrote; images come on another
//! ([`staging`]), and results leave ([`landing`]) while the next are computed. **None of this has run on
//! a GPU yet**: `docs/gpu.md` lists what is unchecked, and the command that checks it.

mod algorithm;
mod at;
mod backward;
mod convolution;
mod cudnn;
mod element;
#[cfg(test)]
mod emulated;
mod forward;
mod frozen;
mod gpu;
mod kernels;
mod landing;
mod lane;
mod loading;
mod matching;
mod pinned;
mod relevance;
mod staging;
mod steps;

pub(crate) use forward::Gpus;
pub(crate) use frozen::Frozen;
pub(crate) use gpu::Gpu;

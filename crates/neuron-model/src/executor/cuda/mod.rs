//! Plans on NVIDIA GPUs, with values that stay there.

mod backward;
mod gpus;
mod relevance;
mod run;
mod start;
mod steps;
mod upload;

pub(crate) use backward::pass_there;
pub(crate) use gpus::{DeviceRun, Gpus};
pub(crate) use run::GpuRun;
pub(crate) use start::signal;

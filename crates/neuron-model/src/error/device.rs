use crate::arithmetic::Precision;

/// What can go wrong with a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// This program was built without CUDA.
    #[error("this build has no CUDA; build with `--features cuda`, or compute on the CPU")]
    NotBuilt,
    /// The device does not compute in that precision.
    #[error("{device} has no {precision}: it computes in {has}")]
    Precision {
        /// What was asked for.
        precision: Precision,
        /// The device.
        device: &'static str,
        /// What it has.
        has: &'static str,
    },
    /// A library of NVIDIA's is not there.
    #[error("{library} is not there: {way_out}, or compute on the CPU")]
    NoLibrary {
        /// The library.
        library: &'static str,
        /// What to install or set.
        way_out: &'static str,
    },
    /// The machine has no GPU of that number.
    #[error("there is no GPU {gpu}: the driver finds {count}; compute on another, or on the CPU")]
    NoGpu {
        /// The number that was asked for.
        gpu: usize,
        /// How many there are.
        count: usize,
    },
    /// A GPU's memory is full.
    #[error("the memory of GPU {gpu} is full; take fewer images at a time, or close what else uses it")]
    OutOfMemory {
        /// Number of the GPU.
        gpu: usize,
    },
    /// A call failed.
    #[error("GPU {gpu} failed: {doing}")]
    Failed {
        /// Number of the GPU.
        gpu: usize,
        /// What was being done.
        doing: &'static str,
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

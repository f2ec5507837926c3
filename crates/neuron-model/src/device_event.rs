use std::fmt;
use std::sync::Arc;

use crate::arithmetic::Precision;
use crate::error::DeviceError;

/// Something that happens to a device and that a user should know.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// No GPU could be used: the CPU computes.
    FellBack {
        /// Why.
        reason: DeviceError,
    },
    /// A GPU cannot compute some operations of a network: the CPU computes all of it, in f32.
    NoKernel {
        /// The network.
        network: String,
        /// The operations, each kind once.
        operations: Vec<String>,
    },
    /// The CPU computes the bits of a precision without the instructions that would make it fast.
    Slow {
        /// The precision.
        precision: Precision,
    },
    /// A batch did not fit into a GPU's memory: it goes on with half of it at a time.
    BatchHalved {
        /// Number of the GPU.
        gpu: usize,
        /// Items at a time that did not fit.
        from: usize,
        /// Items at a time from now on.
        to: usize,
    },
    /// cuDNN has no way to compute a convolution: a kernel of our own does, which is slower.
    NoAlgorithm {
        /// Number of the GPU.
        gpu: usize,
        /// Forward or backward.
        direction: &'static str,
        /// Its shape.
        convolution: String,
    },
}

/// Is told of events.
pub type Observer = Arc<dyn Fn(&DeviceEvent) + Send + Sync>;

impl fmt::Display for DeviceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FellBack { reason } => write!(f, "computing on the CPU: {reason}"),
            Self::NoKernel { network, operations } => write!(
                f,
                "computing {network} on the CPU, in f32: there is no kernel for GPUs for {}",
                operations.join(", ")
            ),
            Self::Slow { precision } => write!(
                f,
                "this processor has no instructions that make {precision} fast (AMX, or for bf16 AVX-512 BF16 of AMD): it has the same bits as elsewhere, but f32 is faster"
            ),
            Self::BatchHalved { gpu, from, to } => {
                write!(f, "the memory of GPU {gpu} does not hold {from} images at a time: going on with {to}")
            }
            Self::NoAlgorithm { gpu, direction, convolution } => {
                write!(f, "GPU {gpu}: cuDNN has no {direction} {convolution}: a slower kernel computes it")
            }
        }
    }
}

//! Where a network computes.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "cuda")]
use std::sync::Arc;

use neuron_kernels::{Bf16Arithmetic, bf16_arithmetic, bf16_is_fast, has_matrix_instructions};

use crate::arithmetic::{Arithmetic, Engine, Precision};
#[cfg(feature = "cuda")]
use crate::cuda::Gpu;
use crate::device_event::{DeviceEvent, Observer};
use crate::error::DeviceError;

/// A wish for a place to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The first GPU where this build and the machine have one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs of these numbers, each once and at least one.
    Cuda(Vec<usize>),
}

/// A place to compute: the CPU, or one or more GPUs.
#[derive(Clone, Default)]
pub struct Device {
    /// None: the CPU.
    #[cfg(feature = "cuda")]
    pub(crate) gpus: Vec<Arc<Gpu>>,
    precision: Precision,
}

impl DeviceRequest {
    /// Opens the device; what it has to say then and later goes to `observer`.
    ///
    /// # Errors
    /// [`DeviceError`] if a GPU was asked for and cannot be used, or the device does not compute in that precision.
    pub fn open(&self, precision: Precision, observer: &Observer) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Device::cpu(precision, observer),
            Self::Cuda(gpus) => Device::open(gpus, precision, observer),
            // A precision of the CPU alone is a wish for the CPU.
            Self::Auto if precision == Precision::Bf16x3 => Device::cpu(precision, observer),
            Self::Auto => Device::open(&[0], precision, observer).or_else(|reason| {
                observer(&DeviceEvent::FellBack { reason });
                // What only GPUs round is exact here.
                let precision = if precision == Precision::Tf32 { Precision::F32 } else { precision };
                Device::cpu(precision, observer)
            }),
        }
    }
}

impl Device {
    /// Whether the CPU computes.
    pub fn is_cpu(&self) -> bool {
        self.gpus() == 0
    }

    /// Number of GPUs; 0 if the CPU computes.
    pub fn gpus(&self) -> usize {
        #[cfg(feature = "cuda")]
        return self.gpus.len();
        #[cfg(not(feature = "cuda"))]
        0
    }

    /// What decides the bits of a result beside its inputs.
    pub fn arithmetic(&self) -> Arithmetic {
        let by_pairs = || self.precision.terms().is_some() && bf16_arithmetic() == Bf16Arithmetic::Pairs;
        let engine = match self.is_cpu() {
            true if by_pairs() => Engine::CpuByPairs,
            true => Engine::Cpu,
            false => Engine::Cuda,
        };
        Arithmetic { engine, precision: self.precision }
    }

    fn cpu(precision: Precision, observer: &Observer) -> Result<Self, DeviceError> {
        match precision {
            Precision::F32 => {}
            Precision::Tf32 => {
                return Err(DeviceError::Precision {
                    precision,
                    device: "the CPU",
                    has: "f32, bf16 and bf16x3",
                });
            }
            Precision::Bf16 if bf16_is_fast() => {}
            // Three products for one: pairs of products are no faster than f32 then.
            Precision::Bf16x3 if has_matrix_instructions() => {}
            Precision::Bf16 | Precision::Bf16x3 => observer(&DeviceEvent::Slow { precision }),
        }
        Ok(Self {
            #[cfg(feature = "cuda")]
            gpus: Vec::new(),
            precision,
        })
    }

    #[cfg(feature = "cuda")]
    fn open(gpus: &[usize], precision: Precision, observer: &Observer) -> Result<Self, DeviceError> {
        if precision == Precision::Bf16x3 {
            return Err(DeviceError::Precision { precision, device: "a GPU", has: "f32, tf32 and bf16" });
        }
        let open = |gpu: &usize| Gpu::open(*gpu, precision, observer.clone()).map(Arc::new);
        Ok(Self { gpus: gpus.iter().map(open).collect::<Result<_, _>>()?, precision })
    }

    #[cfg(not(feature = "cuda"))]
    fn open(_: &[usize], _: Precision, _: &Observer) -> Result<Self, DeviceError> {
        Err(DeviceError::NotBuilt)
    }
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDeviceError {
    /// It is none of the known forms.
    #[error("expected auto, cpu, cuda, cuda:N or cuda:N,M")]
    Unknown,
    /// The number of a GPU is none.
    #[error("{found:?} is not the number of a GPU")]
    NotANumber {
        /// What stands in its place.
        found: String,
    },
    /// A GPU is named more than once.
    #[error("GPU {gpu} is named twice")]
    Twice {
        /// Its number.
        gpu: usize,
    },
}

impl FromStr for DeviceRequest {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, ParseDeviceError> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(vec![0])),
            Some(("cuda", numbers)) => numbers.split(',').try_fold(Vec::new(), with_gpu).map(Self::Cuda),
            _ => Err(ParseDeviceError::Unknown),
        }
    }
}

/// Adds the GPU that `number` names.
fn with_gpu(mut gpus: Vec<usize>, number: &str) -> Result<Vec<usize>, ParseDeviceError> {
    let gpu = number.parse().map_err(|_| ParseDeviceError::NotANumber { found: number.to_owned() })?;
    if gpus.contains(&gpu) {
        return Err(ParseDeviceError::Twice { gpu });
    }
    gpus.push(gpu);
    Ok(gpus)
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(gpus) => {
                let numbers: Vec<String> = gpus.iter().map(usize::to_string).collect();
                write!(f, "cuda:{}", numbers.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn requests_parse_as_they_print() {
        for text in ["auto", "cpu", "cuda:0", "cuda:2", "cuda:1,0,3"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceRequest::Cuda(vec![0])));
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for text in ["gpu", "cuda:", "cuda:x", "cuda:0,", "cuda:-1", "cpu:0", "auto:1", "CUDA"] {
            assert!(text.parse::<DeviceRequest>().is_err(), "{text}");
        }
        assert_eq!("cuda:1,1".parse::<DeviceRequest>(), Err(ParseDeviceError::Twice { gpu: 1 }));
    }

    #[test]
    fn the_cpu_needs_nothing_and_says_nothing() {
        let observer: Observer = Arc::new(|event| panic!("{event}"));
        let device = DeviceRequest::Cpu.open(Precision::F32, &observer).unwrap();
        assert!(device.is_cpu() && device.arithmetic() == Arithmetic::default());
    }

    /// Holds where there is no GPU of that number, that is: everywhere.
    #[test]
    fn a_gpu_that_is_not_there_is_an_error_and_auto_falls_back_aloud() {
        let silent: Observer = Arc::new(|_| {});
        let error = DeviceRequest::Cuda(vec![4096]).open(Precision::F32, &silent).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("on the CPU"), "{error}");

        let said = Arc::new(std::sync::Mutex::new(Vec::new()));
        let record = said.clone();
        let observer: Observer = Arc::new(move |event| record.lock().unwrap().push(event.to_string()));
        let device = DeviceRequest::Auto.open(Precision::F32, &observer).unwrap();
        assert_eq!(device.is_cpu(), said.lock().unwrap().len() == 1, "{:?}", said.lock());
    }
}

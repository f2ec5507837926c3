//! What NVIDIA's libraries answer, as errors that name the GPU and what was being done.

use cudarc::cudnn::result::CudnnError;
use cudarc::cudnn::sys::cudnnStatus_t;
use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUresult;

use crate::error::DeviceError;

/// Makes the errors of one GPU, which is named by its number.
#[derive(Clone, Copy)]
pub(crate) struct Errors(pub(crate) usize);

impl Errors {
    pub(crate) fn driver<T>(
        self,
        doing: &'static str,
        result: Result<T, DriverError>,
    ) -> Result<T, DeviceError> {
        result.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::OutOfMemory { gpu: self.0 },
            _ => self.failed(doing, error),
        })
    }

    pub(crate) fn cudnn<T>(
        self,
        doing: &'static str,
        result: Result<T, CudnnError>,
    ) -> Result<T, DeviceError> {
        result.map_err(|error| match error.0 {
            cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED => {
                DeviceError::OutOfMemory { gpu: self.0 }
            }
            _ => self.failed(doing, error),
        })
    }

    pub(crate) fn failed(
        self,
        doing: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> DeviceError {
        DeviceError::Failed { gpu: self.0, doing, source: Box::new(source) }
    }
}

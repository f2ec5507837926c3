//! Results on their way to the host, which arrive while the GPU computes on.

use cudarc::driver::{CudaSlice, DeviceRepr, ValidAsZeroBits};

use super::gpu::Gpu;
use super::pinned::Pinned;
use crate::device::DeviceError;

/// Memory of the host where results arrive, used again: to make it takes long.
pub(super) struct Landing<T> {
    spare: Vec<Pinned<T>>,
}

impl<T: DeviceRepr + ValidAsZeroBits + Clone> Landing<T> {
    pub(super) fn new() -> Self {
        Self { spare: Vec::new() }
    }

    /// Sends values behind everything that was started; they may be freed at once.
    pub(super) fn send(&mut self, gpu: &Gpu, values: &CudaSlice<T>) -> Result<Pinned<T>, DeviceError> {
        let spare = self.spare.iter().position(|spare| spare.len() == values.len());
        let mut landing = match spare {
            Some(spare) => self.spare.swap_remove(spare),
            None => Pinned::new(gpu, values.len())?,
        };
        landing.receive(gpu, gpu.stream(), values)?;
        Ok(landing)
    }

    /// Waits for values that were sent, not for what was started after them, and gives the first `len`.
    pub(super) fn take(&mut self, gpu: &Gpu, landed: Pinned<T>, len: usize) -> Result<Vec<T>, DeviceError> {
        let values = landed.read(gpu)?[..len].to_vec();
        self.spare.push(landed);
        Ok(values)
    }
}

//! Results on their way to the host, which arrive while the GPU computes on.

use super::gpu::Gpu;
use super::memory::{DeviceMemory, Scalar};
use super::pinned::Pinned;
use crate::device::DeviceError;

/// Memory of the host where results arrive, used again: to make it takes long.
pub(super) struct Readback<T> {
    spare: Vec<Pinned<T>>,
}

impl<T: Scalar> Readback<T> {
    pub(super) fn new() -> Self {
        Self { spare: Vec::new() }
    }

    /// Sends values behind everything that was started; they may be freed at once.
    pub(super) fn send(&mut self, gpu: &Gpu, values: &DeviceMemory<T>) -> Result<Pinned<T>, DeviceError> {
        let spare = self.spare.iter().position(|spare| spare.len() == values.len());
        let mut pinned = match spare {
            Some(spare) => self.spare.swap_remove(spare),
            None => Pinned::new(gpu, values.len())?,
        };
        pinned.receive(gpu, gpu.stream(), values)?;
        Ok(pinned)
    }

    /// Waits for values that were sent, not for what was started after them, and gives the first `len`.
    pub(super) fn take(&mut self, gpu: &Gpu, arriving: Pinned<T>, len: usize) -> Result<Vec<T>, DeviceError> {
        let values = arriving.read(gpu)?[..len].to_vec();
        self.spare.push(arriving);
        Ok(values)
    }
}

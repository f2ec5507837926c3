//! Results on their way to the host, which arrive while the GPU computes on.

use super::gpu::Gpu;
use super::memory::{DeviceMemory, Scalar};
use super::pinned::Pinned;
use crate::error::DeviceError;

/// Memory of the host where results arrive, used again: to make it takes long.
pub struct Readback<T> {
    spare: Vec<Pinned<T>>,
}

/// Values on their way to the host.
pub struct Arriving<T>(Pinned<T>);

impl<T> Default for Readback<T> {
    fn default() -> Self {
        Self { spare: Vec::new() }
    }
}

impl<T: Scalar> Readback<T> {
    /// Sends values behind everything that was started; they may be freed at once.
    pub(crate) fn send(&mut self, gpu: &Gpu, values: &DeviceMemory<T>) -> Result<Arriving<T>, DeviceError> {
        let spare = self.spare.iter().position(|spare| spare.len() == values.len());
        let mut pinned = match spare {
            Some(spare) => self.spare.swap_remove(spare),
            None => Pinned::new(gpu, values.len())?,
        };
        pinned.receive(gpu, gpu.stream(), values)?;
        Ok(Arriving(pinned))
    }

    /// Waits for values that were sent, not for what was started after them, and gives the first `len`.
    pub(crate) fn take(
        &mut self,
        gpu: &Gpu,
        Arriving(pinned): Arriving<T>,
        len: usize,
    ) -> Result<Vec<T>, DeviceError> {
        let values = pinned.read(gpu)?[..len].to_vec();
        self.spare.push(pinned);
        Ok(values)
    }
}

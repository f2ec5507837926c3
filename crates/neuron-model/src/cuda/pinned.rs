//! Memory of the host that a GPU copies from and to by itself, while the host does something else.

use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaStream, PinnedHostSlice};

use super::gpu::Gpu;
use super::memory::{DeviceMemory, Scalar};
use crate::error::DeviceError;

/// Pages that stay in place. Whoever looks at them, changes them or frees them waits for the last copy.
pub(crate) struct Pinned<T> {
    memory: PinnedHostSlice<T>,
    /// When the last copy is done. The event in `memory` is not recorded, as the context does not track uses.
    copied: CudaEvent,
}

impl<T: Scalar> Pinned<T> {
    /// `len` arbitrary values.
    pub(crate) fn new(gpu: &Gpu, len: usize) -> Result<Self, DeviceError> {
        let context = gpu.stream().context();
        // The host's caches stay in use: some images are written in several passes, and results are read.
        let flags = 0;
        // SAFETY: who takes it fills it, from the host or from the GPU, before anybody reads it.
        let memory = unsafe { context.alloc_pinned_with_flags(len.max(1), flags) };
        let memory = gpu.errors().driver("taking memory for copies", memory)?;
        Ok(Self { memory, copied: gpu.event()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// When the last copy is done.
    pub(crate) fn copied(&self) -> &CudaEvent {
        &self.copied
    }

    /// Waits for the last copy, and shows what it brought.
    pub(crate) fn read(&self, gpu: &Gpu) -> Result<&[T], DeviceError> {
        gpu.errors().driver("computing", self.copied.synchronize())?;
        gpu.errors().driver("computing", self.memory.as_slice())
    }

    /// Waits for the last copy, after which the values may change.
    pub(crate) fn write(&mut self, gpu: &Gpu) -> Result<&mut [T], DeviceError> {
        gpu.errors().driver("waiting for a copy", self.copied.synchronize())?;
        gpu.errors().driver("waiting for a copy", self.memory.as_mut_slice())
    }

    /// Starts a copy of the first `len` values to the GPU.
    pub(crate) fn send(
        &mut self,
        gpu: &Gpu,
        stream: &Arc<CudaStream>,
        len: usize,
        to: &mut DeviceMemory<T>,
    ) -> Result<(), DeviceError> {
        let values = &gpu.errors().driver("copying to it", self.memory.as_slice())?[..len];
        gpu.errors().driver("copying to it", stream.memcpy_htod(values, &mut to.0.slice_mut(..len)))?;
        gpu.errors().driver("copying to it", self.copied.record(stream))
    }

    /// Starts a copy from the GPU, of as many values.
    pub(crate) fn receive(
        &mut self,
        gpu: &Gpu,
        stream: &Arc<CudaStream>,
        from: &DeviceMemory<T>,
    ) -> Result<(), DeviceError> {
        assert_eq!(self.len(), from.len(), "a copy is as long as where it goes");
        gpu.errors().driver("copying from it", stream.memcpy_dtoh(&from.0, &mut self.memory))?;
        gpu.errors().driver("copying from it", self.copied.record(stream))
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // A GPU that failed copies no more.
        let _ = self.copied.synchronize();
    }
}

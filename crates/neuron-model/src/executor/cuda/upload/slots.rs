//! Images on their way to a GPU, so that they arrive while others are computed with.

use cudarc::driver::CudaEvent;

use crate::cuda::gpu::Gpu;
use crate::cuda::memory::{DeviceMemory, DeviceView, Scalar};
use crate::cuda::pinned::Pinned;
use crate::error::DeviceError;

/// Room for two blocks of images: while the GPU computes with one, the other is filled and sent.
pub(super) enum ImageSlots {
    /// As bytes, which the GPU looks up.
    Bytes(Slots<u8>),
    /// As the values themselves.
    Values(Slots<f32>),
}

impl ImageSlots {
    /// For blocks of up to `len` values.
    pub(super) fn new(gpu: &Gpu, len: usize, bytes: bool) -> Result<Self, DeviceError> {
        Ok(match bytes {
            true => Self::Bytes(Slots::new(gpu, len)?),
            false => Self::Values(Slots::new(gpu, len)?),
        })
    }
}

/// Two places for a block, filled in turns.
pub(super) struct Slots<T> {
    slots: [Slot<T>; 2],
    next: usize,
}

struct Slot<T> {
    host: Pinned<T>,
    device: DeviceMemory<T>,
    /// When the pass has taken it from here.
    taken: CudaEvent,
}

impl<T: Scalar> Slots<T> {
    fn new(gpu: &Gpu, len: usize) -> Result<Self, DeviceError> {
        Ok(Self { slots: [Slot::new(gpu, len)?, Slot::new(gpu, len)?], next: 0 })
    }

    /// The most values of a block.
    pub(super) fn len(&self) -> usize {
        self.slots[0].host.len()
    }

    /// Has `fill` write a block of `len` values, sends it, and has `take` start what reads it on the GPU.
    ///
    /// Waits until the block before the last one has left the host, not for anything that is computed.
    pub(super) fn send(
        &mut self,
        gpu: &Gpu,
        len: usize,
        fill: impl FnOnce(&mut [T]),
        take: impl FnOnce(DeviceView<'_>) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let Slot { host, device, taken } = &mut self.slots[self.next];
        self.next = 1 - self.next;
        fill(&mut host.write(gpu)?[..len]);
        let (stream, arrivals) = (gpu.stream(), gpu.arrivals());
        let ordered = |result| gpu.errors().driver("ordering its streams", result);
        ordered(arrivals.wait(taken))?;
        host.send(gpu, arrivals, len, device)?;
        ordered(stream.wait(host.copied()))?;
        take(device.view())?;
        ordered(taken.record(stream))
    }
}

impl<T: Scalar> Slot<T> {
    fn new(gpu: &Gpu, len: usize) -> Result<Self, DeviceError> {
        let slot = Self { host: Pinned::new(gpu, len)?, device: gpu.alloc(len)?, taken: gpu.event()? };
        // The memory is the stream's; the first copy into it must come after it was given.
        gpu.errors().driver("ordering its streams", slot.taken.record(gpu.stream()))?;
        Ok(slot)
    }
}

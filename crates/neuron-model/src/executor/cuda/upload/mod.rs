//! A block's images on their way into the input of a plan.

mod slots;

use crate::cuda::argument::Argument;
use crate::cuda::element::Element;
use crate::cuda::gpu::{Floats, Gpu};
use crate::cuda::memory::DeviceView;
use crate::error::DeviceError;
use crate::executor::blocks::Block;
use crate::images::Images;
use crate::network::Network;
use slots::ImageSlots;

/// What brings blocks of images, all of them as bytes or none.
pub(super) struct Upload {
    slots: ImageSlots,
    /// What the bytes of the last block stand for.
    table: Option<Table>,
}

struct Table {
    on_host: [[f32; 256]; 3],
    on_gpu: Floats,
}

/// Where images go.
pub(super) struct Input<'m> {
    pub(super) maps: DeviceView<'m>,
    pub(super) element: Element,
    /// Values of one image.
    pub(super) len: usize,
}

impl Upload {
    /// For blocks of up to `len` values, of bytes or not.
    pub(super) fn new(gpu: &Gpu, len: usize, bytes: bool) -> Result<Self, DeviceError> {
        Ok(Self { slots: ImageSlots::new(gpu, len, bytes)?, table: None })
    }

    /// Whether it can bring blocks of `len` values, of bytes or not, without holding much more memory than they need.
    pub(super) fn fits(&self, len: usize, bytes: bool) -> bool {
        let (is_of_bytes, most) = match &self.slots {
            ImageSlots::Bytes(slots) => (true, slots.len()),
            ImageSlots::Values(slots) => (false, slots.len()),
        };
        bytes == is_of_bytes && (len..2 * len).contains(&most)
    }

    /// Sends the block's images, written by the network's threads; what only fills the block is zeros.
    pub(super) fn load(
        &mut self,
        gpu: &Gpu,
        network: &Network,
        images: &dyn Images,
        block: Block,
        input: &Input<'_>,
    ) -> Result<(), DeviceError> {
        let Input { maps, element, len } = *input;
        let count = block.room * len;
        let launch = |name, arguments: &[Argument<'_>]| gpu.launch(element, name, count, arguments);
        let bytes = images.bytes();
        let Self { slots, table } = self;
        let table = bytes.as_ref().map(|bytes| table_of(table, gpu, bytes.lookup())).transpose()?;
        match (slots, bytes) {
            (ImageSlots::Bytes(slots), Some(bytes)) => slots.send(
                gpu,
                count,
                |room| {
                    let (used, unused) = room.split_at_mut(block.items * len);
                    unused.fill(0);
                    let pixels = bytes.pixels()[block.first * len..].chunks_exact(len);
                    let items = used.chunks_exact_mut(len).zip(pixels);
                    network.install(|| {
                        neuron_threads::for_each(items, |_, (room, pixels)| room.copy_from_slice(pixels));
                    });
                },
                |bytes| launch("look_up", &[bytes.into(), table.into(), maps.into()]),
            ),
            (ImageSlots::Values(slots), _) => slots.send(
                gpu,
                count,
                |room| {
                    let (used, unused) = room.split_at_mut(block.items * len);
                    unused.fill(0.0);
                    let items = used.chunks_exact_mut(len);
                    network.install(|| {
                        neuron_threads::for_each(items, |at, room| images.write(block.first + at, room));
                    });
                },
                |values| launch("to_maps", &[values.into(), maps.into()]),
            ),
            (ImageSlots::Bytes(_), None) => unreachable!("the slots were made for such images"),
        }
    }
}

/// The values that bytes stand for on the GPU: those of the last block, unless they are others.
fn table_of<'t>(
    table: &'t mut Option<Table>,
    gpu: &Gpu,
    values: &[[f32; 256]; 3],
) -> Result<DeviceView<'t>, DeviceError> {
    table.take_if(|table| table.on_host != *values);
    let table = match table {
        Some(table) => table,
        empty => {
            let on_gpu = gpu.upload(values.as_flattened())?;
            // The copy reads the host's memory until it is done.
            gpu.wait()?;
            empty.insert(Table { on_host: *values, on_gpu })
        }
    };
    Ok(table.on_gpu.view())
}

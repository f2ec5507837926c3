//! A block's images on their way into the input of a plan.

use rayon::prelude::*;

use super::at::Address;
use super::element::Element;
use super::gpu::{Floats, Gpu};
use super::kernels::Argument;
use super::staging::Staging;
use crate::device::DeviceError;
use crate::executor::blocks::Block;
use crate::images::Images;
use crate::network::Network;

/// What brings blocks of images, all of them as levels or none.
pub(super) struct Loading {
    staging: Staging,
    /// What the levels of the last block stand for.
    table: Option<Table>,
}

struct Table {
    on_host: [[f32; 256]; 3],
    on_gpu: Floats,
}

/// Where images go.
pub(super) struct Input {
    pub(super) maps: Address,
    pub(super) element: Element,
    /// Values of one image.
    pub(super) len: usize,
}

impl Loading {
    /// For blocks of up to `len` values, of levels or not.
    pub(super) fn new(gpu: &Gpu, len: usize, levels: bool) -> Result<Self, DeviceError> {
        Ok(Self { staging: Staging::new(gpu, len, levels)?, table: None })
    }

    /// Whether it can bring blocks of `len` values, of levels or not, without holding much more memory than they need.
    pub(super) fn fits(&self, len: usize, levels: bool) -> bool {
        let (is_of_levels, most) = match &self.staging {
            Staging::Levels(slots) => (true, slots.len()),
            Staging::Values(slots) => (false, slots.len()),
        };
        levels == is_of_levels && (len..2 * len).contains(&most)
    }

    /// Sends the block's images, written by the network's threads; what only fills the block is zeros.
    pub(super) fn load(
        &mut self,
        gpu: &Gpu,
        network: &Network,
        images: &dyn Images,
        block: Block,
        input: &Input,
    ) -> Result<(), DeviceError> {
        let Input { maps, element, len } = *input;
        let count = block.room * len;
        let launch = |name, arguments: &[Argument]| {
            // SAFETY: the addresses are those of the staging, of the table and of the input's buffer, which are as
            // long as the block.
            unsafe { gpu.kernels(element).launch(gpu.stream(), name, count, arguments) }
        };
        let levels = images.bytes();
        let table = match &levels {
            Some(levels) => self.table(gpu, levels.lookup())?,
            None => 0,
        };
        match (&mut self.staging, levels) {
            (Staging::Levels(slots), Some(levels)) => slots.send(
                gpu,
                count,
                |room| {
                    let (used, unused) = room.split_at_mut(block.items * len);
                    unused.fill(0);
                    let pixels = levels.pixels()[block.first * len..].par_chunks_exact(len);
                    let items = used.par_chunks_exact_mut(len).zip(pixels);
                    network.install(|| items.for_each(|(room, pixels)| room.copy_from_slice(pixels)));
                },
                |levels| launch("look_up", &[levels.into(), table.into(), maps.into()]),
            ),
            (Staging::Values(slots), _) => slots.send(
                gpu,
                count,
                |room| {
                    let (used, unused) = room.split_at_mut(block.items * len);
                    unused.fill(0.0);
                    let items = used.par_chunks_exact_mut(len).enumerate();
                    network.install(|| items.for_each(|(at, room)| images.write(block.first + at, room)));
                },
                |values| launch("to_maps", &[values.into(), maps.into()]),
            ),
            (Staging::Levels(_), None) => unreachable!("the staging was made for such images"),
        }
    }

    /// Where on the GPU the values of levels are.
    fn table(&mut self, gpu: &Gpu, values: &[[f32; 256]; 3]) -> Result<Address, DeviceError> {
        if self.table.as_ref().is_none_or(|table| table.on_host != *values) {
            let on_gpu = gpu.upload(values.as_flattened())?;
            // The copy reads the host's memory until it is done.
            gpu.wait()?;
            self.table = Some(Table { on_host: *values, on_gpu });
        }
        Ok(self.table.as_ref().map_or(0, |table| gpu.address(&table.on_gpu)))
    }
}

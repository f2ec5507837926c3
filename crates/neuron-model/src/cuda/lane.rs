use std::sync::Arc;

use cudarc::driver::{CudaSlice, PinnedHostSlice};
use rayon::prelude::*;

use super::forward::Given;
use super::frozen::{Form, Frozen, Values};
use super::gpu::{Address, Floats, Gpu};
use super::kernels::Argument;
use crate::device::DeviceError;
use crate::error::ModelError;
use crate::executor::blocks::Block;
use crate::graph::{Graph, MapShape, NodeId, Operation};
use crate::images::Images;
use crate::network::Network;
use crate::plan::{Keep, Layout, Plan};
use crate::session::Reduction;

/// What of a block comes back to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Each tap's maps.
    Maps,
    /// Each tap's maps, which the plan keeps until the end of the block.
    Kept,
    /// Each tap's maps, reduced.
    Scores(Reduction),
}

/// A plan with its buffers on one GPU.
pub(super) struct Lane {
    network: Network,
    plan: Plan,
    gpu: usize,
    memory: Option<Memory>,
}

/// Buffers for blocks of one size.
struct Memory {
    layout: Layout,
    size: (usize, usize),
    room: usize,
    buffers: Vec<Floats>,
    /// Positions of the maxima of each max-pool, where they are kept.
    argmax: Vec<Option<CudaSlice<u8>>>,
    /// Where images wait for the copy: in pages that stay in place, so that the GPU copies by itself.
    staging: PinnedHostSlice<f32>,
}

impl Lane {
    pub(super) fn new(network: Network, plan: Plan, gpu: usize) -> Self {
        Self { network, plan, gpu, memory: None }
    }

    pub(super) fn frozen(&self) -> &Frozen {
        &self.network.frozen()[self.gpu]
    }

    pub(super) fn gpu(&self) -> &Gpu {
        self.frozen().gpu()
    }

    pub(super) fn gpu_handle(&self) -> Arc<Gpu> {
        self.frozen().gpu_handle()
    }

    /// Weights in one of their forms.
    pub(super) fn values(&self, form: Form) -> Result<Arc<Values>, DeviceError> {
        self.frozen().get(self.network.graph(), self.network.kernels(), form)
    }

    /// Checks that images of that size are large enough.
    pub(super) fn check(&self, height: usize, width: usize) -> Result<(), ModelError> {
        self.plan.graph().shapes(self.plan.needed(), height, width).map(|_| ())
    }

    /// Shape of a node's map in the last block.
    pub(super) fn shape(&self, id: NodeId) -> MapShape {
        let layout = self.memory.as_ref().map(|memory| memory.layout.shape(id));
        layout.unwrap_or(MapShape { channels: 0, height: 0, width: 0 })
    }

    /// Items of the last block, with those that only fill it.
    pub(super) fn room(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.room)
    }

    /// Runs a block, and brings back what is wanted of it.
    pub(super) fn run(
        &mut self,
        images: &dyn Images,
        block: Block,
        wanted: Wanted,
    ) -> Result<Vec<Given>, ModelError> {
        self.gpu().bind()?;
        self.prepare(images.size(), block.room)?;
        self.load(images, block)?;
        let mut given = Vec::new();
        let mut scores = Vec::new();
        for step in self.plan.steps() {
            self.step(step)?;
            for tap in self.taps_at(step.output) {
                match wanted {
                    Wanted::Maps => given.push(self.map(tap, step.output, block.items)?),
                    Wanted::Scores(reduction) => {
                        scores.push((tap, step.output, self.reduce(step.output, reduction)?));
                    }
                    Wanted::Kept => {}
                }
            }
        }
        // Only now: a copy waits for all that was started.
        for (tap, node, (values, positions)) in scores {
            let len = block.items * self.shape(node).channels;
            let values = self.gpu().download(&values, len)?;
            let positions = match positions {
                Some(positions) => self.gpu().download(&positions, len)?,
                None => vec![0; len],
            };
            given.push(Given { tap, node, shape: self.shape(node), values, positions });
        }
        if wanted == Wanted::Kept {
            for (tap, place) in self.plan.taps().iter().enumerate() {
                given.push(self.map(tap, place.node, block.items)?);
            }
        }
        Ok(given)
    }

    /// Makes the buffers for blocks of `room` images of `size`, unless they are there.
    fn prepare(&mut self, size: (usize, usize), room: usize) -> Result<(), ModelError> {
        if self.memory.as_ref().is_some_and(|memory| memory.size == size && memory.room == room) {
            return Ok(());
        }
        // The old ones go first: nothing in them is needed beside the new.
        self.memory = None;
        let layout = Layout::whole(&self.plan, size.0, size.1, room)?;
        let gpu = self.gpu();
        let buffers = layout.buffer_lens.iter().map(|len| gpu.alloc(*len)).collect::<Result<_, _>>()?;
        let argmax =
            self.plan.graph().ids().map(|id| self.argmax_for(&layout, id, room)).collect::<Result<_, _>>()?;
        let staging = gpu.pinned(room * layout.shape(self.plan.graph().input()).len())?;
        self.memory = Some(Memory { layout, size, room, buffers, argmax, staging });
        Ok(())
    }

    /// Memory for the positions of a max-pool's maxima, if a walk back will ask for them.
    fn argmax_for(
        &self,
        layout: &Layout,
        id: NodeId,
        room: usize,
    ) -> Result<Option<CudaSlice<u8>>, DeviceError> {
        let is_pool = matches!(self.plan.graph().node(id).operation, Operation::MaxPool(_));
        let wanted = is_pool && self.plan.needed()[id.0] && self.plan.keep() != Keep::Taps;
        wanted.then(|| self.gpu().alloc(layout.shape(id).len() * room)).transpose()
    }

    /// Copies the block's images to the GPU; what only fills the block is zeros.
    fn load(&mut self, images: &dyn Images, block: Block) -> Result<(), DeviceError> {
        let input = self.plan.graph().input();
        let (frozen, network) = (&self.network.frozen()[self.gpu], &self.network);
        let Some(Memory { layout, buffers, staging, .. }) = &mut self.memory else { return Ok(()) };
        let (Some(place), len) = (layout.places[input.0], layout.shape(input).len()) else { return Ok(()) };
        let gpu = frozen.gpu();
        let pixels = gpu.at().driver("waiting for a copy", staging.as_mut_slice())?;
        let (used, unused) = pixels.split_at_mut(block.items * len);
        unused.fill(0.0);
        let items = used.par_chunks_exact_mut(len.max(1)).enumerate();
        network.install(|| items.for_each(|(at, pixels)| images.write(block.first + at, pixels)));
        let copied =
            gpu.stream().memcpy_htod(&*staging, &mut buffers[place.buffer].slice_mut(..block.room * len));
        gpu.at().driver("copying images to it", copied)
    }

    fn taps_at(&self, node: NodeId) -> impl Iterator<Item = usize> + '_ {
        let taps = self.plan.taps().iter().enumerate();
        taps.filter(move |(_, tap)| tap.node == node).map(|(index, _)| index)
    }

    /// The maps of a node for the first `items` items.
    fn map(&self, tap: usize, node: NodeId, items: usize) -> Result<Given, DeviceError> {
        let shape = self.shape(node);
        let values = self.gpu().download(self.buffer(node), items * shape.len())?;
        Ok(Given { tap, node, shape, values, positions: Vec::new() })
    }

    fn buffer(&self, id: NodeId) -> &Floats {
        let memory = self.memory.as_ref().expect("a block was prepared");
        let place = memory.layout.places[id.0].expect("every value that is read was placed");
        &memory.buffers[place.buffer]
    }

    /// The address of a node's maps.
    pub(super) fn value(&self, id: NodeId) -> Address {
        self.gpu().address(self.buffer(id))
    }

    /// The address of a max-pool's maxima; 0 if they are not kept.
    pub(super) fn argmax(&self, pool: NodeId) -> Address {
        let argmax = self.memory.as_ref().and_then(|memory| memory.argmax[pool.0].as_ref());
        argmax.map_or(0, |argmax| self.gpu().address(argmax))
    }

    /// Values of a node's maps for the whole block.
    pub(super) fn len(&self, id: NodeId) -> usize {
        self.room() * self.shape(id).len()
    }

    /// Starts one of our own kernels.
    pub(super) fn launch(
        &self,
        name: &'static str,
        count: usize,
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        // SAFETY: every address here is that of a buffer, of weights or of a signal that this lane or its caller
        // owns, as long as the layout or the walk says; freeing waits for what was started before.
        unsafe { self.gpu().kernels().launch(self.gpu().stream(), name, count, arguments) }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn graph(&self) -> &Graph {
        self.network.graph()
    }
}

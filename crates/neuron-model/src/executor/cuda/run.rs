use std::collections::VecDeque;
use std::sync::Arc;

use super::upload::{Input, Upload};
use crate::cuda::argument::Argument;
use crate::cuda::device_weights::{DeviceWeights, Values, WeightForm};
use crate::cuda::element::Element;
use crate::cuda::gpu::{Bytes, Floats, Gpu};
use crate::cuda::memory::{DeviceMemory, DeviceView};
use crate::cuda::readback::{Arriving, Readback};
use crate::error::DeviceError;
use crate::error::ModelError;
use crate::executor::blocks::Block;
use crate::graph::{Graph, Tap};
use crate::images::Images;
use crate::network::Network;
use crate::plan::{Layout, Plan};
use crate::value::{NodeId, Reduction, Shape};

/// What of a block goes to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Each tap's maps.
    Maps,
    /// Each tap's maps, reduced.
    Scores(Reduction),
    /// Nothing: the plan keeps its values, for others to look at.
    Nothing,
}

/// What a block gives for one tap.
pub(super) struct Given {
    /// Which of the plan's taps.
    pub(super) tap: usize,
    pub(super) node: NodeId,
    pub(super) shape: Shape,
    /// Maps or scores of the block's items.
    pub(super) values: Vec<f32>,
    /// Of the greatest values, if scores were wanted.
    pub(super) positions: Vec<u32>,
}

/// A plan with its buffers on one GPU.
pub(crate) struct GpuRun {
    network: Network,
    plan: Plan,
    gpu: usize,
    element: Element,
    memory: Option<Memory>,
    upload: Option<Upload>,
    values: Readback<f32>,
    positions: Readback<u32>,
    /// What the blocks that were started and not finished give.
    under_way: VecDeque<Vec<Coming>>,
}

/// Buffers for blocks of one size.
struct Memory {
    layout: Layout,
    size: (usize, usize),
    room: usize,
    buffers: Vec<Bytes>,
    /// Positions of the maxima of each max-pool, where they are kept.
    argmax: Vec<Option<DeviceMemory<u8>>>,
}

/// A result of a block, on its way to the host.
struct Coming {
    tap: usize,
    node: NodeId,
    shape: Shape,
    /// How many of the values are of items, not of what only fills the block.
    len: usize,
    values: Arriving<f32>,
    positions: Option<Arriving<u32>>,
}

impl Memory {
    /// A node's maps for the whole block.
    fn maps(&self, id: NodeId, element: Element) -> DeviceView<'_> {
        let place = self.layout.places[id.0].expect("every value that is read was placed");
        let len = self.room * self.layout.shape(id).len();
        self.buffers[place.buffer].view_as(element.kind(), len)
    }
}

impl GpuRun {
    pub(super) fn new(network: Network, plan: Plan, gpu: usize) -> Self {
        let element = Element::of(network.device_weights()[gpu].gpu().precision(), plan.keep());
        Self {
            network,
            plan,
            gpu,
            element,
            memory: None,
            upload: None,
            values: Readback::default(),
            positions: Readback::default(),
            under_way: VecDeque::new(),
        }
    }

    fn weights(&self) -> &DeviceWeights {
        &self.network.device_weights()[self.gpu]
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        self.weights().gpu()
    }

    pub(super) fn gpu_handle(&self) -> Arc<Gpu> {
        self.weights().gpu_handle()
    }

    /// Weights in one of their forms.
    pub(super) fn values(&self, form: WeightForm) -> Result<Arc<Values>, DeviceError> {
        self.weights().get(self.network.graph(), self.network.prepared(), form, self.element)
    }

    /// Checks that images of that size are large enough.
    pub(super) fn check(&self, height: usize, width: usize) -> Result<(), ModelError> {
        self.plan.graph().shapes(self.plan.needed(), height, width).map(|_| ())
    }

    /// Shape of a node's map in the last block.
    pub(crate) fn shape(&self, id: NodeId) -> Shape {
        let layout = self.memory.as_ref().map(|memory| memory.layout.shape(id));
        layout.unwrap_or(Shape::grid(0, 0, 0))
    }

    /// Items of the last block, with those that only fill it.
    pub(super) fn room(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.room)
    }

    /// Starts a block behind those that were started before.
    pub(super) fn start(
        &mut self,
        images: &dyn Images,
        block: Block,
        wanted: Wanted,
    ) -> Result<(), ModelError> {
        self.gpu().bind()?;
        self.prepare(images.size(), block.room, images.bytes().is_some())?;
        self.load(images, block)?;
        let mut results = Vec::new();
        for step in self.plan.steps() {
            self.step(step)?;
            for tap in self.taps_at(step.output) {
                match wanted {
                    Wanted::Maps => results.push((tap, step.output, self.map(step.output)?, None)),
                    Wanted::Scores(reduction) => {
                        let (scores, positions) = self.reduce(step.output, reduction)?;
                        results.push((tap, step.output, scores, positions));
                    }
                    Wanted::Nothing => {}
                }
            }
        }
        let gpu = self.gpu_handle();
        let mut coming = Vec::new();
        for (tap, node, values, positions) in results {
            let shape = self.shape(node);
            let values_of_item = if wanted == Wanted::Maps { shape.len() } else { shape.channels };
            let positions = positions.map(|positions| self.positions.send(&gpu, &positions)).transpose()?;
            let values = self.values.send(&gpu, &values)?;
            coming.push(Coming { tap, node, shape, len: block.items * values_of_item, values, positions });
        }
        self.under_way.push_back(coming);
        Ok(())
    }

    /// Runs all images as one block, whose values stay on the GPU.
    pub(super) fn keep(&mut self, images: &dyn Images) -> Result<(), ModelError> {
        let ((height, width), items) = (images.size(), images.count());
        self.check(height, width)?;
        self.start(images, Block { first: 0, items, room: items }, Wanted::Nothing)?;
        self.finish()?;
        Ok(())
    }

    /// Waits for the first block that was started and not finished.
    pub(super) fn finish(&mut self) -> Result<Vec<Given>, ModelError> {
        let gpu = self.gpu_handle();
        gpu.bind()?;
        let mut given = Vec::new();
        for Coming { tap, node, shape, len, values, positions } in
            self.under_way.pop_front().unwrap_or_default()
        {
            let values = self.values.take(&gpu, values, len)?;
            let positions = match positions {
                Some(positions) => self.positions.take(&gpu, positions, len)?,
                None => vec![0; len],
            };
            given.push(Given { tap, node, shape, values, positions });
        }
        Ok(given)
    }

    /// Waits for everything that was started, and forgets it.
    pub(super) fn abandon(&mut self) {
        // What failed is known already, or shows in the next call.
        let _ = self.gpu().wait();
        self.under_way.clear();
    }

    /// The maps of a plan's taps, after a block whose values it keeps.
    pub(super) fn kept(&self) -> Result<Vec<Given>, DeviceError> {
        let map = |(tap, place): (usize, &Tap)| {
            let (node, shape) = (place.node, self.shape(place.node));
            let values = self.gpu().download(&self.map(node)?, self.len(node))?;
            Ok(Given { tap, node, shape, values, positions: Vec::new() })
        };
        self.plan.taps().iter().enumerate().map(map).collect()
    }

    /// Makes the buffers for blocks of `room` images of `size`, unless they are there.
    fn prepare(&mut self, size: (usize, usize), room: usize, bytes: bool) -> Result<(), ModelError> {
        // The old ones go first: nothing in them is needed beside the new.
        self.memory.take_if(|memory| memory.size != size || memory.room != room);
        let len = 3 * size.0 * size.1 * room;
        self.upload.take_if(|upload| !upload.fits(len, bytes));
        if self.upload.is_none() {
            self.upload = Some(Upload::new(self.gpu(), len, bytes)?);
        }
        if self.memory.is_some() {
            return Ok(());
        }
        let layout = Layout::whole(&self.plan, size.0, size.1, room)?;
        let (gpu, bytes) = (self.gpu(), self.element.kind().bytes());
        let buffers =
            layout.buffer_lens.iter().map(|len| gpu.alloc(*len * bytes)).collect::<Result<_, _>>()?;
        let argmax =
            self.plan.graph().ids().map(|id| self.argmax_for(&layout, id, room)).collect::<Result<_, _>>()?;
        self.memory = Some(Memory { layout, size, room, buffers, argmax });
        Ok(())
    }

    /// Memory for the positions of a max-pool's maxima, if a backward pass will ask for them.
    fn argmax_for(
        &self,
        layout: &Layout,
        id: NodeId,
        room: usize,
    ) -> Result<Option<DeviceMemory<u8>>, DeviceError> {
        let saves = self.plan.graph().node(id).operation.op().saves(self.plan.keep());
        let wanted = saves.beside && self.plan.needed()[id.0];
        wanted.then(|| self.gpu().alloc(layout.shape(id).len() * room)).transpose()
    }

    /// Sends the block's images into the input's buffer.
    fn load(&mut self, images: &dyn Images, block: Block) -> Result<(), DeviceError> {
        let (gpu, id) = (self.gpu_handle(), self.plan.graph().input());
        let (memory, upload) = (self.memory.as_ref(), self.upload.as_mut());
        let (memory, upload) = memory.zip(upload).expect("a block was prepared");
        let input = Input {
            maps: memory.maps(id, self.element),
            element: self.element,
            len: memory.layout.shape(id).len(),
        };
        upload.load(&gpu, &self.network, images, block, &input)
    }

    fn taps_at(&self, node: NodeId) -> impl Iterator<Item = usize> + '_ {
        let taps = self.plan.taps().iter().enumerate();
        taps.filter(move |(_, tap)| tap.node == node).map(|(index, _)| index)
    }

    /// The maps of a node for the whole block, in f32.
    fn map(&self, node: NodeId) -> Result<Floats, DeviceError> {
        let maps = self.gpu().alloc(self.len(node))?;
        self.launch("from_maps", self.len(node), &[self.value(node).into(), (&maps).into()])?;
        Ok(maps)
    }

    /// A node's maps of the last block, with what only fills it.
    pub(crate) fn value(&self, id: NodeId) -> DeviceView<'_> {
        self.memory.as_ref().expect("a block was prepared").maps(id, self.element)
    }

    /// Where the maxima of a max-pool are, if they are kept.
    pub(super) fn argmax(&self, pool: NodeId) -> Option<DeviceView<'_>> {
        self.memory.as_ref()?.argmax[pool.0].as_ref().map(DeviceMemory::view)
    }

    /// Values of a node's maps for the whole block.
    pub(super) fn len(&self, id: NodeId) -> usize {
        self.room() * self.shape(id).len()
    }

    /// Starts one of our own kernels to write `count` values.
    ///
    /// # Panics
    /// If the arguments are not such as the kernel takes.
    pub(crate) fn launch(
        &self,
        name: &'static str,
        count: usize,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        self.gpu().launch(self.element, name, count, arguments)
    }

    pub(super) fn element(&self) -> Element {
        self.element
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn graph(&self) -> &Graph {
        self.network.graph()
    }
}

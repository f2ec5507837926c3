//! Plans run on GPUs: batches are cut into blocks of a fixed size, which the GPUs take in turns.

use std::collections::HashMap;

use super::backward;
use super::run::{Given, GpuRun, Wanted};
use super::start::Channels;
use crate::composite::Composite;
use crate::cuda::capability;
use crate::error::ModelError;
use crate::executor::blocks::{Block, Pipeline, in_blocks};
use crate::executor::interface::{Executor, Signals, reduced};
use crate::images::Images;
use crate::network::Network;
use crate::plan::Plan;
use crate::value::{Keep, NodeId, Positions, Scored, Scoring, Shape, Tapped, Visit, VisitScores};
use neuron_kernels::View;

/// Pixels of a block: those of 128 images of 224 x 224, enough to keep the largest GPUs busy.
const BLOCK_PIXELS: usize = 128 * 224 * 224;

/// A plan on one or more GPUs.
///
/// Where values are kept for a backward pass, the first GPU does everything: the pass needs them in one place.
pub(crate) struct Gpus {
    /// Whose threads look at maps, as they do on the CPU.
    network: Network,
    plan: Plan,
    runs: Vec<GpuRun>,
    /// Items of a block: the most that came at once, unless that is too many for a block or for memory.
    room: usize,
    /// The most items that a GPU's memory holds, as far as is known.
    most: usize,
    batch: usize,
    /// The taps' maps of the last batch, if values are kept.
    kept: HashMap<NodeId, (Shape, Vec<f32>)>,
    /// Those that relevance started from last.
    channels: Channels,
}

impl Gpus {
    /// # Errors
    /// [`ModelError::Unsupported`] with every operation of the plan that our kernels cannot compute.
    ///
    /// # Panics
    /// If the network is not on GPUs.
    pub(crate) fn new(network: &Network, plan: &Plan) -> Result<Self, ModelError> {
        let list = capability::forward(plan.graph(), plan.needed());
        if !list.is_empty() {
            return Err(ModelError::Unsupported { list });
        }
        let count = if plan.keep() == Keep::Taps { network.device_weights().len() } else { 1 };
        let runs = (0..count).map(|gpu| GpuRun::new(network.clone(), plan.clone(), gpu)).collect();
        let (network, plan) = (network.clone(), plan.clone());
        Ok(Self {
            network,
            plan,
            runs,
            room: 0,
            most: usize::MAX,
            batch: 0,
            kept: HashMap::new(),
            channels: Channels::new(),
        })
    }

    /// Runs all images in blocks and shows what they give.
    fn in_blocks(
        &mut self,
        images: &dyn Images,
        wanted: Wanted,
        visit: &mut dyn FnMut(Block, Vec<Given>),
    ) -> Result<(), ModelError> {
        self.batch = images.count();
        let (height, width) = images.size();
        self.runs[0].check(height, width)?;
        let largest = (BLOCK_PIXELS / (height * width).max(1)).max(1).min(self.most);
        self.room = self.room.max(self.batch).min(largest);
        let gpu = self.runs[0].gpu_handle();
        let mut jobs: Vec<Job<'_>> = self.runs.iter_mut().map(|run| Job { run, images, wanted }).collect();
        let most = &mut self.most;
        let mut halved = |from: usize, to: usize| {
            *most = to;
            gpu.halved(from, to);
        };
        in_blocks(&mut jobs, self.batch, &mut self.room, &mut halved, visit)
    }

    /// Runs the batch as one block, whose values stay on the GPU.
    fn keep(&mut self, images: &dyn Images) -> Result<(), ModelError> {
        self.batch = images.count();
        self.kept.clear();
        self.runs[0].keep(images)
    }

    fn view(&self, id: NodeId) -> Option<View<'_>> {
        let (shape, values) = self.kept.get(&id)?;
        Some(shape.view(self.batch, values))
    }
}

/// The run of a plan whose values one GPU keeps.
pub(crate) struct DeviceRun<'s> {
    pub(crate) run: &'s mut GpuRun,
    /// Items of the last run.
    pub(crate) batch: &'s mut usize,
    /// What the last run brought to the host.
    on_host: &'s mut HashMap<NodeId, (Shape, Vec<f32>)>,
    /// Those that a pass started from last.
    pub(crate) channels: &'s mut Channels,
}

impl DeviceRun<'_> {
    /// Runs images; what they give stays on the GPU.
    pub(crate) fn keep(&mut self, images: &dyn Images) -> Result<(), ModelError> {
        *self.batch = images.count();
        self.on_host.clear();
        self.run.keep(images)
    }
}

/// A GPU's run with what it is given to do.
struct Job<'a> {
    run: &'a mut GpuRun,
    images: &'a dyn Images,
    wanted: Wanted,
}

impl Pipeline for Job<'_> {
    type Output = Vec<Given>;

    fn start(&mut self, block: Block) -> Result<(), ModelError> {
        self.run.start(self.images, block, self.wanted)
    }

    fn finish(&mut self) -> Result<Vec<Given>, ModelError> {
        self.run.finish()
    }

    fn abandon(&mut self) {
        self.run.abandon();
    }
}

impl Executor for Gpus {
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError> {
        if self.plan.keep() == Keep::Taps {
            let network = self.network.clone();
            return self.in_blocks(images, Wanted::Maps, &mut |block, given| {
                for Given { tap, shape, values, .. } in given {
                    let map = shape.view(block.items, &values);
                    let (first_item, extra) = (block.first, shape.extra);
                    network.install(|| visit(Tapped { tap, first_item, extra, map }));
                }
            });
        }
        self.keep(images)?;
        let maps = self.runs[0].kept()?;
        self.kept.extend(maps.into_iter().map(|given| (given.node, (given.shape, given.values))));
        for (tap, place) in self.plan.taps().iter().enumerate() {
            if let Some(map) = self.view(place.node) {
                let extra = self.shape(place.node).extra;
                self.network.install(|| visit(Tapped { tap, first_item: 0, extra, map }));
            }
        }
        Ok(())
    }

    fn scores(
        &mut self,
        images: &dyn Images,
        scoring: Scoring,
        visit: VisitScores<'_>,
    ) -> Result<(), ModelError> {
        // Our kernels reduce whole maps.
        if self.plan.keep() != Keep::Taps || scoring.positions != Positions::All {
            return self.run(images, &mut reduced(scoring, visit));
        }
        self.in_blocks(images, Wanted::Scores(scoring.reduction), &mut |block, given| {
            for Given { tap, shape, values, positions, .. } in given {
                let (scores, channels) = (&values[..], shape.channels);
                visit(Scored { tap, first_item: block.first, channels, scores, positions: &positions });
            }
        })
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn shape(&self, id: NodeId) -> Shape {
        self.runs[0].shape(id)
    }

    fn kept(&self, id: NodeId) -> Option<View<'_>> {
        self.view(id)
    }

    /// It stays on the GPU.
    fn saved(&self, _: NodeId) -> &[u8] {
        &[]
    }

    fn passes(&self, composite: &Composite, id: NodeId) -> bool {
        capability::passes(self.plan.graph(), composite, id)
    }

    fn backward(
        &self,
        composite: &Composite,
        seeds: &Signals,
        wanted: &[NodeId],
    ) -> Result<Option<Signals>, ModelError> {
        backward::pass(&self.runs[0], composite, seeds, wanted).map(Some)
    }

    fn on_device(&mut self) -> Option<DeviceRun<'_>> {
        let Self { plan, runs, batch, kept, channels, .. } = self;
        (plan.keep() != Keep::Taps).then(|| DeviceRun { run: &mut runs[0], batch, on_host: kept, channels })
    }
}

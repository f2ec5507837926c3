//! The CPU engine runs a plan.

use rayon::prelude::*;

use super::{Executor, Visit};
use crate::error::ModelError;
use crate::graph::{Graph, NodeId};
use crate::images::Images;
use crate::kernels::{Kernels, Part};
use crate::network::Network;
use crate::plan::{Keep, Layout, Plan, Stage, Step, StepKind};
use crate::session::Tapped;
use neuron_kernels::{self as kernels, Algorithm, Buffer, Epilogue, MaxPool, View};

/// A plan with its buffers in main memory.
pub(crate) struct Host {
    network: Network,
    plan: Plan,
    layout: Option<SizedLayout>,
    buffers: Vec<Buffer>,
    /// Positions of the maxima of each max-pool, where they are kept.
    argmax: Vec<Vec<u8>>,
    batch: usize,
}

struct SizedLayout {
    layout: Layout,
    size: (usize, usize),
    batch: usize,
}

impl Host {
    pub(crate) fn new(network: Network, plan: Plan) -> Self {
        let argmax = vec![Vec::new(); network.graph().nodes().len()];
        Self { network, plan, layout: None, buffers: Vec::new(), argmax, batch: 0 }
    }

    /// Lays out the buffers for images of `size`, unless they fit already.
    fn prepare(&mut self, size: (usize, usize), batch: usize) -> Result<(), ModelError> {
        let fits = self.layout.as_ref().is_some_and(|sized| sized.size == size && sized.batch >= batch);
        if !fits {
            let layout = Layout::new(&self.plan, size.0, size.1, batch)?;
            // The old ones go first: nothing in them is needed beside the new.
            self.buffers.clear();
            self.buffers.extend(layout.buffer_lens.iter().map(|len| Buffer::zeros(*len)));
            self.layout = Some(SizedLayout { layout, size, batch });
        }
        Ok(())
    }
}

impl Executor for Host {
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError> {
        let batch = images.count();
        self.prepare(images.size(), batch)?;
        self.batch = batch;
        let Self { network, plan, layout: Some(sized), buffers, argmax, .. } = self else { return Ok(()) };
        let layout = &sized.layout;
        let mut pass = Pass { network, plan, layout, buffers, argmax };
        network.install(|| {
            for first in (0..batch).step_by(layout.group.max(1)) {
                let items = layout.group.min(batch - first);
                for stage in &layout.stages {
                    pass.stage(stage, images, first, items, visit);
                }
            }
        });
        Ok(())
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn map_size(&self, id: NodeId) -> (usize, usize) {
        let shape = self.layout.as_ref().map(|sized| sized.layout.shape(id));
        shape.map_or((0, 0), |shape| (shape.height, shape.width))
    }

    fn kept(&self, id: NodeId) -> Option<View<'_>> {
        let layout = &self.layout.as_ref()?.layout;
        let place = layout.places[id.0].filter(|place| place.wide)?;
        let shape = layout.shape(id);
        let data = &self.buffers[place.buffer][..self.batch * shape.len()];
        Some(View::new(self.batch, shape.height, shape.width, shape.channels, data))
    }

    fn kept_argmax(&self, pool: NodeId) -> &[u8] {
        &self.argmax[pool.0]
    }
}

/// One run of a plan.
struct Pass<'a> {
    network: &'a Network,
    plan: &'a Plan,
    layout: &'a Layout,
    buffers: &'a mut [Buffer],
    argmax: &'a mut [Vec<u8>],
}

/// Some items of the group that is running.
#[derive(Clone, Copy)]
struct Chunk {
    /// Index in the group.
    first: usize,
    items: usize,
}

impl Pass<'_> {
    /// Runs one stage over the items `first .. first + items` of the batch.
    fn stage(&mut self, stage: &Stage, images: &dyn Images, first: usize, items: usize, visit: Visit<'_>) {
        for start in (0..items).step_by(stage.chunk.max(1)) {
            let chunk = Chunk { first: start, items: stage.chunk.min(items - start) };
            if stage.steps.start == 0 {
                self.read_images(images, first + start, chunk);
            }
            for step in &self.plan.steps()[stage.steps.clone()] {
                self.step(step, chunk);
                for (tap, _) in self.plan.taps().iter().enumerate().filter(|(_, tap)| tap.node == step.output)
                {
                    let map = self.view(step.output, chunk);
                    visit(Tapped { tap, first_item: first + start, map });
                }
            }
        }
    }

    fn read_images(&mut self, images: &dyn Images, first: usize, chunk: Chunk) {
        let input = self.plan.graph().input();
        let Some(range) = self.range(input, chunk) else { return };
        let len = self.layout.shape(input).len();
        let pixels = &mut self.buffers[range.0][range.1..range.1 + chunk.items * len];
        let items = pixels.par_chunks_exact_mut(len).enumerate();
        items.for_each(|(index, pixels)| images.write(first + index, pixels));
    }

    /// A node's buffer, and where the chunk begins in it.
    fn range(&self, id: NodeId, chunk: Chunk) -> Option<(usize, usize)> {
        let place = self.layout.places[id.0]?;
        let start = if place.wide { chunk.first * self.layout.shape(id).len() } else { 0 };
        Some((place.buffer, start))
    }

    fn view(&self, id: NodeId, chunk: Chunk) -> View<'_> {
        let shape = self.layout.shape(id);
        let (buffer, start) = self.range(id, chunk).expect("every value that is read was placed");
        let data = &self.buffers[buffer][start..][..chunk.items * shape.len()];
        View::new(chunk.items, shape.height, shape.width, shape.channels, data)
    }

    /// Runs one kernel. The output's buffer is taken out of the list meanwhile, so that the others can be read.
    fn step(&mut self, step: &Step, chunk: Chunk) {
        let (buffer, start) = self.range(step.output, chunk).expect("every value that is written was placed");
        let mut owned = std::mem::take(&mut self.buffers[buffer]);
        let mut argmax = std::mem::take(&mut self.argmax[step.output.0]);
        let output = &mut owned[start..][..chunk.items * self.layout.shape(step.output).len()];
        if matches!(step.kind, StepKind::MaxPool(_)) && self.plan.keep() != Keep::Taps {
            argmax.resize(output.len(), 0);
        }
        let maxima = (!argmax.is_empty()).then_some(&mut argmax[..]);
        let residual = |id: NodeId| self.view(id, chunk).data;
        compute(
            (self.network.graph(), self.network.kernels(), self.plan.algorithm()),
            step,
            self.view(step.input, chunk),
            &residual,
            output,
            maxima,
        );
        self.buffers[buffer] = owned;
        self.argmax[step.output.0] = argmax;
    }
}

/// Dispatches a step to its kernel.
fn compute<'v>(
    (graph, kernels, algorithm): (&Graph, &Kernels, Algorithm),
    step: &Step,
    input: View<'_>,
    value: &dyn Fn(NodeId) -> &'v [f32],
    output: &mut [f32],
    argmax: Option<&mut [u8]>,
) {
    match step.kind {
        StepKind::Convolution { convolution, norm, residual, relu } => {
            let kernel = match norm {
                Some(norm) => kernels.folded(graph, convolution, norm, algorithm),
                None => kernels.part(graph, convolution, Part::Raw),
            };
            kernel.forward(input, Epilogue::Activation { residual: residual.map(value), relu }, output);
        }
        StepKind::BatchNorm { norm, relu } => {
            let affine = kernels.norm(norm);
            kernels::scale_shift(input.data, &affine.scale, &affine.shift, relu, output);
        }
        StepKind::Relu => kernels::relu(input.data, output),
        StepKind::Add { shortcut, relu } => kernels::add(input.data, value(shortcut), relu, output),
        StepKind::MaxPool(window) => {
            let pool = MaxPool::new(window).expect("a graph holds only windows that can be pooled");
            pool.forward(input, output, argmax);
        }
        StepKind::GlobalAveragePool => kernels::global_average_pool(input, output),
        StepKind::Linear { linear } => {
            let epilogue = Epilogue::Activation { residual: None, relu: false };
            kernels.part(graph, linear, Part::Raw).forward(input, epilogue, output);
        }
    }
}

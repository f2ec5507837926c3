//! The CPU engine runs a plan.

use std::borrow::Cow;

use neuron_kernels::{Buffer, Link, View, convolve_chain};

use super::interface::Executor;
use super::reading::Reading;
use super::sized::SizedLayout;
use super::stages::{self, Chunk};
use super::thinned::thinned;
use crate::error::ModelError;
use crate::images::Images;
use crate::network::Network;
use crate::ops::{Forward, Operation, Weighted};
use crate::plan::{Layout, Plan, Step};
use crate::value::{NodeId, Shape, Visit};

/// A plan with its buffers in main memory.
pub(crate) struct Host {
    network: Network,
    plan: Plan,
    layout: Option<SizedLayout>,
    buffers: Vec<Buffer>,
    /// What each operation saved beside its output, where that is kept.
    saved: Vec<Vec<u8>>,
    batch: usize,
}

impl Host {
    pub(crate) fn new(network: Network, plan: Plan) -> Self {
        let saved = vec![Vec::new(); network.graph().nodes().len()];
        Self { network, plan, layout: None, buffers: Vec::new(), saved, batch: 0 }
    }

    /// Lays out the buffers for images of `size`, unless they fit already.
    fn prepare(&mut self, size: (usize, usize), batch: usize) -> Result<(), ModelError> {
        if SizedLayout::renew(&mut self.layout, &self.plan, size, batch)? {
            // The old ones go first: nothing in them is needed beside the new.
            self.buffers.clear();
            let lens = self.layout.iter().flat_map(|sized| &sized.layout.buffer_lens);
            self.buffers.extend(lens.map(|len| Buffer::zeros(*len)));
        }
        Ok(())
    }
}

impl Executor for Host {
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError> {
        let batch = images.count();
        self.prepare(images.size(), batch)?;
        self.batch = batch;
        let Self { network, plan, layout: Some(sized), buffers, saved, .. } = self else { return Ok(()) };
        let layout = &sized.layout;
        let mut pass = Pass { network, plan, layout, buffers, saved };
        stages::run(&mut pass, (network, plan, layout), images, visit);
        Ok(())
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn shape(&self, id: NodeId) -> Shape {
        SizedLayout::shape(self.layout.as_ref(), id)
    }

    fn kept(&self, id: NodeId) -> Option<View<'_>> {
        let layout = &self.layout.as_ref()?.layout;
        let place = layout.places.get(id.0).copied().flatten().filter(|place| place.wide)?;
        let shape = layout.shape(id);
        let data = &self.buffers[place.buffer][..self.batch * shape.len()];
        Some(shape.view(self.batch, data))
    }

    fn saved(&self, id: NodeId) -> &[u8] {
        &self.saved[id.0]
    }
}

/// One run of a plan.
struct Pass<'a> {
    network: &'a Network,
    plan: &'a Plan,
    layout: &'a Layout,
    buffers: &'a mut [Buffer],
    saved: &'a mut [Vec<u8>],
}

impl stages::Pass for Pass<'_> {
    fn read_images(&mut self, images: &dyn Images, first: usize, chunk: Chunk) {
        let input = self.plan.graph().input();
        let Some(range) = chunk.place(self.layout, input) else { return };
        let shape = self.layout.shape(input);
        let pixels = &mut self.buffers[range.0][range.1..range.1 + chunk.items * shape.len()];
        let reading = Reading::new(images);
        let parts = reading.parts(pixels, shape.channels);
        neuron_threads::for_each(parts, |part, pixels| reading.read(first, part, pixels));
    }

    /// The output's buffer is taken out of the list meanwhile, so that the others can be read.
    fn step(&mut self, step: &Step, chunk: Chunk) {
        let place = chunk.place(self.layout, step.output);
        let (buffer, start) = place.expect("every value that is written was placed");
        let mut owned = std::mem::take(&mut self.buffers[buffer]);
        let output = &mut owned[start..][..chunk.items * self.layout.shape(step.output).len()];
        if step.before.is_empty() {
            self.operation(step, chunk, output);
        } else {
            self.chain(step, chunk, output);
        }
        self.buffers[buffer] = owned;
    }

    fn shown(&self, tap: NodeId, chunk: Chunk) -> View<'_> {
        self.view(tap, chunk)
    }
}

impl Pass<'_> {
    /// A single operation.
    fn operation(&mut self, step: &Step, chunk: Chunk, output: &mut [f32]) {
        let mut saved = std::mem::take(&mut self.saved[step.node.0]);
        let operation = &self.plan.graph().node(step.node).operation;
        if operation.op().saves(self.plan.keep()).beside {
            saved.resize(output.len(), 0);
        }
        let others: Vec<View<'_>> = step.inputs[1..].iter().map(|input| self.view(*input, chunk)).collect();
        let addend = step.addend.map(|addend| self.addend(addend, step.output, chunk));
        let call = Forward {
            weights: self.weights(step),
            input: self.view(step.inputs[0], chunk),
            others: &others,
            gate: step.gate.map(|gate| self.view(gate, chunk).data),
            addend: addend.as_deref(),
            activation: step.activation,
            algorithm: self.plan.algorithm_of(step),
            thinning: self.plan.thinning(step),
            shape: self.layout.shape(step.output),
        };
        let beside = (!saved.is_empty()).then_some(&mut saved[..]);
        operation.host().forward(&call, output, beside);
        self.saved[step.node.0] = saved;
    }

    /// Convolutions, one behind the other.
    fn chain(&self, step: &Step, chunk: Chunk, output: &mut [f32]) {
        let kernel = |step: &Step| match self.plan.graph().node(step.node).operation {
            Operation::Convolution(convolution) => convolution.prepared(
                self.weights(step),
                self.plan.algorithm_of(step),
                self.plan.thinning(step),
            ),
            other => unreachable!("{:?} in a chain of convolutions", other.kind()),
        };
        let kernels: Vec<_> = step.chain().map(kernel).collect();
        let links = kernels.iter().zip(step.chain());
        let links = links.map(|(convolution, step)| Link { convolution, activation: step.activation });
        let links: Vec<Link<'_>> = links.collect();
        let addend = step.addend.map(|addend| self.addend(addend, step.output, chunk));
        convolve_chain(&links, self.view(step.first().inputs[0], chunk), addend.as_deref(), output);
    }

    fn weights(&self, step: &Step) -> Weighted<'_> {
        let graph = self.plan.graph();
        Weighted {
            prepared: self.network.prepared(),
            owner: graph.owner(step.node),
            fold: step.fold.and_then(|norm| graph.fold(norm)),
        }
    }

    /// What is added to the map of `output`.
    fn addend(&self, id: NodeId, output: NodeId, chunk: Chunk) -> Cow<'_, [f32]> {
        let View { batch, height, width, channels, data } = self.view(id, chunk);
        thinned(data, [batch, height, width, channels], self.plan.every(output) / self.plan.every(id))
    }

    fn view(&self, id: NodeId, chunk: Chunk) -> View<'_> {
        let shape = self.layout.shape(id);
        let (buffer, start) = chunk.place(self.layout, id).expect("every value that is read was placed");
        let data = &self.buffers[buffer][start..][..chunk.items * shape.len()];
        shape.view(chunk.items, data)
    }
}

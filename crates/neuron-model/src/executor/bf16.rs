//! The CPU engine runs a plan on maps of bf16 numbers. It keeps nothing for a backward pass.
//!
//! Every value is rounded when it is written, as what reads it reads it. A tap is shown as it was summed up: ranks have no
//! ties then. Asking for a value changes no bit of another: what would have been computed in one call goes on from the
//! value as it was summed up.

use std::borrow::Cow;

use neuron_kernels::{
    Bf16Buffer, Bf16Convolution, Bf16Output, Bf16Residual, Bf16View, Buffer, ConvGeometry, Terms, View,
    round_into,
};

use super::interface::Executor;
use super::reading::Reading;
use super::sized::SizedLayout;
use super::stages::{self, Chunk};
use super::thinned::thinned;
use crate::error::ModelError;
use crate::images::Images;
use crate::network::Network;
use crate::ops::{Bf16Forward, Bf16Input, Bf16Shortcut, Operation, Weighted};
use crate::plan::{Layout, Plan, Shortcut, Step};
use crate::value::{NodeId, Shape, Visit};

/// A plan with its buffers in main memory.
pub(crate) struct Bf16Host {
    network: Network,
    plan: Plan,
    terms: Terms,
    layout: Option<SizedLayout>,
    buffers: Vec<Bf16Buffer>,
    values: Values,
    batch: usize,
}

/// What is not rounded, for the chunk that is running.
struct Values {
    /// Of images.
    pixels: Buffer,
    /// Of each node that is tapped; empty for the others.
    tapped: Vec<Buffer>,
}

impl Bf16Host {
    pub(crate) fn new(network: Network, plan: Plan, terms: Terms) -> Self {
        let tapped = vec![Buffer::default(); network.graph().nodes().len()];
        let values = Values { pixels: Buffer::default(), tapped };
        Self { network, plan, terms, layout: None, buffers: Vec::new(), values, batch: 0 }
    }

    /// Lays out the buffers for images of `size`, unless they fit already.
    fn prepare(&mut self, size: (usize, usize), batch: usize) -> Result<(), ModelError> {
        if SizedLayout::renew(&mut self.layout, &self.plan, size, batch)? {
            self.buffers.clear();
            let lens = self.layout.iter().flat_map(|sized| &sized.layout.buffer_lens);
            let numbers = lens.map(|len| self.terms.count() * len);
            self.buffers.extend(numbers.map(Bf16Buffer::zeros));
        }
        Ok(())
    }
}

impl Executor for Bf16Host {
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError> {
        let batch = images.count();
        self.prepare(images.size(), batch)?;
        self.batch = batch;
        let Self { network, plan, terms, layout: Some(sized), buffers, values, .. } = self else {
            return Ok(());
        };
        let layout = &sized.layout;
        let mut pass = Pass { network, plan, terms: *terms, layout, buffers, values };
        stages::run(&mut pass, (network, plan, layout), images, visit);
        Ok(())
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn shape(&self, id: NodeId) -> Shape {
        SizedLayout::shape(self.layout.as_ref(), id)
    }

    fn kept(&self, _: NodeId) -> Option<View<'_>> {
        None
    }

    fn saved(&self, _: NodeId) -> &[u8] {
        &[]
    }
}

/// One run of a plan.
struct Pass<'a> {
    network: &'a Network,
    plan: &'a Plan,
    terms: Terms,
    layout: &'a Layout,
    buffers: &'a mut [Bf16Buffer],
    values: &'a mut Values,
}

impl stages::Pass for Pass<'_> {
    fn read_images(&mut self, images: &dyn Images, first: usize, chunk: Chunk) {
        let input = self.plan.graph().input();
        let Some((buffer, start)) = chunk.place(self.layout, input) else { return };
        let (shape, terms) = (self.layout.shape(input), self.terms);
        let pixels = &mut self.values.pixels;
        pixels.resize(chunk.items * shape.len());
        let range = start * terms.count()..(start + pixels.len()) * terms.count();
        let numbers = &mut self.buffers[buffer][range];
        let reading = Reading::new(images);
        let rounded = reading.parts(numbers, terms.count() * shape.channels);
        let parts = reading.parts(pixels, shape.channels).zip(rounded);
        neuron_threads::for_each(parts, |part, (pixels, numbers)| {
            reading.read(first, part, pixels);
            round_into(pixels, shape.channels, terms, numbers);
        });
    }

    /// Outputs are taken out of their lists meanwhile, so that the others can be read.
    fn step(&mut self, step: &Step, chunk: Chunk) {
        let place = chunk.place(self.layout, step.output);
        let (buffer, start) = place.expect("every value that is written was placed");
        let shape = self.layout.shape(step.output);
        let len = chunk.items * shape.len();
        let mut rounded = std::mem::take(&mut self.buffers[buffer]);
        if let [convolution] = &step.before[..] {
            let range = start * self.terms.count()..(start + len) * self.terms.count();
            self.pooled(convolution, step, chunk, &mut rounded[range]);
            self.buffers[buffer] = rounded;
            return;
        }
        let mut full = std::mem::take(&mut self.values.tapped[step.output.0]);
        let is_tapped = self.is_tapped(step.output);
        full.resize(if is_tapped { len } else { 0 });
        let graph = self.plan.graph();
        let kept_apart = self.plan.kept_apart();
        let inputs = step.inputs.iter().map(|input| Bf16Input {
            rounded: self.rounded(*input, chunk),
            full: kept_apart[input.0].then(|| self.full(*input, chunk)),
        });
        let mut inputs: Vec<Bf16Input<'_>> = inputs.collect();
        let together = step.shortcut.map(|shortcut| self.together(step, shortcut, chunk));
        if let Some(Together { maps: [first, _], .. }) = &together {
            inputs[0] = Bf16Input { rounded: first.view(), full: None };
        }
        let in_place = step.addend.is_some_and(|addend| chunk.place(self.layout, addend) == place);
        let addend = step.addend.filter(|_| !in_place);
        let addend = addend.map(|addend| self.addend(addend, step.output, chunk));
        let call = Bf16Forward {
            weights: self.weighted(step.node, step.fold),
            inputs: &inputs,
            addend: match &addend {
                _ if in_place => Some(Bf16Residual::Output),
                addend => addend.as_deref().map(Bf16Residual::Map),
            },
            shortcut: together.as_ref().map(|Together { shortcut, geometry, maps: [_, second] }| {
                Bf16Shortcut {
                    weights: self.weighted(shortcut.node, Some(shortcut.fold)),
                    geometry: *geometry,
                    input: second.view(),
                }
            }),
            activation: step.activation,
            thinning: self.plan.thinning(step),
            shape,
        };
        let output = Bf16Output {
            rounded: Some(&mut rounded[start * self.terms.count()..][..len * self.terms.count()]),
            full: is_tapped.then_some(&mut full[..]),
        };
        graph.node(step.node).operation.host().forward_in_bf16(&call, output);
        self.buffers[buffer] = rounded;
        self.values.tapped[step.output.0] = full;
    }

    fn shown(&self, tap: NodeId, chunk: Chunk) -> View<'_> {
        self.full(tap, chunk)
    }
}

/// Two convolutions that are one of both maps.
struct Together<'a> {
    shortcut: Shortcut,
    geometry: ConvGeometry,
    maps: [Thinned<'a>; 2],
}

/// Some positions of a map.
struct Thinned<'a> {
    data: Cow<'a, [u16]>,
    /// Its sizes.
    like: Bf16View<'static>,
}

impl Thinned<'_> {
    fn view(&self) -> Bf16View<'_> {
        Bf16View { data: &self.data, ..self.like }
    }
}

impl Pass<'_> {
    fn is_tapped(&self, id: NodeId) -> bool {
        self.plan.taps().iter().any(|tap| tap.node == id)
    }

    /// A convolution, and the max-pool that reads it.
    fn pooled(&self, convolution: &Step, pool: &Step, chunk: Chunk, output: &mut [u16]) {
        let [below, above] = [convolution, pool].map(|step| self.plan.graph().node(step.node).operation);
        let (Operation::Convolution(below), Operation::MaxPool(above)) = (below, above) else {
            unreachable!("only a convolution is computed with the max-pool above it")
        };
        let Weighted { prepared, owner, fold } = self.weighted(convolution.node, convolution.fold);
        let input = self.rounded(convolution.inputs[0], chunk);
        let geometry = self.plan.thinning(convolution).of(below.geometry);
        let below = prepared.in_bf16(owner, geometry, (fold, input.terms));
        below.forward_pooled(input, convolution.activation.is_some(), above.window, output);
    }

    /// What is added to the map of `output`.
    fn addend(&self, id: NodeId, output: NodeId, chunk: Chunk) -> Cow<'_, [u16]> {
        self.thinned(id, self.plan.every(output) / self.plan.every(id), chunk).data
    }

    /// What two convolutions in one step read.
    fn together(&self, step: &Step, shortcut: Shortcut, chunk: Chunk) -> Together<'_> {
        let graph = self.plan.graph();
        let geometry = |node: NodeId| match graph.node(node).operation {
            Operation::Convolution(convolution) => convolution.geometry,
            _ => unreachable!("only convolutions are computed together"),
        };
        let [first, second] = [(step.node, step.inputs[0]), (shortcut.node, shortcut.input)];
        let map = |(node, input): (NodeId, NodeId)| {
            let [stride, _] = geometry(node).window.stride;
            self.thinned(input, stride * self.plan.every(step.output) / self.plan.every(input), chunk)
        };
        let both = Bf16Convolution::side_by_side([geometry(first.0), geometry(second.0)]);
        let geometry = both.expect("the plan takes no others together");
        Together { shortcut, geometry, maps: [map(first), map(second)] }
    }

    /// Every `every`-th line and column of a map.
    fn thinned(&self, id: NodeId, every: usize, chunk: Chunk) -> Thinned<'_> {
        let Bf16View { batch, height, width, channels, terms, data } = self.rounded(id, chunk);
        let data = thinned(data, [batch, height, width, terms.count() * channels], every);
        let [height, width] = [height, width].map(|side| side.div_ceil(every));
        Thinned { data, like: Bf16View { batch, height, width, channels, terms, data: &[] } }
    }

    fn weighted(&self, node: NodeId, fold: Option<NodeId>) -> Weighted<'_> {
        let graph = self.plan.graph();
        let fold = fold.and_then(|norm| graph.fold(norm));
        Weighted { prepared: self.network.prepared(), owner: graph.owner(node), fold }
    }

    /// A tapped value as it was summed up.
    fn full(&self, id: NodeId, chunk: Chunk) -> View<'_> {
        self.layout.shape(id).view(chunk.items, &self.values.tapped[id.0])
    }

    fn rounded(&self, id: NodeId, chunk: Chunk) -> Bf16View<'_> {
        let shape = self.layout.shape(id);
        let (buffer, start) = chunk.place(self.layout, id).expect("every value that is read was placed");
        let range = start * self.terms.count()..(start + chunk.items * shape.len()) * self.terms.count();
        let ([height, width], data) = (shape.lines(), &self.buffers[buffer][range]);
        let (channels, terms) = (shape.channels, self.terms);
        Bf16View { batch: chunk.items, height, width, channels, terms, data }
    }
}

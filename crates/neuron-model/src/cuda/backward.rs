//! Walks back through a graph over values that a GPU keeps.

use cudarc::driver::CudaSlice;
use neuron_geometry::Window;

use super::at::Address;
use super::convolution::Operands;
use super::frozen::Form;
use super::gpu::Floats;
use super::lane::Lane;
use crate::device::DeviceError;
use crate::error::ModelError;
use crate::executor::Signals;
use crate::graph::NodeId;
use crate::kernels::Part;
use crate::reverse::{Convolved, KnownRule, Passes, Route, Rule, Walk};
use neuron_kernels::{Algorithm, Buffer};

/// Walks from the seeds to the wanted nodes over the values of the lane's last block.
pub(super) fn walk(
    lane: &Lane,
    rule: &dyn Rule,
    seeds: &Signals,
    wanted: &[NodeId],
) -> Result<Signals, ModelError> {
    let rule = rule.known().ok_or(DeviceError::UnknownRule)?;
    lane.gpu().bind()?;
    let upload = |(node, seed): &(NodeId, Buffer)| lane.gpu().upload(seed).map(|seed| (*node, seed));
    let on_gpu = seeds.iter().map(upload).collect::<Result<Vec<_>, _>>()?;
    // The copies read the host's memory until they are done.
    lane.gpu().wait()?;
    let results = walk_there(lane, rule, on_gpu, wanted)?;
    let download = |(node, signal): (NodeId, Floats)| {
        lane.gpu().download_into_buffer(&signal, lane.len(node)).map(|signal| (node, signal))
    };
    Ok(results.into_iter().map(download).collect::<Result<_, _>>()?)
}

/// As [`walk`], from signals on the GPU to signals there; waits for nothing.
pub(super) fn walk_there(
    lane: &Lane,
    rule: KnownRule,
    seeds: Vec<(NodeId, Floats)>,
    wanted: &[NodeId],
) -> Result<Vec<(NodeId, Floats)>, ModelError> {
    let starts: Vec<NodeId> = seeds.iter().map(|(node, _)| *node).collect();
    let route = Route::new(lane.graph(), &starts, wanted);
    Walk::new(lane.graph(), &route, &mut OnGpu { lane, rule }, seeds).run()
}

/// Signals on a GPU. Memory that is dropped is free for the next signal at once: all work is on one stream.
pub(super) struct OnGpu<'a> {
    pub(super) lane: &'a Lane,
    rule: KnownRule,
}

/// The kinds of the kernel `gate`.
#[derive(Clone, Copy)]
pub(super) enum Gate {
    Open = 0,
    Relu = 1,
    GuidedRelu = 2,
    Product = 3,
}

impl OnGpu<'_> {
    pub(super) fn input_of(&self, id: NodeId) -> NodeId {
        self.lane.graph().node(id).inputs[0]
    }

    pub(super) fn address<T>(&self, signal: &CudaSlice<T>) -> Address {
        self.lane.gpu().address(signal)
    }

    /// An arbitrary signal at a node.
    pub(super) fn take(&self, id: NodeId) -> Result<Floats, DeviceError> {
        self.lane.gpu().alloc(self.lane.len(id))
    }

    /// How a signal passes a ReLU.
    fn gate_of_relu(&self) -> Gate {
        match self.rule {
            KnownRule::Gradient => Gate::Relu,
            KnownRule::GuidedBackprop => Gate::GuidedRelu,
            KnownRule::LrpZPlus(_) => Gate::Open,
        }
    }

    /// `values = gate(values + addend?)`
    pub(super) fn gate(
        &self,
        values: &Floats,
        addend: Option<&Floats>,
        (gate, other): (Gate, Address),
    ) -> Result<(), DeviceError> {
        let addend = addend.map_or(0, |addend| self.address(addend));
        let arguments = [self.address(values).into(), addend.into(), other.into(), (gate as usize).into()];
        self.lane.launch("gate", values.len(), &arguments)
    }

    /// `values += factor * term`
    pub(super) fn accumulate(&self, values: &Floats, term: &Floats, factor: f32) -> Result<(), DeviceError> {
        let arguments = [self.address(values).into(), self.address(term).into(), factor.into()];
        self.lane.launch("accumulate", values.len(), &arguments)
    }

    /// `divisor = numerator / (divisor + eps)`
    pub(super) fn divide(&self, numerator: &Floats, divisor: &Floats, eps: f32) -> Result<(), DeviceError> {
        let arguments = [self.address(divisor).into(), self.address(numerator).into(), eps.into()];
        self.lane.launch("quotient", divisor.len(), &arguments)
    }

    /// The gradient of a convolution with respect to its input.
    pub(super) fn transpose(
        &self,
        convolution: NodeId,
        form: Form,
        signal: &Floats,
    ) -> Result<Floats, DeviceError> {
        let output = self.take(self.input_of(convolution))?;
        let values = self.lane.values(form)?;
        let exact = matches!(form, Form::Part(_, part) if part.algorithm() == Algorithm::Direct);
        let operands = Operands {
            input: self.address(signal),
            weight: self.address(&values.weight),
            output: self.address(&output),
        };
        let site = self.lane.site(convolution, exact);
        self.lane.transpose(site, operands)?;
        Ok(output)
    }

    /// The transpose of the mean over all positions of a node's input.
    pub(super) fn spread(&self, pool: NodeId, signal: &Floats) -> Result<Floats, DeviceError> {
        let input = self.input_of(pool);
        let (output, shape) = (self.take(input)?, self.lane.shape(input));
        let arguments = [
            self.address(signal).into(),
            self.address(&output).into(),
            shape.positions().into(),
            shape.channels.into(),
        ];
        self.lane.launch("spread_mean", output.len(), &arguments)?;
        Ok(output)
    }
}

impl Passes<Floats> for OnGpu<'_> {
    fn copy(&mut self, signal: &Floats) -> Result<Floats, ModelError> {
        Ok(self.lane.gpu().copy(signal)?)
    }

    fn add(&mut self, sum: &mut Floats, more: Floats) -> Result<(), ModelError> {
        Ok(self.accumulate(sum, &more, 1.0)?)
    }

    fn discard(&mut self, signal: Floats) {
        drop(signal);
    }

    fn norm(&mut self, norm: NodeId, signal: &mut Floats) -> Result<(), ModelError> {
        if let KnownRule::LrpZPlus(_) = self.rule {
            return Ok(());
        }
        let scale = self.lane.values(Form::Norm(norm))?;
        let channels = self.lane.shape(norm).channels;
        let arguments = [self.address(signal).into(), self.address(&scale.weight).into(), channels.into()];
        Ok(self.lane.launch("scale_by_channel", signal.len(), &arguments)?)
    }

    fn relu(&mut self, relu: NodeId, signal: &mut Floats) -> Result<(), ModelError> {
        match self.gate_of_relu() {
            Gate::Open => Ok(()),
            gate => Ok(self.gate(signal, None, (gate, self.lane.value(relu)))?),
        }
    }

    fn split(&mut self, addition: NodeId, signal: &mut Floats) -> Result<Floats, ModelError> {
        let KnownRule::LrpZPlus(_) = self.rule else { return self.copy(signal) };
        let inputs = &self.lane.graph().node(addition).inputs;
        let rest = self.take(addition)?;
        let terms = [self.lane.value(inputs[0]).into(), self.lane.value(inputs[1]).into()];
        let signals = [self.address(signal).into(), self.address(&rest).into()];
        self.lane.launch("split_by_magnitude", rest.len(), &[terms, signals].concat())?;
        Ok(rest)
    }

    fn convolution(
        &mut self,
        at: Convolved,
        signal: Floats,
        addend: Option<Floats>,
    ) -> Result<Floats, ModelError> {
        if let KnownRule::LrpZPlus(lrp) = self.rule {
            let reads_pixels = at.input == self.lane.graph().input();
            let output = match reads_pixels {
                true => self.z_b(lrp, at.convolution, &signal)?,
                false => self.z_plus(lrp, at.convolution, &signal)?,
            };
            if let Some(addend) = addend {
                self.accumulate(&output, &addend, 1.0)?;
            }
            return Ok(output);
        }
        let form = match at.norm {
            Some(norm) => Form::Folded { convolution: at.convolution, norm },
            None => Form::Part(at.convolution, Part::Raw),
        };
        let output = self.transpose(at.convolution, form, &signal)?;
        let (gate, other) = match at.through_relu {
            true => (self.gate_of_relu(), self.lane.value(at.input)),
            false => (Gate::Open, 0),
        };
        if addend.is_some() || at.through_relu {
            self.gate(&output, addend.as_ref(), (gate, other))?;
        }
        Ok(output)
    }

    fn max_pool(&mut self, pool: NodeId, window: Window, signal: Floats) -> Result<Floats, ModelError> {
        if let KnownRule::LrpZPlus(lrp) = self.rule {
            return Ok(self.average_pool_relevance(lrp, (pool, window), &signal)?);
        }
        let output = self.take(self.input_of(pool))?;
        let pointers =
            [self.address(&signal).into(), self.lane.argmax(pool).into(), self.address(&output).into()];
        let arguments = [&pointers, &self.lane.pooling(pool, window)[..]].concat();
        self.lane.launch("max_pool_backward", output.len(), &arguments)?;
        Ok(output)
    }

    fn global_average_pool(&mut self, pool: NodeId, signal: Floats) -> Result<Floats, ModelError> {
        let KnownRule::LrpZPlus(lrp) = self.rule else { return Ok(self.spread(pool, &signal)?) };
        let quotient = self.means(pool)?;
        self.divide(&signal, &quotient, lrp.eps)?;
        let output = self.spread(pool, &quotient)?;
        self.gate(&output, None, (Gate::Product, self.lane.value(self.input_of(pool))))?;
        Ok(output)
    }
}

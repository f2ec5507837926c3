//! Walks back through a graph over values that a GPU keeps.

use neuron_geometry::Window;

use super::convolution::Operands;
use super::device_weights::WeightForm;
use super::gpu::Floats;
use super::gpu_run::GpuRun;
use super::kernels::Argument;
use super::memory::{DeviceMemory, DeviceView};
use crate::device::DeviceError;
use crate::error::ModelError;
use crate::executor::Signals;
use crate::graph::NodeId;
use crate::kernels::Part;
use crate::reverse::{Convolved, KnownRule, Passes, Route, Rule, Walk};
use neuron_kernels::{Algorithm, Buffer};

/// Walks from the seeds to the wanted nodes over the values of the run's last block.
pub(super) fn walk(
    run: &GpuRun,
    rule: &dyn Rule,
    seeds: &Signals,
    wanted: &[NodeId],
) -> Result<Signals, ModelError> {
    let rule = rule.known().ok_or(DeviceError::UnknownRule)?;
    run.gpu().bind()?;
    let upload = |(node, seed): &(NodeId, Buffer)| run.gpu().upload(seed).map(|seed| (*node, seed));
    let on_gpu = seeds.iter().map(upload).collect::<Result<Vec<_>, _>>()?;
    // The copies read the host's memory until they are done.
    run.gpu().wait()?;
    let results = walk_there(run, rule, on_gpu, wanted)?;
    let download = |(node, signal): (NodeId, Floats)| {
        run.gpu().download_into_buffer(&signal, run.len(node)).map(|signal| (node, signal))
    };
    Ok(results.into_iter().map(download).collect::<Result<_, _>>()?)
}

/// As [`walk`], from signals on the GPU to signals there; waits for nothing.
pub(super) fn walk_there(
    run: &GpuRun,
    rule: KnownRule,
    seeds: Vec<(NodeId, Floats)>,
    wanted: &[NodeId],
) -> Result<Vec<(NodeId, Floats)>, ModelError> {
    let starts: Vec<NodeId> = seeds.iter().map(|(node, _)| *node).collect();
    let route = Route::new(run.graph(), &starts, wanted);
    Walk::new(run.graph(), &route, &mut DeviceSignals { run, rule }, seeds).run()
}

/// Signals on a GPU. Memory that is dropped is free for the next signal at once: all work is on one stream.
pub(super) struct DeviceSignals<'a> {
    pub(super) run: &'a GpuRun,
    rule: KnownRule,
}

/// What the kernel `gate` lets through.
#[derive(Clone, Copy)]
pub(super) enum SignalGate<'m> {
    /// Everything.
    Open,
    /// What passes the ReLU with this output.
    Relu(DeviceView<'m>),
    /// Of that, what is above zero.
    GuidedRelu(DeviceView<'m>),
    /// Its product with these values.
    Product(DeviceView<'m>),
}

impl DeviceSignals<'_> {
    pub(super) fn input_of(&self, id: NodeId) -> NodeId {
        self.run.graph().node(id).inputs[0]
    }

    /// An arbitrary signal at a node.
    pub(super) fn take(&self, id: NodeId) -> Result<Floats, DeviceError> {
        self.run.gpu().alloc(self.run.len(id))
    }

    /// How a signal passes a ReLU.
    fn gate_of_relu(&self, relu: NodeId) -> SignalGate<'_> {
        let output = self.run.value(relu);
        match self.rule {
            KnownRule::Gradient => SignalGate::Relu(output),
            KnownRule::GuidedBackprop => SignalGate::GuidedRelu(output),
            KnownRule::LrpZPlus(_) => SignalGate::Open,
        }
    }

    /// `values = gate(values + addend?)`
    pub(super) fn gate(
        &self,
        values: &Floats,
        addend: Option<&Floats>,
        gate: SignalGate<'_>,
    ) -> Result<(), DeviceError> {
        let (kind, other) = match gate {
            // The other values are not read.
            SignalGate::Open => (0, values.view()),
            SignalGate::Relu(output) => (1, output),
            SignalGate::GuidedRelu(output) => (2, output),
            SignalGate::Product(factors) => (3, factors),
        };
        let addend = addend.map(DeviceMemory::view);
        let arguments = [values.into(), addend.into(), other.into(), Argument::Whole(kind)];
        self.run.launch("gate", values.len(), &arguments)
    }

    /// `values += factor * term`
    pub(super) fn accumulate(&self, values: &Floats, term: &Floats, factor: f32) -> Result<(), DeviceError> {
        let arguments = [values.into(), term.into(), factor.into()];
        self.run.launch("accumulate", values.len(), &arguments)
    }

    /// `divisor = numerator / (divisor + eps)`
    pub(super) fn divide(&self, numerator: &Floats, divisor: &Floats, eps: f32) -> Result<(), DeviceError> {
        let arguments = [divisor.into(), numerator.into(), eps.into()];
        self.run.launch("quotient", divisor.len(), &arguments)
    }

    /// The gradient of a convolution with respect to its input.
    pub(super) fn transpose(
        &self,
        convolution: NodeId,
        form: WeightForm,
        signal: &Floats,
    ) -> Result<Floats, DeviceError> {
        let output = self.take(self.input_of(convolution))?;
        let values = self.run.values(form)?;
        let exact = matches!(form, WeightForm::Part(_, part) if part.algorithm() == Algorithm::Direct);
        let (input, weight) = (signal.view(), values.weight());
        let operands = Operands { input, weight, output: output.view() };
        let call = self.run.call(convolution, exact);
        self.run.transpose(call, operands)?;
        Ok(output)
    }

    /// The transpose of the mean over all positions of a node's input.
    pub(super) fn spread(&self, pool: NodeId, signal: &Floats) -> Result<Floats, DeviceError> {
        let input = self.input_of(pool);
        let (output, shape) = (self.take(input)?, self.run.shape(input));
        let arguments = [signal.into(), (&output).into(), shape.positions().into(), shape.channels.into()];
        self.run.launch("spread_mean", output.len(), &arguments)?;
        Ok(output)
    }
}

impl Passes<Floats> for DeviceSignals<'_> {
    fn copy(&mut self, signal: &Floats) -> Result<Floats, ModelError> {
        Ok(self.run.gpu().copy(signal)?)
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
        let scale = self.run.values(WeightForm::Norm(norm))?;
        let channels = self.run.shape(norm).channels;
        let arguments = [(&*signal).into(), scale.weight().into(), channels.into()];
        Ok(self.run.launch("scale_by_channel", signal.len(), &arguments)?)
    }

    fn relu(&mut self, relu: NodeId, signal: &mut Floats) -> Result<(), ModelError> {
        match self.gate_of_relu(relu) {
            SignalGate::Open => Ok(()),
            gate => Ok(self.gate(signal, None, gate)?),
        }
    }

    fn split(&mut self, addition: NodeId, signal: &mut Floats) -> Result<Floats, ModelError> {
        let KnownRule::LrpZPlus(_) = self.rule else { return self.copy(signal) };
        let inputs = &self.run.graph().node(addition).inputs;
        let rest = self.take(addition)?;
        let terms = [self.run.value(inputs[0]).into(), self.run.value(inputs[1]).into()];
        let signals = [(&*signal).into(), (&rest).into()];
        self.run.launch("split_by_magnitude", rest.len(), &[terms, signals].concat())?;
        Ok(rest)
    }

    fn convolution(
        &mut self,
        at: Convolved,
        signal: Floats,
        addend: Option<Floats>,
    ) -> Result<Floats, ModelError> {
        if let KnownRule::LrpZPlus(lrp) = self.rule {
            let reads_pixels = at.input == self.run.graph().input();
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
            Some(norm) => WeightForm::Folded { convolution: at.convolution, norm },
            None => WeightForm::Part(at.convolution, Part::Raw),
        };
        let output = self.transpose(at.convolution, form, &signal)?;
        let gate = match at.through_relu {
            true => self.gate_of_relu(at.input),
            false => SignalGate::Open,
        };
        if addend.is_some() || at.through_relu {
            self.gate(&output, addend.as_ref(), gate)?;
        }
        Ok(output)
    }

    fn max_pool(&mut self, pool: NodeId, window: Window, signal: Floats) -> Result<Floats, ModelError> {
        if let KnownRule::LrpZPlus(lrp) = self.rule {
            return Ok(self.average_pool_relevance(lrp, (pool, window), &signal)?);
        }
        let output = self.take(self.input_of(pool))?;
        let pointers = [(&signal).into(), self.run.argmax(pool).into(), (&output).into()];
        let arguments = [&pointers, &self.run.pooling(pool, window)[..]].concat();
        self.run.launch("max_pool_backward", output.len(), &arguments)?;
        Ok(output)
    }

    fn global_average_pool(&mut self, pool: NodeId, signal: Floats) -> Result<Floats, ModelError> {
        let KnownRule::LrpZPlus(lrp) = self.rule else { return Ok(self.spread(pool, &signal)?) };
        let quotient = self.means(pool)?;
        self.divide(&signal, &quotient, lrp.eps)?;
        let output = self.spread(pool, &quotient)?;
        self.gate(&output, None, SignalGate::Product(self.run.value(self.input_of(pool))))?;
        Ok(output)
    }
}

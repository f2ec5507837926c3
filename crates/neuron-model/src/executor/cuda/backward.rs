//! Backward passes over values that a GPU keeps.

use super::run::GpuRun;
use crate::composite::Composite;
use crate::cuda::argument::Argument;
use crate::cuda::capability;
use crate::cuda::convolution::Operands;
use crate::cuda::device_weights::WeightForm;
use crate::cuda::gpu::Floats;
use crate::cuda::memory::{DeviceMemory, DeviceView};
use crate::error::DeviceError;
use crate::error::ModelError;
use crate::executor::interface::Signals;
use crate::ops::{MaxPool, Operation};
use crate::prepared::Part;
use crate::rule::Rule;
use crate::traversal::{Crossing, SignalOps, traverse};
use crate::value::NodeId;
use neuron_kernels::{Algorithm, Buffer};

/// Passes the seeds to the wanted nodes over the values of the run's last block.
pub(super) fn pass(
    run: &GpuRun,
    composite: &Composite,
    seeds: &Signals,
    wanted: &[NodeId],
) -> Result<Signals, ModelError> {
    run.gpu().bind()?;
    let upload = |(node, seed): &(NodeId, Buffer)| run.gpu().upload(seed).map(|seed| (*node, seed));
    let on_gpu = seeds.iter().map(upload).collect::<Result<Vec<_>, _>>()?;
    // The copies read the host's memory until they are done.
    run.gpu().wait()?;
    let results = pass_there(run, composite, on_gpu, wanted)?;
    let download = |(node, signal): (NodeId, Floats)| {
        run.gpu().download_into_buffer(&signal, run.len(node)).map(|signal| (node, signal))
    };
    Ok(results.into_iter().map(download).collect::<Result<_, _>>()?)
}

/// As [`pass`], from signals on the GPU to signals there; waits for nothing.
pub(crate) fn pass_there(
    run: &GpuRun,
    composite: &Composite,
    seeds: Vec<(NodeId, Floats)>,
    wanted: &[NodeId],
) -> Result<Vec<(NodeId, Floats)>, ModelError> {
    traverse(run.graph(), composite, &mut DeviceSignals { run, composite }, seeds, wanted)
}

/// Signals on a GPU. Memory that is dropped is free for the next signal at once: all work is on one stream.
pub(super) struct DeviceSignals<'a> {
    pub(super) run: &'a GpuRun,
    composite: &'a Composite,
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
        match *self.composite.rule(self.run.graph(), relu) {
            Rule::Guided => SignalGate::GuidedRelu(output),
            Rule::Identity => SignalGate::Open,
            _ => SignalGate::Relu(output),
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

impl DeviceSignals<'_> {
    /// The gradient at the input of a convolution or fully connected layer, past the norm above and the ReLU below where
    /// the crossing holds them.
    fn gradient(
        &self,
        at: Crossing,
        signal: &Floats,
        addend: Option<&Floats>,
    ) -> Result<Floats, DeviceError> {
        let form = match at.fold {
            Some(norm) => WeightForm::Folded { convolution: at.node, norm },
            None => WeightForm::Part(at.node, Part::Raw),
        };
        let output = self.transpose(at.node, form, signal)?;
        if addend.is_some() || at.gate.is_some() {
            let gate = at.gate.map_or(SignalGate::Open, |relu| self.gate_of_relu(relu));
            self.gate(&output, addend, gate)?;
        }
        Ok(output)
    }

    /// Relevance with what has arrived at the input already.
    fn with_addend(&self, output: Floats, addend: Option<&Floats>) -> Result<Floats, DeviceError> {
        if let Some(addend) = addend {
            self.accumulate(&output, addend, 1.0)?;
        }
        Ok(output)
    }

    /// The gradient below a batch norm by itself.
    fn scale(&self, norm: NodeId, signal: &Floats) -> Result<(), DeviceError> {
        let scale = self.run.values(WeightForm::Norm(norm))?;
        let channels = self.run.shape(norm).channels;
        let arguments = [signal.into(), scale.weight().into(), channels.into()];
        self.run.launch("scale_by_channel", signal.len(), &arguments)
    }

    /// What of a signal at a sum goes to its second term; the signal keeps what goes to the first.
    fn split(&self, sum: NodeId, signal: &Floats) -> Result<Floats, DeviceError> {
        let inputs = &self.run.graph().node(sum).inputs;
        let rest = self.take(sum)?;
        let terms = [self.run.value(inputs[0]).into(), self.run.value(inputs[1]).into()];
        let signals = [signal.into(), (&rest).into()];
        self.run.launch("split_by_magnitude", rest.len(), &[terms, signals].concat())?;
        Ok(rest)
    }

    /// The gradient below a max-pool.
    fn to_the_maxima(&self, at: NodeId, pool: MaxPool, signal: &Floats) -> Result<Floats, DeviceError> {
        let output = self.take(self.input_of(at))?;
        let pointers = [signal.into(), self.run.argmax(at).into(), (&output).into()];
        let arguments = [&pointers, &self.run.pooling(at, pool.window)[..]].concat();
        self.run.launch("max_pool_backward", output.len(), &arguments)?;
        Ok(output)
    }
}

impl SignalOps for DeviceSignals<'_> {
    type Signal = Floats;

    fn passes(&self, node: NodeId) -> bool {
        capability::passes(self.run.graph(), self.composite, node)
    }

    fn copy(&mut self, signal: &Floats) -> Result<Floats, ModelError> {
        Ok(self.run.gpu().copy(signal)?)
    }

    fn add(&mut self, sum: &mut Floats, more: Floats) -> Result<(), ModelError> {
        Ok(self.accumulate(sum, &more, 1.0)?)
    }

    fn discard(&mut self, signal: Floats) {
        drop(signal);
    }

    fn cross(
        &mut self,
        at: Crossing,
        signal: Floats,
        addend: Option<Floats>,
    ) -> Result<Vec<Floats>, ModelError> {
        let (graph, id) = (self.run.graph(), at.node);
        let addend = addend.as_ref();
        let output = match (graph.node(id).operation, &*self.composite.rule(graph, id)) {
            (Operation::Convolution(_) | Operation::Linear(_), rule) => match *rule {
                Rule::ZPlus { eps } => self.with_addend(self.z_plus(id, &signal, eps)?, addend)?,
                Rule::ZBox { pixels, eps } => {
                    self.with_addend(self.z_b(id, &signal, (pixels, eps))?, addend)?
                }
                _ => self.gradient(at, &signal, addend)?,
            },
            (Operation::BatchNorm(_), Rule::Gradient) => {
                self.scale(id, &signal)?;
                signal
            }
            (Operation::Relu(_), _) => {
                match self.gate_of_relu(id) {
                    SignalGate::Open => {}
                    gate => self.gate(&signal, None, gate)?,
                }
                signal
            }
            (Operation::Add(_), rule) => {
                let rest = match rule {
                    Rule::ByMagnitude => self.split(id, &signal)?,
                    _ => self.run.gpu().copy(&signal)?,
                };
                return Ok(vec![signal, rest]);
            }
            (Operation::MaxPool(pool), rule) => match *rule {
                Rule::AveragePool { eps } => self.average_pool_relevance((id, pool.window), &signal, eps)?,
                _ => self.to_the_maxima(id, pool, &signal)?,
            },
            (Operation::GlobalAveragePool(_), rule) => match *rule {
                Rule::ZPlus { eps } => self.mean_relevance(id, &signal, eps)?,
                _ => self.spread(id, &signal)?,
            },
            // A batch norm that is passed over; nothing else comes here.
            _ => signal,
        };
        Ok(vec![output])
    }
}

use neuron_kernels::{View, update};

use crate::composite::Composite;
use crate::error::ModelError;
use crate::executor::Executor;
use crate::graph::Graph;
use crate::ops::{Backward, Pool, Signal, Size, Weighted};
use crate::prepared::PreparedWeights;
use crate::traversal::{Crossing, SignalOps};
use crate::value::NodeId;

/// Signals in main memory, which pass every operation by any rule that it knows.
pub(super) struct OnHost<'a> {
    pub(super) graph: &'a Graph,
    pub(super) prepared: &'a PreparedWeights,
    /// Where the values of the forward pass are.
    pub(super) executor: &'a dyn Executor,
    pub(super) composite: &'a Composite,
    pub(super) pool: &'a mut Pool,
}

impl OnHost<'_> {
    fn size(&self, id: NodeId) -> Size {
        let (shape, batch) = (self.executor.shape(id), self.executor.batch());
        let [height, width] = shape.lines();
        Size { batch, height, width, channels: shape.channels }
    }
}

impl SignalOps for OnHost<'_> {
    type Signal = Signal;

    fn copy(&mut self, signal: &Signal) -> Result<Signal, ModelError> {
        Ok(signal.clone())
    }

    fn add(&mut self, sum: &mut Signal, more: Signal) -> Result<(), ModelError> {
        update(self.pool.own(sum), &more, |sum, more| sum + more);
        self.pool.release(more);
        Ok(())
    }

    fn discard(&mut self, signal: Signal) {
        self.pool.release(signal);
    }

    fn cross(
        &mut self,
        at: Crossing,
        signal: Signal,
        addend: Option<Signal>,
    ) -> Result<Vec<Signal>, ModelError> {
        let (graph, composite) = (self.graph, self.composite);
        let node = graph.node(at.node);
        let inputs: Vec<Option<View<'_>>> = node.inputs.iter().map(|id| self.executor.kept(*id)).collect();
        let sizes: Vec<Size> = node.inputs.iter().map(|id| self.size(*id)).collect();
        let rule = composite.rule(graph, at.node);
        let gate_rule = at.gate.map(|id| composite.rule(graph, id));
        let gate = |id: NodeId| {
            let output = self.executor.kept(id).expect("every pass that keeps anything keeps this");
            (output.data, gate_rule.as_deref().expect("a gate has a rule"))
        };
        let call = Backward {
            rule: &rule,
            weights: Weighted {
                prepared: self.prepared,
                owner: graph.owner(at.node),
                fold: at.fold.and_then(|norm| graph.fold(norm)),
            },
            inputs: &inputs,
            sizes: &sizes,
            output_size: self.size(at.node),
            output: self.executor.kept(at.node),
            saved: self.executor.saved(at.node),
            addend,
            gate: at.gate.map(gate),
        };
        let signals = node.operation.backward(&call, signal, self.pool);
        call.addend.into_iter().for_each(|addend| self.pool.release(addend));
        Ok(signals)
    }
}

use neuron_kernels::Activation;

use crate::value::NodeId;

/// One call of an operation, with what is computed in the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Steps whose values only the next one reads, and this one those of the last: they are computed a band of lines at a time,
    /// and no map of them is written.
    pub(crate) before: Vec<Step>,
    /// The operation that is called.
    pub(crate) node: NodeId,
    /// The values that it reads.
    pub(crate) inputs: Vec<NodeId>,
    /// The factors of the first input's channels.
    pub(crate) gate: Option<NodeId>,
    /// The batch norm that is folded into its weights.
    pub(crate) fold: Option<NodeId>,
    /// The value that is added to its result.
    pub(crate) addend: Option<NodeId>,
    /// The function of every value that closes it.
    pub(crate) activation: Option<Activation>,
    /// The node whose value is written: the last that is computed in the same call.
    pub(crate) output: NodeId,
}

impl Step {
    /// Every value that is read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = NodeId> {
        self.first().inputs.iter().copied().chain(self.gate).chain(self.addend)
    }

    /// The first operation of those that are called one behind the other.
    pub(crate) fn first(&self) -> &Step {
        self.before.first().unwrap_or(self)
    }

    /// All of them, in order.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Step> {
        self.before.iter().chain([self])
    }
}

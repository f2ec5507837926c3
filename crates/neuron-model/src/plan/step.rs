use neuron_kernels::Activation;

use crate::value::NodeId;

/// One call of an operation, with what is computed in the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
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
        self.inputs.iter().copied().chain(self.gate).chain(self.addend)
    }
}

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
    /// A second convolution whose products are added up with its own.
    pub(crate) shortcut: Option<Shortcut>,
    /// The function of every value that closes it.
    pub(crate) activation: Option<Activation>,
    /// The node whose value is written: the last that is computed in the same call.
    pub(crate) output: NodeId,
}

/// A convolution of another map, with the batch norm that is folded into its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortcut {
    pub(crate) node: NodeId,
    pub(crate) fold: NodeId,
    pub(crate) input: NodeId,
}

impl Step {
    /// Every value that is read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = NodeId> {
        let shortcut = self.shortcut.map(|shortcut| shortcut.input);
        self.first().inputs.iter().copied().chain(self.gate).chain(self.addend).chain(shortcut)
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

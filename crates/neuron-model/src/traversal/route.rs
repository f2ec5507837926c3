use crate::composite::Composite;
use crate::graph::Graph;
use crate::ops::OpKind;
use crate::rule::Rule;
use crate::value::NodeId;

/// The part of a graph that signals from some starts pass on their way to the wanted nodes.
pub(crate) struct Route {
    active: Vec<bool>,
    wanted: Vec<bool>,
    /// For each node, the first of its active readers in graph order: the last one that a backward pass meets.
    last_readers: Vec<Option<NodeId>>,
    /// For each batch norm, the convolution below it that nobody else reads and nobody looks at.
    folded: Vec<Option<NodeId>>,
}

impl Route {
    pub(crate) fn new(
        graph: &Graph,
        composite: &Composite,
        starts: &[NodeId],
        wanted_nodes: &[NodeId],
    ) -> Self {
        let len = graph.nodes().len();
        let mut wanted = vec![false; len];
        wanted_nodes.iter().for_each(|id| wanted[id.0] = true);
        // On the way: above a wanted node and below a start.
        let mut above = wanted.clone();
        for id in graph.ids() {
            above[id.0] |= graph.node(id).inputs.iter().any(|input| above[input.0]);
        }
        let below = below(graph, composite, starts);
        let active: Vec<bool> = above.iter().zip(&below).map(|(above, below)| *above && *below).collect();

        let mut last_readers = vec![None; len];
        for id in graph.ids().filter(|id| active[id.0]) {
            for input in &graph.node(id).inputs {
                last_readers[input.0].get_or_insert(id);
            }
        }
        let mut route = Self { active, wanted, last_readers, folded: vec![None; len] };
        if composite.merge_norms {
            for id in graph.ids().filter(|id| route.active[id.0] && !composite.at.contains_key(id)) {
                route.folded[id.0] = route.foldable(graph, starts, id);
            }
        }
        route
    }

    /// The convolution below a batch norm, if their two steps back can be one.
    fn foldable(&self, graph: &Graph, starts: &[NodeId], id: NodeId) -> Option<NodeId> {
        if graph.node(id).operation.kind() != OpKind::BatchNorm {
            return None;
        }
        let below = graph.node(id).inputs[0];
        let alone = self.active[below.0] && !self.wanted[below.0] && !starts.contains(&below);
        let is_convolution = graph.node(below).operation.kind() == OpKind::Convolution;
        let readers = graph.ids().filter(|reader| graph.node(*reader).inputs.contains(&below)).count();
        (alone && is_convolution && readers == 1).then_some(below)
    }

    /// Whether the signal at a node goes on to one of its inputs.
    pub(crate) fn goes_on(&self, graph: &Graph, id: NodeId) -> bool {
        graph.node(id).inputs.iter().any(|input| self.active[input.0])
    }

    /// The nodes whose operations are passed, each by its own rule.
    pub(crate) fn crossed<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = NodeId> + 'a {
        let passed = graph.ids().filter(|id| self.active[id.0] && self.goes_on(graph, *id));
        passed.filter(|id| self.folded[id.0].is_none())
    }

    pub(crate) fn is_active(&self, id: NodeId) -> bool {
        self.active[id.0]
    }

    pub(crate) fn is_wanted(&self, id: NodeId) -> bool {
        self.wanted[id.0]
    }

    /// Whether `reader` is the last one from which a signal arrives at `id`.
    pub(crate) fn is_last_reader(&self, id: NodeId, reader: NodeId) -> bool {
        self.last_readers[id.0] == Some(reader)
    }

    pub(crate) fn folded(&self, norm: NodeId) -> Option<NodeId> {
        self.folded[norm.0]
    }
}

/// The nodes that signals reach from some starts. To a gate that relevance passes by nothing goes: it is a constant.
fn below(graph: &Graph, composite: &Composite, starts: &[NodeId]) -> Vec<bool> {
    let mut below = vec![false; graph.nodes().len()];
    starts.iter().for_each(|start| below[start.0] = true);
    for id in graph.ids().rev() {
        let node = graph.node(id);
        let gate = node.operation.op().gate().filter(|_| *composite.rule(graph, id) == Rule::Identity);
        if below[id.0] {
            let inputs = node.inputs.iter().enumerate().filter(|(index, _)| gate != Some(*index));
            inputs.for_each(|(_, input)| below[input.0] = true);
        }
    }
    below
}

//! What runs a plan: the CPU engine, or GPUs.
//!
//! A [`Session`](crate::Session) and the backward passes through a graph know a plan and its values by node; where the
//! values are and what computes them is an executor's business.

#[cfg(any(feature = "cuda", test))]
pub(crate) mod blocks;
mod host;

pub(crate) use host::Host;

use crate::error::ModelError;
use crate::graph::NodeId;
use crate::images::Images;
use crate::matching::Matcher;
use crate::reverse::Rule;
use crate::session::{Reduction, Scored, Tapped};
use neuron_kernels::{self as kernels, Buffer, View};

/// Is shown each tap's maps.
pub(crate) type Visit<'a> = &'a mut (dyn FnMut(Tapped<'_>) + Send);
/// Is shown each tap's scores.
pub(crate) type VisitScores<'a> = &'a mut (dyn FnMut(Scored<'_>) + Send);

/// Signals at some nodes, channels-last on the host.
pub(crate) type Signals = Vec<(NodeId, Buffer)>;

/// Shows `visit` the scores of the maps that it is shown.
pub(crate) fn reduced(
    reduction: Reduction,
    visit: &mut (dyn FnMut(Scored<'_>) + Send),
) -> impl FnMut(Tapped<'_>) + Send {
    let (mut scores, mut positions) = (Vec::new(), Vec::new());
    move |Tapped { tap, first_item, map }| {
        scores.resize(map.batch * map.channels, 0.0);
        positions.resize(scores.len(), 0);
        match reduction {
            Reduction::Max => kernels::reduce_max(map, &mut scores, &mut positions),
            Reduction::Mean => kernels::reduce_mean(map, &mut scores),
        }
        visit(Scored { tap, first_item, channels: map.channels, scores: &scores, positions: &positions });
    }
}

/// A plan with the buffers for running it, somewhere.
pub(crate) trait Executor: Send + Sync {
    /// Runs the images through the plan and shows each tap's values in the order of the items.
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError>;

    /// As [`Executor::run`], of which only the reduced maps are shown.
    fn scores(
        &mut self,
        images: &dyn Images,
        reduction: Reduction,
        visit: VisitScores<'_>,
    ) -> Result<(), ModelError> {
        self.run(images, &mut reduced(reduction, visit))
    }

    /// Items of the last run.
    fn batch(&self) -> usize;

    /// Height and width of a node's map in the last run.
    fn map_size(&self, id: NodeId) -> (usize, usize);

    /// The value of a node on the host, after a run that kept it there.
    fn kept(&self, id: NodeId) -> Option<View<'_>>;

    /// The positions of a max-pool's maxima on the host, after a run that kept them there.
    fn kept_argmax(&self, pool: NodeId) -> &[u8];

    /// Walks back from the seeds to the wanted nodes where the values are; `None` if they are on the host, where
    /// any rule can walk over them.
    fn walk(
        &self,
        _rule: &dyn Rule,
        _seeds: &Signals,
        _wanted: &[NodeId],
    ) -> Result<Option<Signals>, ModelError> {
        Ok(None)
    }

    /// What matches features where the values are; `None` if they are on the host.
    fn matcher(&mut self) -> Option<&mut dyn Matcher> {
        None
    }
}

//! What every place that runs a plan can do.

use neuron_kernels::{Buffer, View};

#[cfg(feature = "cuda")]
use super::cuda::DeviceRun;
use crate::composite::Composite;
use crate::error::ModelError;
use crate::images::Images;
use crate::value::{NodeId, Scored, Scoring, Shape, Tapped, Visit, VisitScores};

/// Signals at some nodes, channels-last on the host.
pub(crate) type Signals = Vec<(NodeId, Buffer)>;

/// A plan with the buffers for running it, somewhere.
pub(crate) trait Executor: Send + Sync {
    /// Runs the images through the plan and shows each tap's values in the order of the items.
    fn run(&mut self, images: &dyn Images, visit: Visit<'_>) -> Result<(), ModelError>;

    /// As [`Executor::run`], of which only the reduced maps are shown.
    fn scores(
        &mut self,
        images: &dyn Images,
        scoring: Scoring,
        visit: VisitScores<'_>,
    ) -> Result<(), ModelError> {
        self.run(images, &mut reduced(scoring, visit))
    }

    /// Items of the last run.
    fn batch(&self) -> usize;

    /// Shape of a node's map in the last run; without positions where it was not computed.
    fn shape(&self, id: NodeId) -> Shape;

    /// The value of a node on the host, after a run that kept it there.
    fn kept(&self, id: NodeId) -> Option<View<'_>>;

    /// What an operation saved beside its output on the host, after a run that kept it there.
    fn saved(&self, id: NodeId) -> &[u8];

    /// Whether it can pass a signal through a node by its rule, given that the operation knows it.
    fn passes(&self, _composite: &Composite, _id: NodeId) -> bool {
        true
    }

    /// Passes the seeds back to the wanted nodes where the values are; `None` if they are on the host, where every
    /// rule can be computed.
    fn backward(
        &self,
        _composite: &Composite,
        _seeds: &Signals,
        _wanted: &[NodeId],
    ) -> Result<Option<Signals>, ModelError> {
        Ok(None)
    }

    /// The run whose values a GPU keeps; `None` if it keeps none, or they are on the host.
    #[cfg(feature = "cuda")]
    fn on_device(&mut self) -> Option<DeviceRun<'_>> {
        None
    }
}

/// Shows `visit` the scores of the maps that it is shown.
///
/// The visitor panics for maps without the positions that are wanted: [`Session::scores`](crate::Session::scores) has
/// checked them.
pub(crate) fn reduced(
    scoring: Scoring,
    visit: &mut (dyn FnMut(Scored<'_>) + Send),
) -> impl FnMut(Tapped<'_>) + Send {
    let (mut scores, mut positions) = (Vec::new(), Vec::new());
    move |Tapped { tap, first_item, extra, map }| {
        let wanted = scoring.positions.range(extra, map.height * map.width);
        let wanted = wanted.expect("positions are checked before anything runs");
        scores.resize(map.batch * map.channels, 0.0);
        positions.resize(scores.len(), 0);
        scoring.reduction.reduce_range(map, wanted, &mut scores, &mut positions);
        visit(Scored { tap, first_item, channels: map.channels, scores: &scores, positions: &positions });
    }
}

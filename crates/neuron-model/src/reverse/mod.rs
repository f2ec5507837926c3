//! Walking a signal back through a graph after a forward pass: gradients and relevance.
//!
//! Input gradients, guided backpropagation and layer-wise relevance propagation are walks over the same graph;
//! only the [`Rule`] at each operation differs.

mod attribution;
mod gradient;
mod host;
mod lrp;
mod method;
mod route;
mod rule;
mod walk;

pub use attribution::{Attribution, attribute};
pub use gradient::{Gradient, GuidedBackprop};
pub use lrp::{LrpZPlus, PixelRange};
pub use method::{RelevanceMethod, UnknownMethod, relevance};
pub use rule::{ConvolutionSite, KnownRule, Rule, Scratch};

pub(crate) use route::Route;
pub(crate) use walk::Walk;
#[cfg(feature = "cuda")]
pub(crate) use walk::{Convolved, Passes};

use std::sync::Arc;

use crate::error::ModelError;
use crate::graph::{NodeId, Tap};
use crate::session::Session;
use host::{OnHost, Spare};
use neuron_kernels::Buffer;

/// The buffers of a walk, used again by the next one.
///
/// A walk starts from one or more [seeds](Reversal::seed) and ends with a signal at every wanted tap.
#[derive(Default)]
pub struct Reversal {
    seeds: Vec<(NodeId, Buffer)>,
    results: Vec<(NodeId, Buffer)>,
    spare: Spare,
}

impl Reversal {
    /// A walk without buffers; they are made by its first run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next walk (also) at `tap`, with the signal that `fill` writes over zeros.
    ///
    /// # Shapes
    /// * `fill`'s argument: `[batch, height, width, channels]`, the tap's map for the session's last batch
    pub fn seed(&mut self, session: &Session, tap: &Tap, fill: impl FnOnce(&mut [f32])) {
        let mut signal = self.spare.take(session.map_len(tap.node));
        signal.fill(0.0);
        fill(&mut signal);
        self.seeds.push((tap.node, signal));
    }

    /// Walks from the seeds down to the `wanted` taps, over the values that the session's last run kept.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the values are on a GPU and it fails, or does not know the rule.
    ///
    /// # Panics
    /// If the session keeps less than `rule` [needs](Rule::keep).
    pub fn run(&mut self, session: &Session, rule: &dyn Rule, wanted: &[Tap]) -> Result<(), ModelError> {
        let enough = session.plan().keep() >= rule.keep();
        assert!(enough, "the session keeps {:?}, the rule reads {:?}", session.plan().keep(), rule.keep());
        self.results.drain(..).for_each(|(_, buffer)| self.spare.give(buffer));
        let wanted: Vec<NodeId> = wanted.iter().map(|tap| tap.node).collect();
        // Whether the walk succeeds or not, the next one starts from its own seeds only.
        let seeds = std::mem::take(&mut self.seeds);
        self.results = match session.walk(rule, &seeds, &wanted) {
            Ok(None) => self.run_on_host(session, rule, seeds, &wanted)?,
            walked => {
                seeds.into_iter().for_each(|(_, buffer)| self.spare.give(buffer));
                walked?.unwrap_or_default()
            }
        };
        Ok(())
    }

    fn run_on_host(
        &mut self,
        session: &Session,
        rule: &dyn Rule,
        seeds: Vec<(NodeId, Buffer)>,
        wanted: &[NodeId],
    ) -> Result<Vec<(NodeId, Buffer)>, ModelError> {
        let graph = session.network().graph();
        let starts: Vec<NodeId> = seeds.iter().map(|(node, _)| *node).collect();
        let route = Route::new(graph, &starts, wanted);
        let mut passes = OnHost { session, rule, spare: &mut self.spare };
        let seeds = seeds.into_iter().map(|(node, seed)| (node, Arc::new(seed))).collect();
        let results = session.network().install(|| Walk::new(graph, &route, &mut passes, seeds).run())?;
        Ok(results.into_iter().map(|(node, signal)| (node, Arc::unwrap_or_clone(signal))).collect())
    }

    /// The signal at a wanted tap; `None` where no seed reaches it.
    ///
    /// # Shapes
    /// * returns: `[batch, height, width, channels]`
    pub fn signal(&self, tap: &Tap) -> Option<&[f32]> {
        self.results.iter().find(|(node, _)| *node == tap.node).map(|(_, signal)| &signal[..])
    }

    /// The signal at a wanted tap, to be changed in place.
    pub(crate) fn signal_mut(&mut self, tap: &Tap) -> Option<&mut [f32]> {
        self.results.iter_mut().find(|(node, _)| *node == tap.node).map(|(_, signal)| &mut signal[..])
    }
}

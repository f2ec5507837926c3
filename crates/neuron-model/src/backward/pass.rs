use std::sync::Arc;

use neuron_kernels::{Buffer, View};

use super::host::OnHost;
use crate::composite::Composite;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::ops::Pool;
use crate::session::Session;
use crate::traversal::traverse;
use crate::value::NodeId;

/// The buffers of a backward pass, used again by the next one.
///
/// A pass starts from one or more [seeds](BackwardPass::seed) and ends with a signal at every wanted tap.
#[derive(Default)]
pub struct BackwardPass {
    seeds: Vec<(Tap, Buffer)>,
    results: Vec<(NodeId, Buffer)>,
    pool: Pool,
}

impl BackwardPass {
    /// A pass without buffers; they are made by its first run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next pass (also) at `tap`, with the signal that `fill` writes over zeros.
    ///
    /// # Shapes
    /// * `fill`'s argument: `[batch, height, width, channels]`, the tap's map for the session's last batch
    pub fn seed(&mut self, session: &Session, tap: &Tap, fill: impl FnOnce(&mut [f32])) {
        let mut signal = self.pool.take(session.batch() * session.shape(tap.node).len());
        signal.fill(0.0);
        fill(&mut signal);
        self.seeds.push((tap.clone(), signal));
    }

    /// Passes the seeds down to the `wanted` taps, over the values that the session's last run kept. Whether it succeeds
    /// or not, the next pass starts without seeds.
    ///
    /// # Errors
    /// [`ModelError::NotKept`] if the session keeps less than the rules read; [`ModelError::Unsupported`] with every
    /// operation on the way that cannot be passed by its rule; [`ModelError::ForeignTap`];
    /// [`ModelError::NotTapped`] if the session's last run, of as many items, did not compute the value of a seed's tap;
    /// [`ModelError::Device`] if a GPU fails.
    pub fn run(
        &mut self,
        session: &Session,
        composite: &Composite,
        wanted: &[Tap],
    ) -> Result<(), ModelError> {
        // Taken out first: a pass that fails must not leave its seeds to the next one.
        let seeds = std::mem::take(&mut self.seeds);
        self.results.drain(..).for_each(|(_, buffer)| self.pool.give(buffer));
        let (keeps, needs) = (session.plan().keep(), composite.keep());
        if keeps < needs {
            return Err(ModelError::NotKept { keeps, needs });
        }
        session.graph().check_taps(wanted.iter().chain(seeds.iter().map(|(tap, _)| tap)))?;
        let fits = |tap: &Tap, seed: &Buffer| {
            !seed.is_empty() && seed.len() == session.batch() * session.shape(tap.node).len()
        };
        if let Some((tap, _)) = seeds.iter().find(|(tap, seed)| !fits(tap, seed)) {
            return Err(ModelError::NotTapped { tap: tap.name.clone() });
        }
        let seeds: Vec<(NodeId, Buffer)> = seeds.into_iter().map(|(tap, seed)| (tap.node, seed)).collect();
        let wanted: Vec<NodeId> = wanted.iter().map(|tap| tap.node).collect();
        let below = session.graph().ancestors(seeds.iter().map(|(node, _)| *node));
        self.results = match session.backward(composite, &seeds, &wanted)? {
            Some(results) => {
                seeds.into_iter().for_each(|(_, buffer)| self.pool.give(buffer));
                results
            }
            None => self.run_on_host(session, composite, seeds, &wanted)?,
        };
        for node in wanted {
            let is_reached = self.results.iter().any(|(reached, _)| *reached == node);
            if below[node.0] && !is_reached {
                let mut nothing = self.pool.take(session.batch() * session.shape(node).len());
                nothing.fill(0.0);
                self.results.push((node, nothing));
            }
        }
        Ok(())
    }

    fn run_on_host(
        &mut self,
        session: &Session,
        composite: &Composite,
        seeds: Vec<(NodeId, Buffer)>,
        wanted: &[NodeId],
    ) -> Result<Vec<(NodeId, Buffer)>, ModelError> {
        let graph = session.graph();
        let seeds = seeds.into_iter().map(|(node, seed)| (node, Arc::new(seed))).collect();
        let network = session.network();
        let mut ops = OnHost {
            graph,
            prepared: network.prepared(),
            executor: session.executor(),
            composite,
            pool: &mut self.pool,
        };
        let results = network.install(|| traverse(graph, composite, &mut ops, seeds, wanted))?;
        Ok(results.into_iter().map(|(node, signal)| (node, Arc::unwrap_or_clone(signal))).collect())
    }

    /// The signal at a wanted tap; `None` where it lies below no seed. It is 0 where rules let nothing through, as below a gate
    /// that is a constant.
    ///
    /// # Shapes
    /// * returns: `[batch, height, width, channels]`
    pub fn signal(&self, tap: &Tap) -> Option<&[f32]> {
        self.results.iter().find(|(node, _)| *node == tap.node).map(|(_, signal)| &signal[..])
    }

    /// As [`BackwardPass::signal`], with the shape that it has in the session's last batch.
    pub fn view<'a>(&'a self, session: &Session, tap: &Tap) -> Option<View<'a>> {
        let shape = session.shape(tap.node);
        let signal = self.signal(tap)?;
        Some(shape.view(session.batch(), signal))
    }

    /// The signal at a wanted tap, to be changed in place.
    pub(super) fn signal_mut(&mut self, tap: &Tap) -> Option<&mut [f32]> {
        self.results.iter_mut().find(|(node, _)| *node == tap.node).map(|(_, signal)| &mut signal[..])
    }
}

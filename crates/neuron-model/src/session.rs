//! Running a plan: buffers that are made once and used for every batch.

use std::sync::Arc;

use neuron_kernels::{Algorithm, Terms, View};

use crate::composite::Composite;
use crate::error::ModelError;
#[cfg(feature = "cuda")]
use crate::executor::cuda::Gpus;
use crate::executor::{Bf16Host, Executor, Host, Signals};
use crate::finite::first_not_finite;
use crate::graph::{Graph, Tap};
use crate::images::Images;
use crate::network::Network;
use crate::plan::{Engine, Plan};
use crate::traversal;
use crate::value::{Keep, NodeId, Scored, Scoring, Shape, Tapped};

impl Network {
    /// The buffers for running a plan to some taps again and again. It stops at the deepest of them.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] with every operation below the taps that the device cannot compute;
    /// [`ModelError::ForeignTap`] for a tap of another network.
    pub fn session(&self, taps: &[Tap], keep: Keep) -> Result<Session, ModelError> {
        self.session_by(taps, keep, Algorithm::Auto)
    }

    /// As [`Network::session`], by convolutions of one algorithm.
    ///
    /// # Errors
    /// Those of [`Network::session`].
    pub fn session_by(&self, taps: &[Tap], keep: Keep, algorithm: Algorithm) -> Result<Session, ModelError> {
        self.graph().check_taps(taps)?;
        let plan = Plan::new(self.graph().clone(), taps.to_vec(), keep, algorithm, engine(self, keep));
        let executor = executor(self, &plan)?;
        Ok(Session { network: self.clone(), plan, executor })
    }
}

/// What runs a plan where the network is.
fn executor(network: &Network, plan: &Plan) -> Result<Box<dyn Executor>, ModelError> {
    #[cfg(feature = "cuda")]
    if !network.device().is_cpu() {
        return Ok(Box::new(Gpus::new(network, plan)?));
    }
    Ok(match terms(network, plan.keep()) {
        Some(terms) => Box::new(Bf16Host::new(network.clone(), plan.clone(), terms)),
        None => Box::new(Host::new(network.clone(), plan.clone())),
    })
}

/// The bf16 numbers a value on the CPU, where it computes in them.
fn terms(network: &Network, keep: Keep) -> Option<Terms> {
    network.device().arithmetic().precision.terms().filter(|_| keep == Keep::Taps)
}

/// What computes.
fn engine(network: &Network, keep: Keep) -> Engine {
    match (network.device().is_cpu(), terms(network, keep)) {
        (false, _) => Engine::Gpu,
        (true, Some(_)) => Engine::Bf16,
        (true, None) => Engine::F32,
    }
}

/// A score that is NaN or infinite.
#[derive(Clone, Copy)]
struct Broken {
    item: usize,
    tap: usize,
    channel: usize,
    value: f32,
}

impl Broken {
    fn first_in(scored: &Scored<'_>) -> Option<Self> {
        let at = first_not_finite(scored.scores)?;
        let (item, channel) = (scored.first_item + at / scored.channels, at % scored.channels);
        Some(Self { item, tap: scored.tap, channel, value: scored.scores[at] })
    }

    /// In which order taps and items are visited depends on the sizes of the maps; which one is told does not.
    fn is_before(self, other: Self) -> bool {
        (self.item, self.tap) < (other.item, other.tap)
    }
}

/// A plan with the buffers for running it.
///
/// Memory does not grow with the batch if nothing is kept ([`Keep::Taps`](crate::Keep::Taps)): the items go through
/// a few at a time. With [`Keep::Gradient`](crate::Keep::Gradient) and [`Keep::Relevance`](crate::Keep::Relevance)
/// the kept values of the whole batch stay until the next run.
pub struct Session {
    network: Network,
    plan: Plan,
    executor: Box<dyn Executor>,
}

impl Session {
    /// The network that is run.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What is run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The taps, in the order in which they were asked for.
    pub fn taps(&self) -> &[Tap] {
        self.plan.taps()
    }

    /// Runs the images through the network and shows each tap's values, a few items at a time, to `visit`.
    ///
    /// For one tap the items come in order; what comes between depends on the sizes of the maps.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] if the images are too small for the taps; [`ModelError::Device`] if a GPU fails.
    pub fn run(
        &mut self,
        images: &dyn Images,
        visit: &mut (dyn FnMut(Tapped<'_>) + Send),
    ) -> Result<(), ModelError> {
        self.executor.run(images, visit)
    }

    /// As [`Session::run`], with each map reduced to one number for each channel where it was computed.
    ///
    /// Scores that are no numbers are not shown. A [`Reduction`](crate::Reduction) is over all positions; [`Scoring`] chooses.
    ///
    /// # Errors
    /// Those of [`Session::run`]; [`ModelError::NoClassToken`] if that is the position that counts, and a tap has none;
    /// [`ModelError::NotFinite`] for the first image with a score that is NaN or infinite.
    pub fn scores(
        &mut self,
        images: &dyn Images,
        scoring: impl Into<Scoring>,
        visit: &mut (dyn FnMut(Scored<'_>) + Send),
    ) -> Result<(), ModelError> {
        let scoring = scoring.into();
        self.graph().check_positions(self.taps(), scoring.positions, images.size())?;
        let mut broken: Option<Broken> = None;
        self.executor.scores(images, scoring, &mut |scored| match Broken::first_in(&scored) {
            None => visit(scored),
            Some(found) if broken.is_none_or(|broken| found.is_before(broken)) => broken = Some(found),
            Some(_) => {}
        })?;
        match broken {
            None => Ok(()),
            Some(Broken { item, tap, channel, value }) => {
                Err(self.network.not_finite(&self.plan.taps()[tap], item, channel, value))
            }
        }
    }

    /// The value of a node after a run that kept it.
    pub(crate) fn kept(&self, id: NodeId) -> Option<View<'_>> {
        self.executor.kept(id)
    }

    /// The map of a tap for the whole of the last batch, channels-last; `None` unless the session keeps values.
    pub fn map(&self, tap: &Tap) -> Option<View<'_>> {
        self.kept(tap.node)
    }

    /// How many positions came before those of the grid in a tap's map in the last run.
    pub fn extra(&self, tap: &Tap) -> usize {
        self.shape(tap.node).extra
    }

    /// Shape of a node's map in the last run.
    pub(crate) fn shape(&self, id: NodeId) -> Shape {
        self.executor.shape(id)
    }

    /// What runs the plan.
    pub(crate) fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    /// The graph that is run.
    pub(crate) fn graph(&self) -> &Arc<Graph> {
        self.plan.graph()
    }

    /// Checks that a signal can go from `target` to the `wanted` taps by the rules of a composite, on this device.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] with every operation on the way that cannot be passed by its rule;
    /// [`ModelError::NotKept`] if the session keeps less than the rules read; [`ModelError::ForeignTap`].
    pub fn check(&self, composite: &Composite, target: &Tap, wanted: &[Tap]) -> Result<(), ModelError> {
        let (keeps, needs) = (self.plan.keep(), composite.keep());
        if keeps < needs {
            return Err(ModelError::NotKept { keeps, needs });
        }
        let graph = self.graph();
        graph.check_taps(wanted.iter().chain([target]))?;
        let wanted: Vec<NodeId> = wanted.iter().map(|tap| tap.node).collect();
        traversal::check(graph, composite, target.node, &wanted, |id| self.executor.passes(composite, id))
    }

    /// Passes the seeds back where the values are; `None` if that is the host.
    pub(crate) fn backward(
        &self,
        composite: &Composite,
        seeds: &Signals,
        wanted: &[NodeId],
    ) -> Result<Option<Signals>, ModelError> {
        self.executor.backward(composite, seeds, wanted)
    }

    /// What runs the plan, to be changed.
    #[cfg(feature = "cuda")]
    pub(crate) fn executor_mut(&mut self) -> &mut dyn Executor {
        &mut *self.executor
    }

    /// Items of the last run.
    pub fn batch(&self) -> usize {
        self.executor.batch()
    }
}

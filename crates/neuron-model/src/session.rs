//! Running a plan: buffers that are made once and used for every batch.

use crate::error::ModelError;
use crate::executor::{Executor, Signals};
use crate::finite::first_not_finite;
use crate::graph::{NodeId, Tap};
use crate::images::Images;
use crate::matching::Matcher;
use crate::network::Network;
use crate::plan::{Keep, Plan};
use crate::reverse::Rule;
use neuron_kernels::View;

/// The value of one tap for some neighbouring items of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Tapped<'a> {
    /// Which of the session's taps.
    pub tap: usize,
    /// Index in the batch of the map's first item.
    pub first_item: usize,
    /// The values, channels-last.
    pub map: View<'a>,
}

/// How a map becomes one number for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The greatest value, as [`kernels::reduce_max`](neuron_kernels::reduce_max) finds it.
    Max,
    /// The mean, as [`kernels::reduce_mean`](neuron_kernels::reduce_mean) computes it.
    Mean,
}

/// The scores of one tap for some neighbouring items of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// Which of the session's taps.
    pub tap: usize,
    /// Index in the batch of the first item.
    pub first_item: usize,
    /// Channels of the tap.
    pub channels: usize,
    /// `[items, channels]`
    pub scores: &'a [f32],
    /// `[items, channels]`: where each maximum is first reached, `y * width + x`; 0 for means.
    pub positions: &'a [u32],
}

impl Scored<'_> {
    /// Where these scores belong in `[batch, channels]`.
    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.first_item * self.channels;
        start..start + self.scores.len()
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
    pub(crate) fn new(network: Network, plan: Plan, executor: Box<dyn Executor>) -> Self {
        Self { network, plan, executor }
    }

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
    /// Scores that are no numbers are not shown.
    ///
    /// # Errors
    /// Those of [`Session::run`], and [`ModelError::NotFinite`] for the first image with a score that is NaN or
    /// infinite.
    pub fn scores(
        &mut self,
        images: &dyn Images,
        reduction: Reduction,
        visit: &mut (dyn FnMut(Scored<'_>) + Send),
    ) -> Result<(), ModelError> {
        let mut broken: Option<Broken> = None;
        self.executor.scores(images, reduction, &mut |scored| match Broken::first_in(&scored) {
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

    /// The values of a node that the plan says were kept.
    pub(crate) fn kept_data(&self, id: NodeId) -> &[f32] {
        self.kept(id).expect("the plan keeps this value").data
    }

    /// The map of a tap for the whole of the last batch, channels-last; `None` unless the session keeps values.
    pub fn map(&self, tap: &Tap) -> Option<View<'_>> {
        self.kept(tap.node)
    }

    /// Height and width of a node's map in the last run.
    pub(crate) fn map_size(&self, id: NodeId) -> (usize, usize) {
        self.executor.map_size(id)
    }

    /// Length of a node's map for the whole of the last batch.
    pub(crate) fn map_len(&self, id: NodeId) -> usize {
        let (height, width) = self.map_size(id);
        self.batch() * height * width * self.network.graph().channels(id)
    }

    /// The positions of a max-pool's maxima after a run that kept them.
    pub(crate) fn kept_argmax(&self, pool: NodeId) -> &[u8] {
        self.executor.kept_argmax(pool)
    }

    /// Walks back where the values are; `None` if that is the host.
    pub(crate) fn walk(
        &self,
        rule: &dyn Rule,
        seeds: &Signals,
        wanted: &[NodeId],
    ) -> Result<Option<Signals>, ModelError> {
        self.executor.walk(rule, seeds, wanted)
    }

    /// What matches the features of images on a GPU, if this session computes there and keeps what backward passes need;
    /// `None` on the CPU, where the values are at hand.
    pub fn matcher(&mut self) -> Option<&mut dyn Matcher> {
        if self.plan.keep() == Keep::Taps {
            return None;
        }
        self.executor.matcher()
    }

    /// Items of the last run.
    pub fn batch(&self) -> usize {
        self.executor.batch()
    }
}

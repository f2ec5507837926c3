//! What the measures read of a network, for some images in one pass.

use neuron_model::{
    ImageRange, Images, Keep, ModelError, Network, NodeId, Positions, Reduction, Session, Tap,
};

use crate::rank_sum::{RankSum, StandardisedRanks};
use crate::tap_scores::TapScores;

/// Images whose maps are ranked together: their maps are in memory.
const TOGETHER: usize = 4;

/// A network that is shown images.
pub struct Probe {
    session: Session,
    /// Which of the session's taps each is whose scores are wanted.
    scored: Vec<usize>,
    /// Which of them each is whose values are ranked.
    ranked: Vec<usize>,
    /// Where each of the session's taps counts.
    positions: Vec<Positions>,
}

/// What a network says about some images.
#[derive(Clone, Debug)]
pub struct Responses {
    /// Of each tap, in the order in which they were named.
    pub scores: Vec<TapScores>,
    /// Of each layer whose values are ranked, in the order in which they were named.
    pub ranks: Vec<RankSum>,
}

impl Probe {
    /// For the scores of `taps`, and the ranks of all values of `layers`. Two names of one value are computed once.
    ///
    /// # Errors
    /// Those of [`Network::session`].
    pub fn new(network: &Network, taps: &[Tap], layers: &[Tap]) -> Result<Self, ModelError> {
        let mut distinct: Vec<Tap> = Vec::new();
        let mut places = |taps: &[Tap]| -> Vec<usize> {
            let place = |tap: &Tap| {
                let node: NodeId = tap.node;
                distinct.iter().position(|known| known.node == node).unwrap_or_else(|| {
                    distinct.push(tap.clone());
                    distinct.len() - 1
                })
            };
            taps.iter().map(place).collect()
        };
        let (scored, ranked) = (places(taps), places(layers));
        let positions = vec![Positions::All; distinct.len()];
        Ok(Self { session: network.session(&distinct, Keep::Taps)?, scored, ranked, positions })
    }

    /// The same probe for scores of some positions of a tap alone; its ranks are of all.
    #[must_use]
    pub fn at_positions(mut self, tap: &Tap, positions: Positions) -> Self {
        for (known, own) in self.session.taps().iter().zip(&mut self.positions) {
            if known.node == tap.node {
                *own = positions;
            }
        }
        self
    }

    /// Shows images to the network. No value that is not finite is among the answers.
    ///
    /// # Errors
    /// Those of the network, [`ModelError::NotFinite`] among them.
    pub fn look(&mut self, images: &dyn Images) -> Result<Responses, ModelError> {
        let network = self.session.network().clone();
        for (tap, positions) in self.session.taps().iter().zip(&self.positions) {
            network.graph().check_positions(std::slice::from_ref(tap), *positions, images.size())?;
        }
        let channels: Vec<usize> = self.session.taps().iter().map(|tap| network.channels(tap)).collect();
        let mut scores: Vec<TapScores> =
            channels.iter().map(|channels| TapScores::new(*channels, Vec::new(), Vec::new())).collect();
        let mut ranks = vec![RankSum::new(); self.ranked.len()];
        // Where nothing is ranked, no map has to stay, and the network chooses how many images go together.
        let together = if self.ranked.is_empty() { images.count().max(1) } else { TOGETHER };
        for first in (0..images.count()).step_by(together) {
            let range = first..images.count().min(first + together);
            let answers = self.answers(&ImageRange::new(images, range.clone()), &channels)?;
            for ((tap, scores), answer) in self.session.taps().iter().zip(&mut scores).zip(&answers) {
                network.check_finite(tap, first, range.len(), &answer.max)?;
                network.check_finite(tap, first, range.len(), &answer.mean)?;
                scores.extend(&TapScores::new(scores.channels(), answer.max.clone(), answer.mean.clone()));
            }
            let maps: Vec<&[f32]> = self.ranked.iter().map(|tap| &*answers[*tap].maps).collect();
            network.install(|| add_ranks(&mut ranks, &maps, range.len()));
        }
        let scores = self.scored.iter().map(|tap| scores[*tap].clone()).collect();
        Ok(Responses { scores, ranks })
    }

    /// One pass.
    fn answers(&mut self, images: &dyn Images, channels: &[usize]) -> Result<Vec<Answer>, ModelError> {
        let of_channels = |channels: &usize| {
            let len = images.count() * channels;
            Answer { max: vec![0.0; len], mean: vec![0.0; len], maps: Vec::new() }
        };
        let mut answers: Vec<Answer> = channels.iter().map(of_channels).collect();
        let mut positions = Vec::new();
        let (ranked, chosen) = (&self.ranked, self.positions.clone());
        self.session.run(images, &mut |tapped| {
            let (tap, map) = (tapped.tap, tapped.map);
            let answer = &mut answers[tap];
            let range = tapped.first_item * channels[tap]..(tapped.first_item + map.batch) * channels[tap];
            positions.resize(range.len(), 0);
            let counted = chosen[tap].range(tapped.extra, map.height * map.width);
            let counted = || counted.clone().expect("checked before the pass");
            Reduction::Max.reduce_range(map, counted(), &mut answer.max[range.clone()], &mut positions);
            Reduction::Mean.reduce_range(map, counted(), &mut answer.mean[range], &mut positions);
            if ranked.contains(&tap) {
                // The items of one tap come in order.
                answer.maps.extend_from_slice(map.data);
            }
        })?;
        Ok(answers)
    }
}

/// What one tap says about some images.
struct Answer {
    /// `[images, channels]`
    max: Vec<f32>,
    /// `[images, channels]`
    mean: Vec<f32>,
    /// `[images, height, width, channels]`, where values are ranked
    maps: Vec<f32>,
}

/// Ranks every image's values at every layer, side by side, and adds them in the order of the images.
fn add_ranks(sums: &mut [RankSum], maps: &[&[f32]], images: usize) {
    let items = maps.iter().flat_map(|map| map.chunks_exact((map.len() / images).max(1)));
    let items: Vec<&[f32]> = items.collect();
    let mut ranks = vec![StandardisedRanks::default(); items.len()];
    let parts = items.iter().zip(&mut ranks);
    neuron_threads::for_each_with(Vec::new, parts, |order, _, (values, ranks)| ranks.replace(values, order));
    for (sum, ranks) in sums.iter_mut().zip(ranks.chunks(images)) {
        ranks.iter().for_each(|ranks| sum.add(ranks));
    }
}

impl TapScores {
    /// Runs images through the network.
    ///
    /// # Errors
    /// Those of the network, [`ModelError::NotFinite`] among them.
    pub fn of(
        network: &Network,
        (tap, positions): (&Tap, Positions),
        images: &dyn Images,
    ) -> Result<Self, ModelError> {
        let probe = Probe::new(network, std::slice::from_ref(tap), &[])?.at_positions(tap, positions);
        let mut responses = { probe }.look(images)?;
        Ok(responses.scores.remove(0))
    }
}

use neuron_data::Preprocessing;
use neuron_model::{Images, Keep, ModelError, Network, Positions, Reduction, Scoring, Session, Tap};

use crate::patches::{BestPlaces, WindowScorer};
use crate::scan::{crops, loaded_together, seconds_of};

/// One of the ways to find the best place in an image.
pub(super) enum Scorer {
    Windows(WindowScorer),
    Fields(FieldScorer),
}

impl Scorer {
    /// The best place of every image for every channel.
    ///
    /// # Shapes
    /// * `pixels`: `[images, crop, crop, 3]`
    pub(super) fn best(&mut self, pixels: &[u8]) -> anyhow::Result<BestPlaces> {
        match self {
            Self::Windows(scorer) => scorer.best(pixels),
            Self::Fields(scorer) => Ok(scorer.best(pixels)?),
        }
    }

    /// Images that went through the network since the scorer was made; a window is one.
    pub(super) fn forwards(&self) -> u64 {
        match self {
            Self::Windows(scorer) => scorer.forwards(),
            Self::Fields(scorer) => scorer.forwards,
        }
    }

    pub(super) fn forwards_per_image(&self) -> usize {
        match self {
            Self::Windows(scorer) => scorer.windows().len(),
            Self::Fields(_) => 1,
        }
    }

    /// How many images are best scored together.
    pub(super) fn images_together(&self) -> usize {
        match self {
            Self::Windows(scorer) => scorer.images_together(),
            Self::Fields(scorer) => loaded_together(scorer.session.network().device()),
        }
    }

    /// A measurement, on grey images.
    pub(super) fn seconds_per_forward(&mut self) -> anyhow::Result<f64> {
        match self {
            Self::Windows(scorer) => scorer.seconds_per_forward(),
            Self::Fields(scorer) => {
                const TIMED: usize = 8;
                let grey = vec![128; TIMED * scorer.preprocessing.crop_bytes()];
                Ok(seconds_of(|| scorer.best(&grey))? / TIMED as f64)
            }
        }
    }
}

/// Scores whole crops by the maxima of their maps.
pub(super) struct FieldScorer {
    session: Session,
    preprocessing: Preprocessing,
    channels: usize,
    scoring: Scoring,
    forwards: u64,
}

impl FieldScorer {
    pub(super) fn new(
        network: &Network,
        tap: &Tap,
        preprocessing: &Preprocessing,
        positions: Positions,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            session: network.session(std::slice::from_ref(tap), Keep::Taps)?,
            preprocessing: preprocessing.clone(),
            channels: network.channels(tap),
            scoring: Scoring { reduction: Reduction::Max, positions },
            forwards: 0,
        })
    }

    /// The position of every channel's maximum on every image.
    ///
    /// # Shapes
    /// * `pixels`: `[images, crop, crop, 3]`
    pub(super) fn best(&mut self, pixels: &[u8]) -> Result<BestPlaces, ModelError> {
        let images = crops(pixels, &self.preprocessing);
        let (count, channels) = (images.count(), self.channels);
        let (mut scores, mut places) = (vec![0.0; count * channels], vec![0; count * channels]);
        self.session.scores(&images, self.scoring, &mut |scored| {
            scores[scored.range()].copy_from_slice(scored.scores);
            places[scored.range()].copy_from_slice(scored.positions);
        })?;
        self.forwards += count as u64;
        Ok(BestPlaces::new(channels, scores, places))
    }
}

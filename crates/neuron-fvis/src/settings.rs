use neuron_model::{Images, PixelRange, Positions, Tap};
use serde::Serialize;

use crate::activation_term::ActivationTerm;
use crate::aim::Aim;
use crate::error::FvisError;
use crate::finish::Finish;
use crate::layer_weights::LayerWeights;
use crate::parametrisation::Parametrisation;
use crate::prior::ImagePriors;
use crate::schedule::{Phase, Schedule};
use crate::start_from::StartFrom;
use crate::warp::Transforms;
use crate::weighting::FeatureWeighting;

/// How pictures are optimised.
///
/// As JSON, what the published method does not know is left out unless it is used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// What pictures are optimised towards. Default: the distributions of their references' features.
    #[serde(skip_serializing_if = "is_default")]
    pub aim: Aim,
    /// How much each feature counts. Default: by its relevance, found by LRP.
    pub method: FeatureWeighting,
    /// The last steps, in which features are weighed in another way. Default: there are none.
    #[serde(skip_serializing_if = "is_default")]
    pub finish: Option<Finish>,
    /// How much the features of each layer count. Default: what is usual for the network's family.
    pub layer_weights: LayerWeights,
    /// The layer of which all features count alike, whatever the method and the finish. Default: there is none.
    #[serde(skip_serializing_if = "is_default")]
    pub plain_layer: Option<String>,
    /// Weight of all features together. Default 1.
    pub feature_weight: f64,
    /// The units' own activations as a part of what is optimised. Default: they are not.
    #[serde(skip_serializing_if = "is_default")]
    pub activation: ActivationTerm,
    /// Where the units count, of layers with class or register tokens. Default: everywhere.
    #[serde(skip_serializing_if = "is_default")]
    pub positions: Positions,
    /// What the pictures are made of. Default: pixels.
    #[serde(skip_serializing_if = "is_default")]
    pub parametrisation: Parametrisation,
    /// How pictures are turned and enlarged before the network sees them, beside the jitter. Default: not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub transforms: Transforms,
    /// What natural pictures are like.
    pub priors: ImagePriors,
    /// What is done in which order. Default: 2000 steps at full size with a jitter of 30 pixels.
    pub schedule: Schedule,
    /// Learning rate after the warm-up. Default 1.
    pub learning_rate: f64,
    /// What pictures start from that are not given. Default: noise.
    #[serde(skip_serializing_if = "is_default")]
    pub start_from: StartFrom,
    /// Whether a picture is mirrored in half of the steps. Default: it is not.
    pub mirror: bool,
    /// Seed of the start pictures and of the jitter. Default 0.
    pub seed: u64,
    /// Pictures of each unit, which differ by their random numbers. Default 1.
    pub copies: usize,
    /// Height and width of the pictures, in pixels. Default 224 x 224.
    pub size: (usize, usize),
    /// The range of real pixels in the network's units. Default: the usual normalisation of ImageNet's networks.
    pub pixels: PixelRange,
    /// Images that go through the network together, which bounds the memory. No result of the CPU depends on it. Default 4.
    #[serde(skip)]
    pub at_once: usize,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aim: Aim::default(),
            method: FeatureWeighting::default(),
            finish: None,
            layer_weights: LayerWeights::default(),
            plain_layer: None,
            feature_weight: 1.0,
            activation: ActivationTerm::default(),
            positions: Positions::All,
            parametrisation: Parametrisation::default(),
            transforms: Transforms::default(),
            priors: ImagePriors::default(),
            schedule: Schedule::of(Phase::new(2000, 1, 30)),
            learning_rate: 1.0,
            start_from: StartFrom::default(),
            mirror: false,
            seed: 0,
            copies: 1,
            size: (224, 224),
            pixels: PixelRange::default(),
            at_once: 4,
        }
    }
}

impl Settings {
    /// How much each feature counts at a step, given what is aimed at: away from VITAL, nothing asks for relevance.
    pub fn weighting_at(&self, step: usize) -> FeatureWeighting {
        match self.aim {
            Aim::Vital => self.finish_at(step).map_or(self.method, |finish| finish.method),
            Aim::Activation | Aim::Accentuation => FeatureWeighting::None,
        }
    }

    /// The finish, if a step belongs to it.
    fn finish_at(&self, step: usize) -> Option<Finish> {
        self.finish.filter(|finish| step + finish.steps >= self.schedule.steps())
    }

    /// Whether the units' own gradients take part.
    pub fn ascends(&self) -> bool {
        self.aim.ascends(&self.activation)
    }

    /// Values of one picture.
    pub(crate) fn picture_len(&self) -> usize {
        3 * self.size.0 * self.size.1
    }

    /// Refuses what cannot be used.
    ///
    /// # Errors
    /// [`FvisError::Setting`]
    pub fn check(&self) -> Result<(), FvisError> {
        let weight = |setting, value: f64| {
            let expected = "a finite number of at least 0";
            let wrong = || FvisError::Setting { setting, value: value.to_string(), expected };
            (value.is_finite() && value >= 0.0).then_some(()).ok_or_else(wrong)
        };
        weight("learning_rate", self.learning_rate)?;
        weight("feature_weight", self.feature_weight)?;
        weight("activation_weight", self.activation.weight)?;
        weight("specificity", self.activation.specificity)?;
        weight("activation_goal", self.activation.goal.unwrap_or(0.0))?;
        self.transforms.check()?;
        self.check_finish()?;
        weight("tv_l1", self.priors.tv_l1)?;
        weight("tv_l2", self.priors.tv_l2)?;
        weight("l2", self.priors.l2)?;
        let counts = [
            ("copies", self.copies),
            ("at_once", self.at_once),
            ("height", self.size.0),
            ("width", self.size.1),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            None => Ok(()),
            Some((setting, _)) => {
                Err(FvisError::Setting { setting, value: "0".to_owned(), expected: "at least 1" })
            }
        }
    }

    fn check_finish(&self) -> Result<(), FvisError> {
        let steps = self.finish.map_or(1, |finish| finish.steps);
        if (1..=self.schedule.steps()).contains(&steps) {
            return Ok(());
        }
        let expected = "at least 1, and at most the steps of the schedule";
        Err(FvisError::Setting { setting: "finish_steps", value: steps.to_string(), expected })
    }
}

/// A channel of the tap and what it responds to.
#[derive(Clone, Copy)]
pub struct Unit<'r> {
    /// The channel.
    pub channel: usize,
    /// Its reference images, normalised, of the size of the pictures.
    pub references: &'r dyn Images,
}

impl Unit<'_> {
    pub(crate) fn check(&self, tap: &Tap, (height, width): (usize, usize)) -> Result<(), FvisError> {
        let (tap, channel) = (tap.name.clone(), self.channel);
        if self.references.count() == 0 {
            return Err(FvisError::NoReferences { tap, channel });
        }
        let (found_height, found_width) = self.references.size();
        if (found_height, found_width) != (height, width) {
            return Err(FvisError::ReferenceSize { tap, channel, found_height, found_width, height, width });
        }
        Ok(())
    }
}

//! Matching the relevant features of units to distributions, where the features are.
//!
//! Relevant features are a layer's features times what of them a unit's activation rests on, scaled to 0..1 by channel;
//! what they are matched to are the sorted ones of the unit's references, rank by rank (VITAL's objective).

use crate::backward::RelevanceMethod;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::images::Images;

/// Squared differences of so many neighbouring ranks are added by themselves, and then these sums: the order in which a
/// GPU is fast, and in which the host gets the same bits.
pub const RANKS_TOGETHER: usize = 128;

/// What the relevant features of a unit should be like at one layer.
#[derive(Clone, Debug)]
pub struct Distribution<'a> {
    /// In ascending order by channel, `[channels, positions]`.
    pub sorted: &'a [f32],
    /// Factor of each channel's gradient, `[channels]`.
    pub scale: Vec<f32>,
}

/// Images and what their features are matched to.
#[derive(Clone, Copy)]
pub struct Matching<'a> {
    /// The images.
    pub images: &'a dyn Images,
    /// The tap of the units; one of the session's.
    pub target: &'a Tap,
    /// The channel of the target that each image is about.
    pub channels: &'a [usize],
    /// The distributions of which unit each image is matched to.
    pub units: &'a [usize],
    /// How relevance is found.
    pub method: RelevanceMethod,
    /// The layers, in the order of each unit's distributions; taps of the session strictly below the target.
    pub layers: &'a [Tap],
}

/// How far images are from the distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Matched {
    /// For each layer, the sums over positions of the squared differences, `[items, channels]`.
    pub sums: Vec<Vec<f64>>,
    /// The greatest activation of each image's channel.
    pub activations: Vec<f32>,
    /// The gradient of the scaled sums of all layers with respect to the images, `[items, height, width, 3]`.
    pub gradient: Vec<f32>,
}

/// Matches features on a GPU, of whose values the host then sees nothing but [`Matched`].
pub trait Matcher {
    /// Brings the distributions of units there, those of every layer; forgets the ones before.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the GPU fails.
    fn set_distributions(&mut self, units: &[Vec<Distribution<'_>>]) -> Result<(), ModelError>;

    /// Runs images and matches them; the host waits once, at the end.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`], [`ModelError::UnknownChannel`]; [`ModelError::Device`] if the GPU fails.
    ///
    /// # Panics
    /// If there is not one channel and one known unit for each image, or a unit's distributions are not those of the
    /// layers.
    fn compare(&mut self, matching: &Matching<'_>) -> Result<Matched, ModelError>;
}

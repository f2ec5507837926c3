//! How well a picture shows what its unit responds to: numbers, none of which asks a person.
//!
//! One file is one measure. What they read of a network (activations, features, ranks of values) comes from a [`Probe`],
//! which shows images to it once for all measures. `docs/eval.md` says how to read the numbers, and what they do not say.
//!
//! | measure | says |
//! |---|---|
//! | [`Achievement`] | how much the picture excites its unit, beside the references and the other channels |
//! | [`Separation`] | whether it excites it more than images in general do |
//! | [`Retrieval`] | whether a network takes it for one of the unit's own references |
//! | [`LayerSimilarity`] | whether it goes through the network as the references do |
//! | [`Luminance`] | how much of it is noise |
//! | [`seen_most`], [`place`] | whether a classifier recognises what it sees in the references |
//! | [`Estimate`] | what many units say together, and how surely |

mod achievement;
mod class;
mod estimate;
mod luminance;
mod place;
mod probe;
mod rank_sum;
mod retrieval;
mod separation;
mod similarity;
mod tap_scores;

pub use achievement::{Achievement, Reached};
pub use class::seen_most;
pub use estimate::{Estimate, Interval};
pub use luminance::Luminance;
pub use place::place;
pub use probe::{Probe, Responses};
pub use rank_sum::RankSum;
pub use retrieval::{Retrieval, mean_feature};
pub use separation::Separation;
pub use similarity::LayerSimilarity;
pub use tap_scores::TapScores;

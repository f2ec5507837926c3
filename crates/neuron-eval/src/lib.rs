#![doc = include_str!("../README.md")]

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
pub use class::{seen_most, share_with};
pub use estimate::{Estimate, Interval};
pub use luminance::Luminance;
pub use place::place;
pub use probe::{Probe, Responses};
pub use rank_sum::RankSum;
pub use retrieval::{Retrieval, mean_feature};
pub use separation::Separation;
pub use similarity::LayerSimilarity;
pub use tap_scores::TapScores;

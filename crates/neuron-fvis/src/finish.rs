//! The end of a schedule, in which features are weighed in another way.

use serde::Serialize;

use crate::weighting::FeatureWeighting;

/// The last steps of a schedule, in which features are weighed in another way.
///
/// All features of the references make a picture; those that are relevant to the unit make it the unit's. One behind the
/// other, the picture keeps the first while it gains the second. The learning rate and the optimiser's moments go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finish {
    /// How many steps.
    pub steps: usize,
    /// How features are weighed in them.
    pub method: FeatureWeighting,
}

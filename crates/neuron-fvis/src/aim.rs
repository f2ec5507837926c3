//! What pictures are optimised towards.

use serde::Serialize;

use crate::activation_term::ActivationTerm;

/// What pictures are optimised towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aim {
    /// The distributions of the references' relevant features (VITAL, arXiv 2503.22399), with the
    /// [`ActivationTerm`](crate::ActivationTerm) beside them where that has a weight.
    #[default]
    Vital,
    /// The unit's activation alone (Erhan et al., "Visualizing higher-layer features of a deep network", 2009). Its loss is
    /// minus the activation, as a multiple of the references' mean.
    Activation,
    /// A given picture, changed until the unit responds to it: its features stay where they are as far as can be, against
    /// the [`ActivationTerm`](crate::ActivationTerm) (Hamblin et al., "Feature Accentuation", arXiv 2402.10039).
    Accentuation,
}

impl Aim {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vital, Self::Activation, Self::Accentuation];

    /// Whether the units' own gradients take part, given what their activations count beside the features.
    pub(crate) fn ascends(self, term: &ActivationTerm) -> bool {
        self == Self::Activation || term.is_there()
    }
}

//! How much each value of a layer counts in what is matched.

use std::fmt;
use std::str::FromStr;

use neuron_model::{Composite, Network, RelevanceMethod, UnknownMethod};
use serde::{Serialize, Serializer};

/// How much each value of a layer's features `F` counts in what is matched, `S = A * F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureWeighting {
    /// All of them the same: `A` is 1, and so is the importance of every channel. The unit decides nothing but by its
    /// references: what is common to images of a class, for example.
    None,
    /// By the unit's relevance there, scaled to 0..1 by channel.
    Relevance(RelevanceMethod),
    /// The same, with the quirks of the reference implementation ([`Composite::published`]).
    Published(RelevanceMethod),
}

impl FeatureWeighting {
    /// Every weighting that has a name of its own.
    pub fn all() -> impl Iterator<Item = Self> {
        RelevanceMethod::ALL.into_iter().map(Self::Relevance).chain([Self::None])
    }

    /// The same weighting as the reference implementation has it: LRP with its quirks. Of the others it has none.
    #[must_use]
    pub fn published(self) -> Self {
        match self {
            Self::Relevance(method @ (RelevanceMethod::Lrp | RelevanceMethod::LrpRestricted)) => {
                Self::Published(method)
            }
            other => other,
        }
    }

    /// How relevance is found in a network; `None` if none is.
    pub(crate) fn rules(self, network: &Network) -> Option<(RelevanceMethod, Composite)> {
        let pixels = network.pixel_range();
        match self {
            Self::None => None,
            Self::Relevance(method) => Some((method, method.composite(pixels))),
            Self::Published(method) => Some((method, method.published(network.graph(), pixels))),
        }
    }
}

/// LRP.
impl Default for FeatureWeighting {
    fn default() -> Self {
        RelevanceMethod::Lrp.into()
    }
}

impl From<RelevanceMethod> for FeatureWeighting {
    fn from(method: RelevanceMethod) -> Self {
        Self::Relevance(method)
    }
}

impl fmt::Display for FeatureWeighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::Relevance(method) => f.pad(&method.to_string()),
            Self::Published(method) => f.pad(&format!("{method}, published")),
        }
    }
}

impl FromStr for FeatureWeighting {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let same = |weighting: &Self| weighting.to_string().eq_ignore_ascii_case(text);
        Self::all().find(same).ok_or_else(|| UnknownMethod {
            found: text.to_owned(),
            known: Self::all().map(|weighting| weighting.to_string()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// As it is printed.
impl Serialize for FeatureWeighting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weightings_parse_as_they_print_and_are_recorded() {
        for weighting in FeatureWeighting::all() {
            assert_eq!(weighting.to_string().parse(), Ok(weighting));
            assert_eq!(serde_json::to_value(weighting).unwrap(), weighting.to_string());
        }
        assert_eq!("None".parse(), Ok(FeatureWeighting::None));
        assert_eq!("lrp".parse(), Ok(FeatureWeighting::default()));
        let published = FeatureWeighting::default().published();
        assert_eq!(serde_json::to_value(published).unwrap(), "LRP, published");
        assert_eq!(
            (published.published(), FeatureWeighting::None.published()),
            (published, FeatureWeighting::None)
        );
        let guided = FeatureWeighting::from(RelevanceMethod::GuidedBackprop);
        assert_eq!(guided.published(), guided);
        let error = "nothing".parse::<FeatureWeighting>().unwrap_err();
        assert_eq!(error.known, "LRP, LRPRestricted, GuidedBackprop, none");
    }
}

//! The attributions by their names: what each starts with, which rules it follows, and what becomes of its signals.

use std::fmt;
use std::str::FromStr;

use neuron_kernels::Algorithm;
use serde::Serialize;

use crate::composite::Composite;
use crate::error::ModelError;
use crate::graph::{Graph, Tap};
use crate::network::Network;
use crate::rule::PixelRange;
use crate::session::Session;
use crate::traversal::Start;
use crate::value::Keep;

/// How the relevance of a unit is found in the layers below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum RelevanceMethod {
    /// Layer-wise relevance propagation from all of the unit's map.
    #[serde(rename = "LRP")]
    Lrp,
    /// Layer-wise relevance propagation from the one position whose activation vector points most towards the
    /// unit's channel.
    #[serde(rename = "LRPRestricted")]
    LrpRestricted,
    /// The gradient of the unit's mean activation, with negative signals stopped at every ReLU.
    GuidedBackprop,
}

/// How a unit's response is traced back to what caused it, down to the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribution {
    /// Relevance; at the pixels layer-wise relevance propagation follows the z-B rule.
    Relevance(RelevanceMethod),
    /// The magnitude of the gradient of the unit's mean activation (Simonyan et al., "Deep Inside Convolutional
    /// Networks: Visualising Image Classification Models and Saliency Maps", 2013).
    Saliency,
    /// The gradient of the unit's mean activation times the value itself (Shrikumar et al., "Not Just a Black Box",
    /// 2016).
    GradientTimesInput,
}

/// What becomes of the signals at the end of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Nothing.
    Keep,
    /// Negative ones become 0.
    ClampNegative,
    /// Their magnitudes.
    Magnitude,
    /// They are multiplied with the values there.
    TimesValue,
}

impl RelevanceMethod {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Lrp, Self::LrpRestricted, Self::GuidedBackprop];

    /// The rules that it follows; `pixels` is the range of the network's input, for passes that go down to the image.
    pub fn composite(self, pixels: PixelRange) -> Composite {
        match self {
            Self::Lrp | Self::LrpRestricted => Composite::z_plus(pixels),
            Self::GuidedBackprop => Composite::guided_backprop(),
        }
    }

    /// As [`RelevanceMethod::composite`], with the quirks of the reference implementation ([`Composite::published`]).
    pub fn published(self, graph: &Graph, pixels: PixelRange) -> Composite {
        match self {
            Self::Lrp | Self::LrpRestricted => Composite::published(graph, pixels),
            Self::GuidedBackprop => Composite::guided_backprop(),
        }
    }

    pub(crate) fn start(self) -> Start {
        match self {
            Self::Lrp => Start::Activations,
            Self::LrpRestricted => Start::MostAligned,
            Self::GuidedBackprop => Start::Mean,
        }
    }

    pub(crate) fn finish(self) -> Finish {
        match self {
            Self::Lrp | Self::LrpRestricted => Finish::Keep,
            Self::GuidedBackprop => Finish::ClampNegative,
        }
    }

    /// Guided backpropagation asks of every value whether it is above zero, and what hangs on one answer may be a
    /// large part of the signal: it wants sums without the rounding of Winograd's transforms (1e-6 of the largest
    /// value, which over twelve steps of an optimisation grows to another picture).
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Lrp | Self::LrpRestricted => Algorithm::Auto,
            Self::GuidedBackprop => Algorithm::Direct,
        }
    }
}

impl Attribution {
    /// Layer-wise relevance propagation from all of the unit's map.
    pub const LRP: Self = Self::Relevance(RelevanceMethod::Lrp);
    /// Layer-wise relevance propagation from one position of the unit's map.
    pub const LRP_RESTRICTED: Self = Self::Relevance(RelevanceMethod::LrpRestricted);
    /// Guided backpropagation of the unit's mean activation.
    pub const GUIDED_BACKPROP: Self = Self::Relevance(RelevanceMethod::GuidedBackprop);
    /// Every method.
    pub const ALL: [Self; 5] =
        [Self::LRP, Self::LRP_RESTRICTED, Self::GUIDED_BACKPROP, Self::Saliency, Self::GradientTimesInput];

    /// The rules that it follows; `pixels` is the range of the network's input.
    pub fn composite(self, pixels: PixelRange) -> Composite {
        match self {
            Self::Relevance(method) => method.composite(pixels),
            Self::Saliency | Self::GradientTimesInput => Composite::gradient(),
        }
    }

    pub(crate) fn start(self) -> Start {
        match self {
            Self::Relevance(method) => method.start(),
            Self::Saliency | Self::GradientTimesInput => Start::Mean,
        }
    }

    pub(crate) fn finish(self) -> Finish {
        match self {
            Self::Relevance(method) => method.finish(),
            Self::Saliency => Finish::Magnitude,
            Self::GradientTimesInput => Finish::TimesValue,
        }
    }

    /// A session from whose runs it can be found.
    pub(super) fn session(self, network: &Network, taps: &[Tap], keep: Keep) -> Result<Session, ModelError> {
        let algorithm = match self {
            Self::Relevance(method) => method.algorithm(),
            Self::Saliency | Self::GradientTimesInput => Algorithm::Auto,
        };
        network.session_by(taps, keep, algorithm)
    }
}

impl From<RelevanceMethod> for Attribution {
    fn from(method: RelevanceMethod) -> Self {
        Self::Relevance(method)
    }
}

impl fmt::Display for RelevanceMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lrp => "LRP",
            Self::LrpRestricted => "LRPRestricted",
            Self::GuidedBackprop => "GuidedBackprop",
        })
    }
}

impl fmt::Display for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relevance(method) => method.fmt(f),
            Self::Saliency => f.write_str("Saliency"),
            Self::GradientTimesInput => f.write_str("GradientTimesInput"),
        }
    }
}

/// A text that names no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown method {found}; expected one of {known}")]
pub struct UnknownMethod {
    /// The text.
    pub found: String,
    /// The methods that are known.
    pub known: String,
}

impl UnknownMethod {
    fn new(found: &str, known: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let known: Vec<String> = known.into_iter().map(|method| method.to_string()).collect();
        Self { found: found.to_owned(), known: known.join(", ") }
    }
}

impl FromStr for RelevanceMethod {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let same = |method: &Self| method.to_string().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownMethod::new(text, Self::ALL))
    }
}

impl FromStr for Attribution {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let same = |method: &Self| method.to_string().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownMethod::new(text, Self::ALL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_parse_as_they_print() {
        for method in RelevanceMethod::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for method in Attribution::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("saliency".parse::<Attribution>().is_ok());
        assert!("LRPx".parse::<Attribution>().is_err());
        assert!("LRPx".parse::<RelevanceMethod>().is_err());
    }
}

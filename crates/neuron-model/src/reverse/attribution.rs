use std::fmt;
use std::str::FromStr;

use super::method::{self, RelevanceMethod, UnknownMethod};
use super::{Gradient, PixelRange, Reversal, relevance};
use crate::error::ModelError;
use crate::graph::Tap;
use crate::network::Network;
use crate::plan::Keep;
use crate::session::Session;
use neuron_kernels as kernels;

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

impl Attribution {
    /// Every method.
    pub const ALL: [Self; 5] = [
        Self::Relevance(RelevanceMethod::Lrp),
        Self::Relevance(RelevanceMethod::LrpRestricted),
        Self::Relevance(RelevanceMethod::GuidedBackprop),
        Self::Saliency,
        Self::GradientTimesInput,
    ];

    /// A session from whose runs attributions can be found.
    pub fn session(self, network: &Network, taps: &[Tap]) -> Session {
        match self {
            Self::Relevance(method) => method.session(network, taps),
            Self::Saliency | Self::GradientTimesInput => network.session(taps, Keep::Gradient),
        }
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

impl FromStr for Attribution {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let same = |method: &Self| method.to_string().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownMethod::new(text, Self::ALL))
    }
}

/// What one channel of `target` owes to the values at every `wanted` tap, for each item of the session's last batch;
/// read it from `reversal` with [`Reversal::signal`].
///
/// As [`relevance`], and with the same demands on the session; [`Attribution::GradientTimesInput`] also wants each
/// wanted tap to be one of the session's.
///
/// # Shapes
/// * `channels`: one for each item of the batch
///
/// # Errors
/// [`ModelError::UnknownChannel`] if the tap has fewer channels.
///
/// # Panics
/// If there are not as many channels as items, or the session does not keep enough.
pub fn attribute(
    session: &Session,
    reversal: &mut Reversal,
    method: Attribution,
    (target, channels): (&Tap, &[usize]),
    wanted: &[Tap],
    pixels: PixelRange,
) -> Result<(), ModelError> {
    if let Attribution::Relevance(method) = method {
        return relevance(session, reversal, method, (target, channels), wanted, pixels);
    }
    session.network().check_channels(target, channels)?;
    method::seed(session, reversal, RelevanceMethod::GuidedBackprop, target, channels);
    reversal.run(session, &Gradient, wanted)?;
    for tap in wanted {
        let Some(signal) = reversal.signal_mut(tap) else { continue };
        session.network().install(|| match method {
            Attribution::GradientTimesInput => {
                let values = session.map(tap).expect("the session keeps its taps").data;
                kernels::update(signal, values, |gradient, value| gradient * value);
            }
            _ => signal.iter_mut().for_each(|gradient| *gradient = gradient.abs()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_parse_as_they_print() {
        for method in Attribution::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("saliency".parse::<Attribution>().is_ok());
        assert!("LRPx".parse::<Attribution>().is_err());
    }
}

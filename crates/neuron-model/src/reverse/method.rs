use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{GuidedBackprop, LrpZPlus, PixelRange, Reversal, Rule};
use crate::error::ModelError;
use crate::graph::Tap;
use crate::network::Network;
use crate::plan::Keep;
use crate::session::Session;
use neuron_kernels::{self as kernels, Algorithm};

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

impl RelevanceMethod {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Lrp, Self::LrpRestricted, Self::GuidedBackprop];

    /// What the forward pass must keep.
    pub fn keep(self) -> Keep {
        match self {
            Self::Lrp | Self::LrpRestricted => Keep::Relevance,
            Self::GuidedBackprop => Keep::Gradient,
        }
    }

    /// A session from whose runs relevance can be found.
    ///
    /// Guided backpropagation asks of every value whether it is above zero, and what hangs on one answer may be a
    /// large part of the signal: it wants sums without the rounding of Winograd's transforms (1e-6 of the largest
    /// value, which over twelve steps of an optimisation grows to another picture).
    pub fn session(self, network: &Network, taps: &[Tap]) -> Session {
        let algorithm = match self {
            Self::Lrp | Self::LrpRestricted => Algorithm::Auto,
            Self::GuidedBackprop => Algorithm::Direct,
        };
        network.session_by(taps, self.keep(), algorithm)
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
    pub(super) fn new(found: &str, known: impl IntoIterator<Item = impl fmt::Display>) -> Self {
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

/// The relevance of one channel of `target` for each item of the session's last batch, at every `wanted` tap;
/// read it from `reversal` with [`Reversal::signal`].
///
/// `target` must be one of the session's taps, and the session must keep what the method
/// [needs](RelevanceMethod::keep). `pixels` is the range of the network's input, for walks down to the image.
///
/// # Shapes
/// * `channels`: one for each item of the batch
///
/// # Errors
/// [`ModelError::UnknownChannel`] if the tap has fewer channels.
///
/// # Panics
/// If there are not as many channels as items, or the session does not keep enough.
pub fn relevance(
    session: &Session,
    reversal: &mut Reversal,
    method: RelevanceMethod,
    (target, channels): (&Tap, &[usize]),
    wanted: &[Tap],
    pixels: PixelRange,
) -> Result<(), ModelError> {
    session.network().check_channels(target, channels)?;
    seed(session, reversal, method, target, channels);
    let lrp = LrpZPlus { pixels, ..LrpZPlus::default() };
    let rule: &dyn Rule = match method {
        RelevanceMethod::Lrp | RelevanceMethod::LrpRestricted => &lrp,
        RelevanceMethod::GuidedBackprop => &GuidedBackprop,
    };
    reversal.run(session, rule, wanted)?;
    if method == RelevanceMethod::GuidedBackprop {
        for tap in wanted {
            if let Some(signal) = reversal.signal_mut(tap) {
                session.network().install(|| kernels::clamp_negative(signal));
            }
        }
    }
    Ok(())
}

/// Starts a walk at one channel of `target` for each item of the batch.
///
/// # Panics
/// If there are not as many channels as items, or `target` is not one of the session's taps.
pub(super) fn seed(
    session: &Session,
    reversal: &mut Reversal,
    method: RelevanceMethod,
    target: &Tap,
    channels: &[usize],
) {
    assert_eq!(channels.len(), session.batch(), "one channel for each item");
    let count = session.network().channels(target);
    let activations = session.kept_data(target.node);
    reversal.seed(session, target, |signal| {
        let Some(item_len) = signal.len().checked_div(channels.len()).filter(|len| *len > 0) else { return };
        let items = signal.chunks_exact_mut(item_len).zip(activations.chunks_exact(item_len));
        for ((signal, activation), channel) in items.zip(channels) {
            seed_item(method, count, *channel, activation, signal);
        }
    });
}

/// Writes the start signal of one item over zeros.
///
/// # Shapes
/// * `activation`, `signal`: `[height, width, channels]`
fn seed_item(
    method: RelevanceMethod,
    channels: usize,
    channel: usize,
    activation: &[f32],
    signal: &mut [f32],
) {
    let positions = activation.len() / channels;
    match method {
        RelevanceMethod::Lrp => {
            for at in (channel..activation.len()).step_by(channels) {
                signal[at] = activation[at];
            }
        }
        RelevanceMethod::LrpRestricted => {
            signal[most_aligned(channels, channel, activation) * channels + channel] = 1.0;
        }
        RelevanceMethod::GuidedBackprop => {
            for at in (channel..activation.len()).step_by(channels) {
                signal[at] = 1.0 / positions as f32;
            }
        }
    }
}

/// The (first) position where the channel has the largest share of the activation vector, `a_c / ||a||`.
fn most_aligned(channels: usize, channel: usize, activation: &[f32]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (position, vector) in activation.chunks_exact(channels).enumerate() {
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let alignment = if norm > 0.0 { f64::from(vector[channel]) / norm } else { 0.0 };
        if alignment > best.1 {
            best = (position, alignment);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_relative_to_the_vector() {
        let activation = [9.0, 9.0, 0.0, 1.0, 0.0, 0.0];
        assert_eq!(most_aligned(2, 0, &activation), 0);
        assert_eq!(most_aligned(2, 1, &activation), 1);
    }

    #[test]
    fn methods_parse_as_they_print() {
        for method in RelevanceMethod::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("LRPx".parse::<RelevanceMethod>().is_err());
    }
}

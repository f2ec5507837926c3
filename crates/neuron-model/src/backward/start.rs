//! What a backward pass from one unit starts with.

use super::BackwardPass;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::session::Session;

/// The signal at a unit from which a pass starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The unit's activations: all of its map.
    Activations,
    /// 1 at the one position whose activation vector points most towards the unit's channel.
    MostAligned,
    /// One share at each position: the gradient of the mean activation.
    Mean,
}

/// The unit that each item of a batch is about.
#[derive(Clone, Copy)]
pub(super) struct Units<'a> {
    /// One of the session's taps.
    pub(super) target: &'a Tap,
    /// The channel of each item.
    pub(super) channels: &'a [usize],
}

/// Starts a pass at one channel of the target for each item of the session's last batch.
///
/// # Errors
/// [`ModelError::UnknownChannel`]; [`ModelError::Items`] if there is not one channel for each item;
/// [`ModelError::NotTapped`] if the session does not keep the target's map.
pub(super) fn seed(
    session: &Session,
    pass: &mut BackwardPass,
    start: Start,
    units: Units<'_>,
) -> Result<(), ModelError> {
    let Units { target, channels } = units;
    session.network().check_channels(target, channels)?;
    if channels.len() != session.batch() {
        return Err(ModelError::Items { expected: session.batch(), found: channels.len() });
    }
    let map = session.map(target).ok_or_else(|| ModelError::NotTapped { tap: target.name.clone() })?;
    pass.seed(session, target, |signal| {
        let Some(item_len) = signal.len().checked_div(channels.len()).filter(|len| *len > 0) else { return };
        let items = signal.chunks_exact_mut(item_len).zip(map.data.chunks_exact(item_len));
        for ((signal, activation), channel) in items.zip(channels) {
            start.write(map.channels, *channel, activation, signal);
        }
    });
    Ok(())
}

impl Start {
    /// Writes the signal of one item over zeros.
    ///
    /// # Shapes
    /// * `activation`, `signal`: `[height, width, channels]`
    fn write(self, channels: usize, channel: usize, activation: &[f32], signal: &mut [f32]) {
        let own = (channel..activation.len()).step_by(channels);
        match self {
            Self::Activations => own.for_each(|at| signal[at] = activation[at]),
            Self::MostAligned => {
                signal[most_aligned(channels, channel, activation) * channels + channel] = 1.0;
            }
            Self::Mean => {
                let positions = activation.len() / channels;
                own.for_each(|at| signal[at] = 1.0 / positions as f32);
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
}

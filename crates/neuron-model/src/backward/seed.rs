//! What a backward pass from one unit starts with.

use super::BackwardPass;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::session::Session;
use crate::traversal::Start;
use crate::value::Positions;

/// The unit that each item of a batch is about.
#[derive(Clone, Copy)]
pub(super) struct Units<'a> {
    /// One of the session's taps.
    pub(super) target: &'a Tap,
    /// The channel of each item.
    pub(super) channels: &'a [usize],
    /// Where the unit counts.
    pub(super) positions: Positions,
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
    let Units { target, channels, positions } = units;
    session.network().check_channels(target, channels)?;
    if channels.len() != session.batch() {
        return Err(ModelError::Items { expected: session.batch(), found: channels.len() });
    }
    let map = session.map(target).ok_or_else(|| ModelError::NotTapped { tap: target.name.clone() })?;
    let extra = session.extra(target);
    let range = positions.range(extra, map.item_len() / map.channels.max(1));
    let range = range.ok_or_else(|| ModelError::NoClassToken { tap: target.name.clone() })?;
    let range = range.start * map.channels..range.end * map.channels;
    pass.seed(session, target, |signal| {
        let Some(item_len) = signal.len().checked_div(channels.len()).filter(|len| *len > 0) else { return };
        let items = signal.chunks_exact_mut(item_len).zip(map.data.chunks_exact(item_len));
        for ((signal, activation), channel) in items.zip(channels) {
            start.write(map.channels, *channel, &activation[range.clone()], &mut signal[range.clone()]);
        }
    });
    Ok(())
}

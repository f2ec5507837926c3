//! Which units a picture excites.

use neuron_model::{ChannelsLast, Keep, Network, Tap};

/// The channels of a tap that are most active on a picture, and how active they are.
pub(crate) fn most_active(
    network: &Network,
    tap: &Tap,
    (picture, size): (&[f32], (usize, usize)),
) -> Vec<(usize, f32)> {
    let mut session = network.session(std::slice::from_ref(tap), Keep::Taps).unwrap();
    let mut maxima = vec![f32::NEG_INFINITY; network.channels(tap)];
    let visit = &mut |tapped: neuron_model::Tapped<'_>| {
        for position in tapped.map.data.chunks_exact(tapped.map.channels) {
            maxima.iter_mut().zip(position).for_each(|(most, value)| *most = most.max(*value));
        }
    };
    session.run(&ChannelsLast::new(picture, size.0, size.1), visit).unwrap();
    let mut channels: Vec<_> = maxima.into_iter().enumerate().collect();
    channels.sort_by(|a, b| b.1.total_cmp(&a.1));
    channels
}

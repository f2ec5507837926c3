//! States of the best items of every channel, as they are and with the right checksum.

use neuron_topk::TopK;

pub(super) fn read(bytes: &[u8]) -> bool {
    let as_is = state(bytes);
    let mended = bytes.split_last_chunk::<4>().map(|(content, _)| {
        let mut mended = content.to_vec();
        mended.extend(crc32fast::hash(content).to_le_bytes());
        mended
    });
    mended.is_some_and(|mended| state(&mended)) || as_is
}

/// Reads a state; what was read can be merged, and comes back from what is written of it.
fn state(bytes: &[u8]) -> bool {
    let Ok(state) = TopK::read_from(bytes) else { return false };
    for channel in 0..state.channels().min(8) {
        assert!(state.channel(channel).len() <= state.keep());
    }
    // Written may be other bytes than read: of equal scores there is one spelling.
    let once = written(&state);
    let mut again = TopK::read_from(&once[..]).expect("what was written is read");
    assert_eq!(written(&again), once, "a state is not written as it was read");
    again.merge(state).expect("a state is like itself");
    true
}

fn written(state: &TopK) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.write_to(&mut bytes).expect("a state is written to memory");
    bytes
}

use std::num::NonZeroUsize;

use neuron_topk::TopK;

use super::Made;
use crate::targets::fvis_checkpoint::{INPUTS, optimizer};

pub(super) fn seeds() -> Vec<Made> {
    let header = r#"{"identity":{"command":"baseline","neuron_version":"0.1.0","settings":{"layers":[{"channels":[0,1,2,9]}],"data":"photos"}},"shard":{"index":1,"count":2},"next":5,"complete":false,"skipped":[{"index":3,"image":"a/b","reason":"empty"}],"rest":{"batch":0,"units":[[[[0,1,2]],[]]]}}"#;
    let list = top_k(2, 3);
    vec![
        ("top_k", "ok-partial", list.clone()),
        ("top_k", "ok-full", top_k(3, 2)),
        ("top_k", "ok-empty", top_k(0, 1)),
        ("scan_checkpoint", "ok-two-lists", scan_checkpoint(header, &[&list, &list])),
        ("scan_checkpoint", "empty-header", scan_checkpoint("{}", &[])),
        ("fvis_checkpoint", "ok-start", optimizer().checkpoint(INPUTS)),
    ]
}

/// A state of some channels after two items.
fn top_k(channels: usize, keep: usize) -> Vec<u8> {
    let mut state = TopK::new(channels, NonZeroUsize::new(keep).unwrap_or(NonZeroUsize::MIN));
    let scores: Vec<f32> = (0..2 * channels).map(|at| at as f32 - 1.5).collect();
    let payloads: Vec<u32> = (0..2 * channels as u32).collect();
    state.push_batch(&[4, 9], &scores, Some(&payloads)).expect("as many scores as channels");
    let mut bytes = Vec::new();
    state.write_to(&mut bytes).expect("a state is written to memory");
    bytes
}

/// `docs/formats.md` specifies the bytes.
fn scan_checkpoint(header: &str, lists: &[&[u8]]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    let (sum, count) = (crc32fast::hash(header.as_bytes()).to_le_bytes(), (lists.len() as u64).to_le_bytes());
    let before = [b"neurscan", &1u32.to_le_bytes()[..], &length, header.as_bytes(), &sum, &count].concat();
    [before, lists.concat()].concat()
}

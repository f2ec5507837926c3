//! Whatever the order, the batches, the parts and the interruptions: the result is the sorted whole.

use std::num::NonZeroUsize;

use neuron_topk::{Entry, TopK};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Items as `(index, scores, payloads)`, the rows of `[items, channels]`.
#[derive(Clone, Debug)]
struct Stream {
    channels: usize,
    keep: NonZeroUsize,
    items: Vec<(u32, Vec<f32>, Vec<u32>)>,
}

impl Stream {
    fn empty(&self) -> TopK {
        TopK::new(self.channels, self.keep)
    }

    fn whole(&self) -> TopK {
        let mut top_k = self.empty();
        self.items.iter().for_each(|(index, scores, payloads)| {
            top_k.push(*index, scores, Some(payloads)).expect("valid scores");
        });
        top_k
    }

    /// The definition: sort everything, cut.
    fn expected(&self) -> Vec<Vec<Entry>> {
        let sorted = |channel: usize| {
            let entry = |(index, scores, payloads): &(u32, Vec<f32>, Vec<u32>)| Entry {
                score: scores[channel],
                index: *index,
                payload: payloads[channel],
            };
            let mut entries: Vec<Entry> = self.items.iter().map(entry).collect();
            entries
                .sort_by(|a, b| b.score.partial_cmp(&a.score).expect("no NaN").then(a.index.cmp(&b.index)));
            entries.truncate(self.keep.get());
            entries
        };
        (0..self.channels).map(sorted).collect()
    }
}

/// Few different scores, so that ties decide; items in any order; enough of them to prune several times.
fn stream() -> impl Strategy<Value = Stream> {
    let score = prop_oneof![
        8 => (-4..4_i8).prop_map(f32::from),
        1 => prop_oneof![Just(f32::NEG_INFINITY), Just(f32::INFINITY), Just(-0.0), Just(0.0)],
        4 => -1.0..1.0_f32,
    ];
    (1..40_usize, prop_oneof![1..8_usize, 200..400_usize], 0..1500_usize, vec(score, 64..512), any::<u32>())
        .prop_flat_map(|(channels, keep, items, pool, seed)| {
            let row = move |index: u32| {
                let place = |channel: usize| mix(index ^ seed, channel as u32);
                let scores =
                    (0..channels).map(|channel| pool[place(channel) as usize % pool.len()]).collect();
                let payloads = (0..channels).map(|channel| place(channel + channels)).collect();
                (index, scores, payloads)
            };
            let items = Just((0..items as u32).map(row).collect::<Vec<_>>()).prop_shuffle();
            let keep = NonZeroUsize::new(keep).expect("not zero");
            items.prop_map(move |items| Stream { channels, keep, items })
        })
}

fn mix(a: u32, b: u32) -> u32 {
    let h = (a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 15)
}

fn lists(top_k: &TopK) -> Vec<Vec<Entry>> {
    (0..top_k.channels()).map(|channel| top_k.channel(channel)).collect()
}

fn bytes(top_k: &TopK) -> Vec<u8> {
    let mut bytes = Vec::new();
    top_k.write_to(&mut bytes).expect("a vector takes everything");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_whole_is_sorted_and_cut(stream in stream()) {
        let top_k = stream.whole();
        prop_assert_eq!(lists(&top_k), stream.expected());
        prop_assert_eq!(top_k.into_sorted().collect::<Vec<_>>(), stream.expected());
    }

    #[test]
    fn batches_are_their_rows(stream in stream(), batch in 1..70_usize) {
        let mut top_k = stream.empty();
        for items in stream.items.chunks(batch) {
            let indices: Vec<u32> = items.iter().map(|item| item.0).collect();
            let scores: Vec<f32> = items.iter().flat_map(|item| item.1.clone()).collect();
            let payloads: Vec<u32> = items.iter().flat_map(|item| item.2.clone()).collect();
            top_k.push_batch(&indices, &scores, Some(&payloads)).expect("valid scores");
        }
        prop_assert_eq!(bytes(&top_k), bytes(&stream.whole()));
    }

    #[test]
    fn channels_can_be_pushed_one_by_one(stream in stream()) {
        let mut top_k = stream.empty();
        for (index, scores, payloads) in &stream.items {
            for (channel, (&score, &payload)) in scores.iter().zip(payloads).enumerate().rev() {
                top_k.push_one(channel, Entry { score, index: *index, payload }).expect("a valid score");
            }
        }
        prop_assert_eq!(bytes(&top_k), bytes(&stream.whole()));
    }

    #[test]
    fn merged_parts_are_the_whole(stream in stream(), part_of in vec(0..4_usize, 1500), order in Just([0, 1, 2, 3]).prop_shuffle()) {
        let mut parts = [(); 4].map(|()| stream.empty());
        for ((index, scores, payloads), part) in stream.items.iter().zip(part_of) {
            parts[part].push(*index, scores, Some(payloads)).expect("valid scores");
        }
        let mut parts = parts.map(Some);
        let mut merged = stream.empty();
        for part in order {
            merged.merge(parts[part].take().expect("every part once")).expect("compatible parts");
        }
        prop_assert_eq!(bytes(&merged), bytes(&stream.whole()));
    }

    #[test]
    fn a_state_continues_where_it_was_written(stream in stream(), cut in any::<Index>()) {
        let (before, after) = stream.items.split_at(cut.index(stream.items.len() + 1));
        let mut top_k = stream.empty();
        for (index, scores, payloads) in before {
            top_k.push(*index, scores, Some(payloads)).expect("valid scores");
        }
        let mut top_k = TopK::read_from(bytes(&top_k).as_slice()).expect("a valid state");
        for (index, scores, payloads) in after {
            top_k.push(*index, scores, Some(payloads)).expect("valid scores");
        }
        prop_assert_eq!(bytes(&top_k), bytes(&stream.whole()));
    }
}

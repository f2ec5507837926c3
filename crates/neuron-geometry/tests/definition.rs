//! The closed forms against the definition: follow every position down to the pixels it is computed from.

use std::collections::BTreeSet;

use neuron_geometry::{PixelBox, ReceptiveField, Window};
use proptest::{collection::vec, prelude::*};

fn window() -> impl Strategy<Value = Window> {
    (1..8_usize, 1..4_usize, 0..4_usize).prop_map(|(kernel, stride, padding)| Window {
        kernel,
        stride,
        padding,
    })
}

fn field(chain: &[Window]) -> ReceptiveField {
    chain.iter().fold(ReceptiveField::INPUT, |field, &window| field.then(window))
}

/// The pixels of an axis below `position` of the topmost layer; negative ones lie in the padding.
fn pixels_below(chain: &[Window], position: i64) -> BTreeSet<i64> {
    chain.iter().rev().fold(BTreeSet::from([position]), |positions, window| {
        let first = |position: &i64| position * window.stride as i64 - window.padding as i64;
        positions.iter().map(first).flat_map(|first| first..first + window.kernel as i64).collect()
    })
}

proptest! {
    #[test]
    fn a_field_is_what_its_positions_are_computed_from(
        chain in vec(window(), 0..5),
        (y, x) in (0..9_usize, 0..9_usize),
    ) {
        let found = field(&chain).pixels_of(y, x);
        let hull = |position: usize| {
            let pixels = pixels_below(&chain, position as i64);
            let (first, last) = (pixels.first().copied(), pixels.last().copied());
            first.zip(last).map(|(first, last)| (first, (last - first + 1) as usize))
        };
        prop_assert_eq!(Some((found.y, found.height)), hull(y));
        prop_assert_eq!(Some((found.x, found.width)), hull(x));
    }

    #[test]
    fn a_union_is_the_hull_of_both(main in vec(window(), 1..4), kernels in (1..8_usize, 1..8_usize), position in 0..9_usize) {
        // Two branches of one stride that end in different windows.
        let branch = |kernel: usize| [&main[..], &[Window { kernel, stride: 2, padding: kernel / 2 }]].concat();
        let (left, right) = (branch(kernels.0), branch(kernels.1));
        let both = field(&left).union(&field(&right)).pixels_of(position, 0);
        let below: BTreeSet<i64> = [left, right].iter().flat_map(|chain| pixels_below(chain, position as i64)).collect();
        prop_assert_eq!(Some(both.y), below.first().copied());
        prop_assert_eq!(Some(both.y + both.height as i64 - 1), below.last().copied());
    }

    #[test]
    fn windows_are_counted_where_they_fit(window in window(), len in 0..40_usize) {
        let padded = len + 2 * window.padding;
        let fits = |start: &usize| start + window.kernel <= padded;
        prop_assert_eq!(window.positions(len), (0..=padded).step_by(window.stride).filter(fits).count());
    }

    #[test]
    fn a_clamped_box_lies_inside_and_moves_no_further_than_needed(
        corner in (-50..90_i64, -50..90_i64),
        size in (1..60_usize, 1..60_usize),
        image in (1..50_usize, 1..50_usize),
    ) {
        let wanted = PixelBox { y: corner.0, x: corner.1, height: size.0, width: size.1 };
        let clamped = wanted.clamped(image.0, image.1);
        prop_assert_eq!((clamped.height, clamped.width), (size.0.min(image.0), size.1.min(image.1)));
        for (start, len, side, wanted) in
            [(clamped.y, clamped.height, image.0, corner.0), (clamped.x, clamped.width, image.1, corner.1)]
        {
            let places = 0..=(side - len) as i64;
            let nearest = places.min_by_key(|place| (place - wanted).abs());
            prop_assert_eq!(Some(start), nearest);
        }
    }
}

//! The closed forms against the definition: follow every position down to the pixels it is computed from.

use std::collections::BTreeSet;

use neuron_geometry::{PixelBox, ReceptiveField, Window};
use proptest::{collection::vec, prelude::*};

fn pair(range: std::ops::Range<usize>) -> impl Strategy<Value = [usize; 2]> {
    (range.clone(), range).prop_map(|(vertical, horizontal)| [vertical, horizontal])
}

fn window() -> impl Strategy<Value = Window> {
    (pair(1..8), pair(1..4), pair(0..4), pair(1..4), any::<bool>()).prop_map(
        |(kernel, stride, padding, dilation, ceil_mode)| Window {
            kernel,
            stride,
            padding,
            dilation,
            ceil_mode,
        },
    )
}

fn field(chain: &[Window]) -> ReceptiveField {
    chain.iter().fold(ReceptiveField::INPUT, |field, &window| field.then(window))
}

/// The pixels of an axis below `position` of the topmost layer; negative ones lie in the padding.
fn pixels_below(chain: &[Window], axis: usize, position: i64) -> BTreeSet<i64> {
    chain.iter().rev().fold(BTreeSet::from([position]), |positions, window| {
        let first = |position: &i64| position * window.stride[axis] as i64 - window.padding[axis] as i64;
        let places = |first: i64| {
            (0..window.kernel[axis]).map(move |place| first + (place * window.dilation[axis]) as i64)
        };
        positions.iter().map(first).flat_map(places).collect()
    })
}

proptest! {
    #[test]
    fn a_field_is_what_its_positions_are_computed_from(
        chain in vec(window(), 0..5),
        (y, x) in (0..9_usize, 0..9_usize),
    ) {
        let found = field(&chain).pixels_of(y, x);
        let hull = |axis: usize, position: usize| {
            let pixels = pixels_below(&chain, axis, position as i64);
            let (first, last) = (pixels.first().copied(), pixels.last().copied());
            first.zip(last).map(|(first, last)| (first, (last - first + 1) as usize))
        };
        prop_assert_eq!(Some((found.y, found.height)), hull(0, y));
        prop_assert_eq!(Some((found.x, found.width)), hull(1, x));
    }

    #[test]
    fn a_union_is_the_hull_of_both(main in vec(window(), 1..4), kernels in (1..8_usize, 1..8_usize), position in 0..9_usize) {
        // Two branches of one stride that end in different windows.
        let branch = |kernel: usize| [&main[..], &[Window::square(kernel, 2, kernel / 2)]].concat();
        let (left, right) = (branch(kernels.0), branch(kernels.1));
        let both = field(&left).union(&field(&right)).map(|field| field.pixels_of(position, position));
        for (axis, found) in both.iter().flat_map(|both| [(both.y, both.height), (both.x, both.width)]).enumerate() {
            let below: BTreeSet<i64> =
                [&left, &right].iter().flat_map(|chain| pixels_below(chain, axis, position as i64)).collect();
            prop_assert_eq!(Some(found.0), below.first().copied());
            prop_assert_eq!(Some(found.0 + found.1 as i64 - 1), below.last().copied());
        }
        prop_assert!(both.is_some());
    }

    #[test]
    fn windows_are_counted_where_they_fit(window in window(), size in pair(1..40)) {
        // More padding would leave several windows behind the map.
        let padding_fits = (0..2).all(|axis| window.padding[axis] < window.extent()[axis]);
        prop_assume!(!window.ceil_mode || padding_fits);
        let found = window.positions(size);
        for axis in 0..2 {
            let (len, padding, stride) = (size[axis], window.padding[axis], window.stride[axis]);
            let last_place = |start: usize| start + window.dilation[axis] * (window.kernel[axis] - 1);
            // With ceil mode by less than a stride beyond the padding behind the map, if it begins before that padding.
            let fits = |start: &usize| match window.ceil_mode {
                false => last_place(*start) < len + 2 * padding,
                true => last_place(*start) < len + 2 * padding + stride - 1 && *start < len + padding,
            };
            prop_assert_eq!(found[axis], (0..=len + 2 * padding).step_by(stride).filter(fits).count());
        }
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

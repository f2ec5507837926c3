//! The bilinear resize against its definition.

use neuron_patches::{BilinearResize, PatchError, Picture};
use proptest::prelude::*;

fn resized(pixels: &[f32], source: (usize, usize), target: (usize, usize)) -> Vec<f32> {
    let plan = BilinearResize::new(source, target).expect("sides of at least 1");
    let mut out = vec![f32::NAN; plan.output_len()];
    let picture = Picture::new(pixels, source.0, source.1).expect("the shape fits");
    plan.resize(picture, &mut out).expect("the plan's sizes");
    out
}

/// Each output pixel on its own, in f64: the weighted mean of the four pixels around its centre.
fn by_definition(pixels: &[f32], source: (usize, usize), target: (usize, usize)) -> Vec<f64> {
    let around = |position: usize, source: usize, target: usize| {
        let centre = (position as f64 + 0.5) * source as f64 / target as f64 - 0.5;
        let inside = |at: f64| at.clamp(0.0, source as f64 - 1.0) as usize;
        (inside(centre.floor()), inside(centre.floor() + 1.0), centre - centre.floor())
    };
    let mut out = Vec::new();
    for row in 0..target.0 {
        let (top, bottom, down) = around(row, source.0, target.0);
        for column in 0..target.1 {
            let (left, right, across) = around(column, source.1, target.1);
            for colour in 0..3 {
                let at = |y: usize, x: usize| f64::from(pixels[(y * source.1 + x) * 3 + colour]);
                let upper = at(top, left) * (1.0 - across) + at(top, right) * across;
                let lower = at(bottom, left) * (1.0 - across) + at(bottom, right) * across;
                out.push(upper * (1.0 - down) + lower * down);
            }
        }
    }
    out
}

/// The values that PyTorch's documentation gives for a 2 x 2 input.
#[test]
fn doubling_two_by_two_is_pytorchs_example() {
    let grey = |values: &[f32]| values.iter().flat_map(|&value| [value; 3]).collect::<Vec<_>>();
    let expected = [
        1.0, 1.25, 1.75, 2.0, //
        1.5, 1.75, 2.25, 2.5, //
        2.5, 2.75, 3.25, 3.5, //
        3.0, 3.25, 3.75, 4.0,
    ];
    assert_eq!(resized(&grey(&[1.0, 2.0, 3.0, 4.0]), (2, 2), (4, 4)), grey(&expected));
}

#[test]
fn the_same_size_changes_nothing() {
    let pixels: Vec<f32> = (0..5 * 7 * 3).map(|value| (value as f32).sin()).collect();
    assert_eq!(resized(&pixels, (5, 7), (5, 7)), pixels);
}

#[test]
fn other_sizes_than_the_plans_are_errors() {
    let plan = BilinearResize::new((4, 6), (8, 8)).expect("sides of at least 1");
    let pixels = [0.0; 4 * 6 * 3];
    let turned = Picture::new(&pixels, 6, 4).expect("the shape fits");
    let error = plan.resize(turned, &mut [0.0; 8 * 8 * 3]);
    assert!(matches!(error, Err(PatchError::Length { what: "the picture to resize", .. })));
    let picture = Picture::new(&pixels, 4, 6).expect("the shape fits");
    let error = plan.resize(picture, &mut [0.0; 8 * 8]);
    let expected = PatchError::Length { what: "the resized picture", expected: 192, found: 64 };
    assert_eq!(error, Err(expected));
    assert!(matches!(BilinearResize::new((0, 4), (8, 8)), Err(PatchError::Zero { .. })));
    assert!(matches!(BilinearResize::new((4, 4), (8, 0)), Err(PatchError::Zero { .. })));
}

proptest! {
    #[test]
    fn every_pixel_is_the_mean_of_its_four(
        source in (1..70_usize, 1..70_usize),
        target in (1..100_usize, 1..100_usize),
        phase in 0.0..7.0_f32,
    ) {
        let pixels: Vec<f32> =
            (0..source.0 * source.1 * 3).map(|value| (value as f32 * 1.7 + phase).sin() * 2.5).collect();
        let expected = by_definition(&pixels, source, target);
        for (found, expected) in resized(&pixels, source, target).into_iter().zip(expected) {
            // The centre is computed in f32: its rounding, at most 70 * 2^-23, meets slopes of at most 5.
            prop_assert!((f64::from(found) - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}

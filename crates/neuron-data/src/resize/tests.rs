use super::*;
use proptest::prelude::*;

fn noise(height: usize, width: usize) -> Rgb8Image {
    let level = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 21) as u8;
    Rgb8Image { height, width, pixels: (0..height * width * 3).map(level).collect() }
}

/// The weights of one output position over all input positions.
fn weigh(from: usize, to: usize, at: usize, bicubic: bool) -> Vec<f64> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let centre = (at as f64 + 0.5) * scale;
    let filter = if bicubic { cubic } else { triangle };
    let weights: Vec<f64> = (0..from).map(|i| filter((i as f64 + 0.5 - centre).abs() / stretch)).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The most that a pass makes of levels that are wrong by at most one: more than one where weights are negative.
fn gain(from: usize, to: usize, bicubic: bool) -> f64 {
    let gain = |at| weigh(from, to, at, bicubic).iter().map(|weight| weight.abs()).sum();
    (0..to).map(gain).fold(0.0, f64::max)
}

/// The definition: weighted sums over all rows and columns, rounded to 8 bits between the two passes only.
fn by_definition(image: &Rgb8Image, height: usize, width: usize, bicubic: bool) -> Vec<f64> {
    let level =
        |y: usize, x: usize, channel: usize| f64::from(image.pixels[(y * image.width + x) * 3 + channel]);
    let round = |level: f64| level.round().clamp(0.0, 255.0);
    let sum = |weights: &[f64], level: &dyn Fn(usize) -> f64| -> f64 {
        weights.iter().enumerate().map(|(at, weight)| weight * level(at)).sum()
    };
    let (removed_rows, removed_columns) =
        (image.height as i64 - height as i64, image.width as i64 - width as i64);
    let mut out = Vec::new();
    for y in 0..height {
        let rows = weigh(image.height, height, y, bicubic);
        for x in 0..width {
            let columns = weigh(image.width, width, x, bicubic);
            for channel in 0..3 {
                out.push(if removed_rows > 0 && removed_rows > 2 * removed_columns {
                    sum(&columns, &|u| round(sum(&rows, &|v| level(v, u, channel))))
                } else {
                    sum(&rows, &|v| round(sum(&columns, &|u| level(v, u, channel))))
                });
            }
        }
    }
    out
}

fn triangle(x: f64) -> f64 {
    (1.0 - x).max(0.0)
}

fn cubic(x: f64) -> f64 {
    match x {
        x if x < 1.0 => 1.5 * x * x * x - 2.5 * x * x + 1.0,
        x if x < 2.0 => -0.5 * x * x * x + 2.5 * x * x - 4.0 * x + 2.0,
        _ => 0.0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn follows_the_definition(
        from in (1usize..24, 1usize..40), to in (1usize..24, 1usize..40), bicubic: bool,
    ) {
        let image = noise(from.0, from.1);
        let interpolation = if bicubic { Interpolation::Bicubic } else { Interpolation::Bilinear };
        let found = resize_rgb8(&image, to.0, to.1, interpolation);
        // Half a level from the last rounding, and one level for each tie between the passes that fell otherwise, as
        // much as the second pass weighs it.
        let tolerance = 0.51 + gain(from.0, to.0, bicubic).max(gain(from.1, to.1, bicubic));
        for (&found, exact) in found.pixels.iter().zip(by_definition(&image, to.0, to.1, bicubic)) {
            let error = (f64::from(found) - exact.clamp(0.0, 255.0)).abs();
            prop_assert!(error <= tolerance, "{found} for {exact}");
        }
    }

    #[test]
    fn a_part_equals_the_whole(
        from in (1usize..60, 1usize..60), to in (1usize..60, 1usize..60), cut in (0usize..60, 0usize..60),
        bicubic: bool,
    ) {
        let image = noise(from.0, from.1);
        let interpolation = if bicubic { Interpolation::Bicubic } else { Interpolation::Bilinear };
        let whole = resize_rgb8(&image, to.0, to.1, interpolation);
        let (top, left) = (cut.0 % to.0, cut.1 % to.1);
        let plan = Resize::new(from, to, top..to.0, left..to.1, interpolation);
        // Hand over no more of the source than was asked for.
        let (rows, columns) = plan.source();
        let padded = image.padded();
        let held = |y: usize| &padded[y * from.1 + columns.start..y * from.1 + columns.end];
        let pixels: Vec<_> = rows.clone().flat_map(held).copied().collect();
        let mut part = vec![0; (to.0 - top) * (to.1 - left) * 3];
        plan.run(&Raster { pixels: &pixels, rows, columns }, &mut Vec::new(), &mut part);
        for (y, line) in part.chunks_exact((to.1 - left) * 3).enumerate() {
            let start = ((top + y) * to.1 + left) * 3;
            prop_assert_eq!(line, &whole.pixels[start..start + line.len()]);
        }
    }
}

#[test]
fn a_resize_to_the_same_size_changes_nothing() {
    let image = noise(13, 29);
    for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
        assert_eq!(resize_rgb8(&image, 13, 29, interpolation), image);
    }
}

use neuron_model::PixelRange;
use neuron_model::weights::LUMINANCE;

/// Percentiles that the masked picture's colours are clipped to.
const COLOURS: (f64, f64) = (1.0, 99.0);
/// Percentile that the mask is clipped at.
const OPACITY: f64 = 98.0;

/// Pictures in the normalised units of a network as 8-bit pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rendering {
    /// The values of black and white.
    pub range: PixelRange,
    /// Whether the network sees the luminance alone: then it is what is shown.
    pub grey: bool,
}

impl Rendering {
    /// The picture itself: denormalised, and clamped to what pixels can be.
    ///
    /// # Shapes
    /// * `picture`: `[height, width, 3]`, normalised
    /// * returns: `[height, width, 3]`, RGB
    pub fn rgb(&self, picture: &[f32]) -> Vec<u8> {
        self.brightness(picture).into_iter().map(level).collect()
    }

    /// The picture with what the optimisation never changed made transparent.
    ///
    /// Colours are clipped to their 1st and 99th percentile and stretched over the whole range. A pixel's opacity is
    /// the mean over colours of its accumulated |gradient|, clipped at the 98th percentile, relative to the largest.
    ///
    /// # Shapes
    /// * `picture`: `[height, width, 3]`, normalised
    /// * `gradient`: `[height, width, 3]`, the accumulated absolute values
    /// * returns: `[height, width, 4]`, RGBA
    pub fn masked(&self, picture: &[f32], gradient: &[f32]) -> Vec<u8> {
        let brightness = self.brightness(picture);
        let (low, high) = (percentile(&brightness, COLOURS.0), percentile(&brightness, COLOURS.1));
        let stretched =
            |value: f64| if high > low { (value.clamp(low, high) - low) / (high - low) } else { 0.0 };

        let strength =
            |pixel: &[f32]| pixel.iter().map(|value| f64::from(*value)).sum::<f64>() / pixel.len() as f64;
        let strengths: Vec<f64> = gradient.chunks_exact(3).map(strength).collect();
        let strongest = percentile(&strengths, OPACITY);
        let opacity = |value: f64| if strongest > 0.0 { value.min(strongest) / strongest } else { 0.0 };

        let pixels = brightness.chunks_exact(3).zip(&strengths);
        let rgba = |(colours, strength): (&[f64], &f64)| {
            let [red, green, blue] = [0, 1, 2].map(|colour| level(stretched(colours[colour])));
            [red, green, blue, level(opacity(*strength))]
        };
        pixels.flat_map(rgba).collect()
    }

    /// 0 for black, 1 for white.
    fn brightness(&self, picture: &[f32]) -> Vec<f64> {
        let brightness = |(at, value): (usize, &f32)| {
            let (lowest, highest) = (self.range.lowest[at % 3], self.range.highest[at % 3]);
            f64::from((value - lowest) / (highest - lowest))
        };
        let mut values: Vec<f64> = picture.iter().enumerate().map(brightness).collect();
        if self.grey {
            for pixel in values.chunks_exact_mut(3) {
                let luminance =
                    pixel.iter().zip(LUMINANCE).map(|(value, share)| value * f64::from(share)).sum();
                pixel.fill(luminance);
            }
        }
        values
    }
}

fn level(brightness: f64) -> u8 {
    (brightness * 255.0).round().clamp(0.0, 255.0) as u8
}

/// The percentile of some values, with linear interpolation between neighbours as NumPy does it; 0 of none.
fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = percent / 100.0 * last as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    sorted[below] + share * (sorted[(below + 1).min(last)] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendering() -> Rendering {
        let range = PixelRange { lowest: [-1.0, -2.0, 0.0], highest: [1.0, 2.0, 4.0] };
        Rendering { range, grey: false }
    }

    #[test]
    fn percentiles_interpolate() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.0, 50.0, 100.0].map(|percent| percentile(&values, percent)), [1.0, 2.5, 4.0]);
        assert!((percentile(&values, 10.0) - 1.3).abs() < 1e-12);
    }

    #[test]
    fn colours_are_denormalised_and_clamped() {
        assert_eq!(rendering().rgb(&[-1.0, 0.0, 4.0, 9.0, -9.0, 1.0]), [0, 128, 255, 255, 0, 64]);
    }

    #[test]
    fn what_a_network_of_grey_images_sees_is_grey() {
        let rendering = Rendering { grey: true, ..rendering() };
        // Red, green and white.
        let picture = [1.0, -2.0, 0.0, -1.0, 2.0, 0.0, 1.0, 2.0, 4.0];
        let levels = [76, 150, 255];
        assert_eq!(rendering.rgb(&picture), levels.map(|level| [level; 3]).concat());
        let masked = rendering.masked(&picture, &[1.0; 9]);
        assert!(
            masked.chunks_exact(4).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]),
            "{masked:?}"
        );
    }

    #[test]
    fn a_mask_is_clipped_where_gradients_are_strongest() {
        // A hundred pixels, the last of which outweighs all others.
        let picture: Vec<f32> = (0..300).map(|at| rendering().range.lowest[at % 3]).collect();
        let gradient: Vec<f32> = (0..300).map(|at| if at < 297 { (at / 3) as f32 } else { 1e6 }).collect();
        let masked = rendering().masked(&picture, &gradient);
        let opacity = |pixel: usize| masked[pixel * 4 + 3];
        assert_eq!((opacity(0), opacity(99), opacity(98)), (0, 255, 255));
        // The 98th percentile of 0, 1, .., 98, 1e6 is 97.02.
        assert_eq!(opacity(50), (50.0f64 / 97.02 * 255.0).round() as u8);
    }

    #[test]
    fn a_flat_picture_without_gradients_is_black_and_clear() {
        assert_eq!(rendering().masked(&[0.0, 0.0, 2.0], &[0.0; 3]), [0, 0, 0, 0]);
    }
}

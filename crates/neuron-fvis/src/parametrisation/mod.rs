//! What a picture is made of: the numbers that are optimised, and the way from them to pixels and back.

mod coefficients;
mod colours;
mod magnitudes;
mod phases;
mod pixels;
mod pyramid;
mod spectrum;

use std::fmt;
use std::str::FromStr;

use neuron_model::PixelRange;
use serde::Serialize;

pub use magnitudes::Magnitudes;

use phases::Phases;
use pixels::Pixels;
use pyramid::Pyramid;
use spectrum::Spectrum;

/// What a picture is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Parametrisation {
    /// Pixels, in the network's units.
    #[default]
    Pixels,
    /// Fourier coefficients in decorrelated colours, those of high frequencies scaled down as in natural pictures; pixels
    /// between black and white by a sigmoid (Olah et al., "Feature Visualization", Distill 2017).
    Spectrum,
    /// A Laplacian pyramid in decorrelated colours: planes of half the size each, enlarged and added; bounded as
    /// [`Parametrisation::Spectrum`] is.
    Pyramid,
    /// The phases of Fourier coefficients whose magnitudes are those of natural pictures, and stay (Fel et al., "Unlocking
    /// Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization", NeurIPS 2023).
    Phases,
}

/// The numbers of one picture, and what they mean. The same for all pictures of a size.
pub(crate) trait Canvas: fmt::Debug + Send + Sync {
    /// How many numbers make a picture.
    fn parameters(&self) -> usize;

    /// The numbers of a start, for as many normal values (mean 0, variance 1).
    fn start(&self, normal: Vec<f32>) -> Vec<f32>;

    /// The numbers of a picture, as close as can be.
    ///
    /// # Shapes
    /// * `picture`: `[height, width, 3]`, normalised
    fn of_picture(&self, picture: &[f32]) -> Vec<f32>;

    /// The picture that some numbers make.
    ///
    /// # Shapes
    /// * `picture`: `[height, width, 3]`, normalised
    fn draw(&self, parameters: &[f32], picture: &mut [f32]);

    /// The gradient with respect to the numbers for one with respect to the picture that they make.
    ///
    /// # Shapes
    /// * `gradient`: `[height, width, 3]`
    /// * `pulled`: as many as numbers
    fn pull_back(&self, parameters: &[f32], gradient: &[f32], pulled: &mut [f32]);

    /// Brings numbers back to where real pixels are.
    fn confine(&self, _parameters: &mut [f32]) {}
}

impl Parametrisation {
    /// Every parametrisation.
    pub const ALL: [Self; 4] = [Self::Pixels, Self::Spectrum, Self::Pyramid, Self::Phases];

    /// Numbers for pictures of a size, whose pixels lie in a range.
    ///
    /// Of phases, `magnitudes` are those that stay, of pictures of this size; without them they
    /// [fall](Magnitudes::falling).
    pub(crate) fn canvas(
        self,
        (height, width): (usize, usize),
        pixels: PixelRange,
        magnitudes: Option<Magnitudes>,
    ) -> Box<dyn Canvas> {
        match self {
            Self::Pixels => Box::new(Pixels::new(height * width, pixels)),
            Self::Spectrum => Box::new(Spectrum::new(height, width, pixels)),
            Self::Pyramid => Box::new(Pyramid::new(height, width, pixels)),
            Self::Phases => {
                let magnitudes = magnitudes.unwrap_or_else(|| Magnitudes::falling((height, width)));
                Box::new(Phases::new(magnitudes, pixels))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pixels => "pixels",
            Self::Spectrum => "spectrum",
            Self::Pyramid => "pyramid",
            Self::Phases => "phases",
        }
    }
}

impl fmt::Display for Parametrisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no [`Parametrisation`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected pixels, spectrum, pyramid or phases; found {found}")]
pub struct UnknownParametrisation {
    /// The text.
    pub found: String,
}

impl FromStr for Parametrisation {
    type Err = UnknownParametrisation;

    fn from_str(text: &str) -> Result<Self, UnknownParametrisation> {
        let same = |known: &Self| known.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownParametrisation { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    const SIZES: [(usize, usize); 3] = [(8, 8), (7, 10), (9, 5)];

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    #[test]
    fn names_parse_as_they_print() {
        for known in Parametrisation::ALL {
            assert_eq!(known.to_string().parse(), Ok(known));
            assert_eq!(serde_json::to_value(known).unwrap(), known.to_string());
        }
        assert!("paint".parse::<Parametrisation>().unwrap_err().to_string().contains("found paint"));
    }

    /// The derivative along random directions, by the pulled-back gradient and by differences.
    #[test]
    fn gradients_by_finite_differences() {
        for (size, known) in SIZES.into_iter().flat_map(|size| Parametrisation::ALL.map(|p| (size, p))) {
            let canvas = known.canvas(size, PixelRange::default(), None);
            let count = canvas.parameters();
            let parameters: Vec<f32> = random::normal(1, 0, count).iter().map(|v| 0.3 * v).collect();
            let len = 3 * size.0 * size.1;
            let gradient = random::normal(2, 0, len);
            let mut pulled = vec![0.0; count];
            canvas.pull_back(&parameters, &gradient, &mut pulled);
            for seed in 3..6 {
                let direction = random::normal(seed, 0, count);
                let moved = |step: f32| {
                    let moved: Vec<f32> =
                        parameters.iter().zip(&direction).map(|(p, d)| p + step * d).collect();
                    let mut picture = vec![0.0; len];
                    canvas.draw(&moved, &mut picture);
                    dot(&picture, &gradient)
                };
                let want = (moved(5e-3) - moved(-5e-3)) / 1e-2;
                let found = dot(&pulled, &direction);
                let scale = want.abs().max(dot(&pulled, &pulled).sqrt());
                assert!((found - want).abs() < 2e-2 * scale, "{known} {size:?}: {found}, expected {want}");
            }
        }
    }

    #[test]
    fn a_picture_becomes_the_numbers_that_make_it() {
        for (size, known) in SIZES.into_iter().flat_map(|size| Parametrisation::ALL.map(|p| (size, p))) {
            // Phases cannot make every picture.
            if known == Parametrisation::Phases {
                continue;
            }
            let canvas = known.canvas(size, PixelRange::default(), None);
            let len = 3 * size.0 * size.1;
            let picture: Vec<f32> = (0..len).map(|at| ((at * 7) % 13) as f32 / 10.0 - 0.6).collect();
            let mut again = vec![0.0; len];
            canvas.draw(&canvas.of_picture(&picture), &mut again);
            for (found, want) in again.iter().zip(&picture) {
                assert!((found - want).abs() < 1e-3, "{known} {size:?}: {found}, expected {want}");
            }
        }
    }

    #[test]
    fn bounded_pictures_hold_real_pixels() {
        let range = PixelRange::default();
        for known in [Parametrisation::Spectrum, Parametrisation::Pyramid, Parametrisation::Phases] {
            let canvas = known.canvas((8, 6), range, None);
            let wild: Vec<f32> = random::normal(1, 0, canvas.parameters()).iter().map(|v| 1e3 * v).collect();
            let mut picture = vec![0.0; 3 * 48];
            canvas.draw(&wild, &mut picture);
            for (at, value) in picture.iter().enumerate() {
                let (low, high) = (range.lowest[at % 3] - 1e-5, range.highest[at % 3] + 1e-5);
                assert!((low..=high).contains(value), "{known}: {value}");
            }
        }
    }
}

//! Where pictures start.

use neuron_model::{Images, PixelRange, first_not_finite};

use crate::blur::blur;
use crate::error::FvisError;
use crate::parametrisation::{Canvas, Magnitudes, Parametrisation};
use crate::random;
use crate::settings::{Settings, Unit};
use crate::start_from::StartFrom;

/// Width of the blur of a reference, as a share of its longer side: of what is there, masses of light and colour are left.
const BLUR: f64 = 1.0 / 16.0;

/// What is given of pictures, in place of random numbers and of what is usual.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The start of every copy, the same for all units: `[copies, height, width, 3]`, normalised.
    pub pictures: Option<Vec<f32>>,
    /// The shift (down, right) of each step, the same for all pictures; steps beyond the last one are random.
    pub offsets: Vec<(isize, isize)>,
    /// What pictures of [phases](Parametrisation::Phases) keep.
    pub magnitudes: Option<Magnitudes>,
}

/// The numbers that the pictures of each unit start with: its copies, then those of the next unit.
///
/// # Errors
/// [`FvisError::Length`] for pictures of another size, [`FvisError::StartNotFinite`] for such that are none.
pub(crate) fn parameters(
    settings: &Settings,
    given: Option<&[f32]>,
    units: &[Unit<'_>],
    canvas: &dyn Canvas,
) -> Result<Vec<Vec<f32>>, FvisError> {
    let (copies, len) = (settings.copies, settings.picture_len());
    let pairs = || (0..units.len()).flat_map(|unit| (0..copies).map(move |copy| (unit, copy)));
    if let Some(given) = given {
        if given.len() != copies * len {
            return Err(FvisError::Length {
                tensor: "the start",
                expected: copies * len,
                found: given.len(),
            });
        }
        if let Some(place) = first_not_finite(given) {
            return Err(FvisError::StartNotFinite { place, value: given[place] });
        }
        return Ok(pairs().map(|(_, copy)| canvas.of_picture(&given[copy * len..][..len])).collect());
    }
    let normal = |copy, count| random::normal(settings.seed, copy, count);
    let start = |(unit, copy): (usize, usize)| match settings.start_from {
        StartFrom::Noise => canvas.start(normal(copy, canvas.parameters())),
        StartFrom::Natural => canvas.of_picture(&natural(settings, |count| normal(copy, count))),
        StartFrom::Reference => {
            let references: &dyn Images = units[unit].references;
            let mut picture = vec![0.0; len];
            references.write(copy % references.count(), &mut picture);
            let (height, width) = settings.size;
            blur(&mut picture, settings.size, BLUR * height.max(width) as f64);
            canvas.of_picture(&picture)
        }
    };
    Ok(pairs().map(start).collect())
}

/// A picture of normal Fourier coefficients, `[height, width, 3]`: planes of variance 1 in decorrelated colours.
fn natural(settings: &Settings, normal: impl Fn(usize) -> Vec<f32>) -> Vec<f32> {
    let spectrum = Parametrisation::Spectrum.canvas(settings.size, settings.pixels, None);
    let mut picture = vec![0.0; settings.picture_len()];
    spectrum.draw(&normal(spectrum.parameters()), &mut picture);
    picture
}

/// The numbers for pictures as the settings want them, with the magnitudes that are given.
///
/// # Errors
/// [`FvisError::Length`] for magnitudes of pictures of another size.
pub(crate) fn canvas(
    settings: &Settings,
    magnitudes: Option<Magnitudes>,
) -> Result<Box<dyn Canvas>, FvisError> {
    let (size, pixels): ((usize, usize), PixelRange) = (settings.size, settings.pixels);
    if let Some((height, width)) = magnitudes.as_ref().map(Magnitudes::size).filter(|found| *found != size) {
        let (expected, found) = (settings.picture_len(), 3 * height * width);
        return Err(FvisError::Length { tensor: "a picture with these magnitudes", expected, found });
    }
    Ok(settings.parametrisation.canvas(size, pixels, magnitudes))
}

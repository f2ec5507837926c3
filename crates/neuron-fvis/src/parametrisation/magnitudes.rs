use neuron_model::{Images, PixelRange};

use super::coefficients::Coefficients;

/// Magnitudes of Fourier coefficients, which pictures that are made of phases keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Magnitudes {
    size: (usize, usize),
    /// `[3, height, width / 2 + 1]`, of decorrelated planes.
    values: Vec<f32>,
}

impl Magnitudes {
    /// Those of photos in general, which fall with the frequency `f` as `1 / f` (Field, "Relations between the statistics of
    /// natural images and the response properties of cortical cells", 1987): the same in every plane of decorrelated
    /// colours, such that planes have mean 0 and variance 1.
    pub fn falling((height, width): (usize, usize)) -> Self {
        let coefficients = Coefficients::new(height, width, PixelRange::default());
        let transform = &coefficients.transform;
        let fall = |frequency: f64| if frequency > 0.0 { 1.0 / frequency } else { 0.0 };
        let amplitudes: Vec<f64> = (0..transform.len()).map(|at| fall(transform.frequency(at))).collect();
        // By Parseval: the mean square of a plane is the sum of the squares over its whole spectrum, by positions twice.
        let power =
            |(at, amplitude): (usize, &f64)| f64::from(transform.multiplicity(at)) * amplitude.powi(2);
        let power: f64 = amplitudes.iter().enumerate().map(power).sum();
        let scale = if power > 0.0 { (height * width) as f64 / power.sqrt() } else { 0.0 };
        let plane = amplitudes.iter().map(|amplitude| (scale * amplitude) as f32);
        Self { size: (height, width), values: std::iter::repeat_n(plane, 3).flatten().collect() }
    }

    /// The mean over some images, as MACO takes it over ImageNet (Fel et al., NeurIPS 2023, section 3.2); `None` of no images.
    pub fn of(images: &dyn Images, pixels: PixelRange) -> Option<Self> {
        let (height, width) = images.size();
        let coefficients = Coefficients::new(height, width, pixels);
        let mut sums = vec![0.0f64; 3 * coefficients.len()];
        let mut picture = vec![0.0; 3 * height * width];
        for image in 0..images.count() {
            images.write(image, &mut picture);
            let mut sums = sums.iter_mut();
            coefficients.of_picture(&picture, |spectrum| {
                spectrum.iter().zip(&mut sums).for_each(|(value, sum)| *sum += f64::from(value.norm()));
            });
        }
        let mean = |sum: f64| (sum / images.count() as f64) as f32;
        let values = sums.into_iter().map(mean).collect();
        (images.count() > 0).then_some(Self { size: (height, width), values })
    }

    /// Height and width of the pictures that have them.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// `[3, height, width / 2 + 1]`, of decorrelated planes, the first of which is brightness.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// `[height, width / 2 + 1]`, of one of the planes.
    pub(super) fn plane(&self, index: usize) -> &[f32] {
        let len = self.values.len() / 3;
        &self.values[index * len..][..len]
    }
}

#[cfg(test)]
mod tests {
    use neuron_model::ChannelsLast;

    use super::*;

    #[test]
    fn magnitudes_of_one_image_are_its_own_and_of_two_their_mean() {
        let (height, width) = (6, 9);
        let pixels = PixelRange::default();
        let image = |seed: usize| -> Vec<f32> {
            (0..3 * height * width).map(|at| ((at * seed + 3) % 11) as f32 / 10.0 - 0.5).collect()
        };
        let (one, other) = (image(5), image(7));
        let of = |values: &[f32]| Magnitudes::of(&ChannelsLast::new(values, height, width), pixels).unwrap();
        let coefficients = Coefficients::new(height, width, pixels);
        let mut plane = 0;
        coefficients.of_picture(&one, |spectrum| {
            for (found, value) in of(&one).plane(plane).iter().zip(spectrum) {
                assert_eq!(*found, value.norm());
            }
            plane += 1;
        });
        let both = of(&[&one[..], &other].concat());
        for at in 0..both.values.len() {
            let mean = (of(&one).values[at] + of(&other).values[at]) / 2.0;
            assert!((both.values[at] - mean).abs() <= 1e-5 * mean.abs(), "{at}");
        }
        assert_eq!(Magnitudes::of(&ChannelsLast::new(&[], height, width), pixels), None);
    }
}

/// What every channel of a tap says about some images.
#[derive(Clone, Debug, PartialEq)]
pub struct TapScores {
    channels: usize,
    /// Spatial maxima, `[images, channels]`.
    max: Vec<f32>,
    /// Spatial means, `[images, channels]`.
    mean: Vec<f32>,
}

impl TapScores {
    /// Scores that are known.
    ///
    /// # Shapes
    /// * `max`, `mean`: `[images, channels]`
    ///
    /// # Panics
    /// If they are not as many, or not of whole images.
    pub fn new(channels: usize, max: Vec<f32>, mean: Vec<f32>) -> Self {
        assert_eq!(max.len(), mean.len(), "a maximum and a mean of each");
        assert_eq!(max.len() % channels.max(1), 0, "all channels of each image");
        Self { channels, max, mean }
    }

    /// Adds those of further images.
    ///
    /// # Panics
    /// If they are of another number of channels.
    pub fn extend(&mut self, other: &Self) {
        assert_eq!(self.channels, other.channels, "the scores are of one tap");
        self.max.extend_from_slice(&other.max);
        self.mean.extend_from_slice(&other.mean);
    }

    /// Those of the images that are not `left_out`, which are told by their index.
    #[must_use]
    pub fn without(&self, left_out: &[usize]) -> Self {
        let kept = |values: &[f32]| -> Vec<f32> {
            let rows = values.chunks_exact(self.channels.max(1)).enumerate();
            rows.filter(|(image, _)| !left_out.contains(image)).flat_map(|(_, row)| row).copied().collect()
        };
        Self { channels: self.channels, max: kept(&self.max), mean: kept(&self.mean) }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.max.len() / self.channels.max(1)
    }

    /// Number of channels of the tap.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The greatest activation of every channel on one image, `[channels]`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn maxima(&self, image: usize) -> &[f32] {
        &self.max[image * self.channels..][..self.channels]
    }

    /// The mean activation of every channel over all positions of one image, `[channels]`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn means(&self, image: usize) -> &[f32] {
        &self.mean[image * self.channels..][..self.channels]
    }

    /// The greatest activation of one channel on every image.
    pub fn maxima_of(&self, channel: usize) -> impl Iterator<Item = f32> + Clone {
        self.max.iter().skip(channel).step_by(self.channels).copied()
    }

    /// The mean activation of one channel on every image.
    pub fn means_of(&self, channel: usize) -> impl Iterator<Item = f32> + Clone {
        self.mean.iter().skip(channel).step_by(self.channels).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_images_and_columns_channels() {
        let mut scores = TapScores::new(2, vec![1.0, 2.0, 3.0, 4.0], vec![0.1, 0.2, 0.3, 0.4]);
        scores.extend(&TapScores::new(2, vec![5.0, 6.0], vec![0.5, 0.6]));
        assert_eq!((scores.images(), scores.channels()), (3, 2));
        assert_eq!((scores.maxima(1), scores.means(2)), (&[3.0, 4.0][..], &[0.5, 0.6][..]));
        assert_eq!(scores.maxima_of(1).collect::<Vec<_>>(), [2.0, 4.0, 6.0]);
        assert_eq!(scores.means_of(0).collect::<Vec<_>>(), [0.1, 0.3, 0.5]);
        assert_eq!(
            scores.without(&[1]),
            TapScores::new(2, vec![1.0, 2.0, 5.0, 6.0], vec![0.1, 0.2, 0.5, 0.6])
        );
        assert_eq!(scores.without(&[]), scores);
    }
}

/// The signal at a unit from which a pass starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The unit's activations: all of its map.
    Activations,
    /// 1 at the one position whose activation vector points most towards the unit's channel.
    MostAligned,
    /// One share at each position: the gradient of the mean activation.
    Mean,
}

impl Start {
    /// Writes the signal of one item over zeros.
    ///
    /// # Shapes
    /// * `activation`, `signal`: `[height, width, channels]`
    pub(crate) fn write(self, channels: usize, channel: usize, activation: &[f32], signal: &mut [f32]) {
        let own = (channel..activation.len()).step_by(channels);
        match self {
            Self::Activations => own.for_each(|at| signal[at] = activation[at]),
            Self::MostAligned => {
                signal[most_aligned(channels, channel, activation) * channels + channel] = 1.0;
            }
            Self::Mean => {
                let positions = activation.len() / channels;
                own.for_each(|at| signal[at] = 1.0 / positions as f32);
            }
        }
    }
}

/// The (first) position where the channel has the largest share of the activation vector, `a_c / ||a||`.
fn most_aligned(channels: usize, channel: usize, activation: &[f32]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (position, vector) in activation.chunks_exact(channels).enumerate() {
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let alignment = if norm > 0.0 { f64::from(vector[channel]) / norm } else { 0.0 };
        if alignment > best.1 {
            best = (position, alignment);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_relative_to_the_vector() {
        let activation = [9.0, 9.0, 0.0, 1.0, 0.0, 0.0];
        assert_eq!(most_aligned(2, 0, &activation), 0);
        assert_eq!(most_aligned(2, 1, &activation), 1);
    }
}

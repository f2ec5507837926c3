//! The features of one picture, from which others should not stray.

use crate::features::FeatureMap;

/// What a picture's features are at one layer, place by place.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    /// `[positions, channels]`
    values: Vec<f32>,
    /// By which differences are measured.
    mean_square: f64,
}

impl Anchor {
    pub(crate) fn new(map: FeatureMap<'_>) -> Self {
        let square = |value: &f32| f64::from(*value).powi(2);
        let mean = map.values.iter().map(square).sum::<f64>() / map.values.len() as f64;
        // A layer that is silent everywhere is measured as it is.
        Self { values: map.values.to_vec(), mean_square: if mean > 0.0 { mean } else { 1.0 } }
    }

    /// The mean square of the differences to it, as a share of its own; `gradient` becomes that of `weight` times it.
    ///
    /// # Shapes
    /// * `gradient`: `[positions, channels]`
    pub(crate) fn distance(&self, map: FeatureMap<'_>, weight: f64, gradient: &mut [f32]) -> f64 {
        assert_eq!(self.values.len(), map.values.len(), "features of the anchor's size");
        let whole = self.mean_square * self.values.len() as f64;
        let scale = (2.0 * weight / whole) as f32;
        let mut sum = 0.0;
        for (gradient, (value, anchor)) in gradient.iter_mut().zip(map.values.iter().zip(&self.values)) {
            let difference = value - anchor;
            sum += f64::from(difference).powi(2);
            *gradient = scale * difference;
        }
        sum / whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_by_hand() {
        let map = |values| FeatureMap { channels: 2, values, relevance: None };
        let anchor = Anchor::new(map(&[1.0, -1.0, 1.0, 1.0]));
        let mut gradient = [9.0; 4];
        assert_eq!(anchor.distance(map(&[1.0, 1.0, 2.0, 1.0]), 3.0, &mut gradient), 5.0 / 4.0);
        assert_eq!(gradient, [0.0, 3.0, 1.5, 0.0]);
        assert_eq!(anchor.distance(map(&[1.0, -1.0, 1.0, 1.0]), 3.0, &mut gradient), 0.0);
        let silent = Anchor::new(map(&[0.0; 4]));
        assert_eq!(silent.distance(map(&[2.0, 0.0, 0.0, 0.0]), 1.0, &mut gradient), 1.0);
    }
}

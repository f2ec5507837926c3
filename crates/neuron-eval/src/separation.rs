//! Whether pictures excite a unit more than images in general do.

use std::cmp::Ordering;

use serde::Serialize;

/// How far a unit's activations on pictures lie from those on control images, as CoSy scores explanations of units
/// (Kopf et al. 2024, arXiv 2405.20331, section 3). There, an activation is the mean over all positions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Separation {
    /// Area under the ROC curve: how often a picture excites the unit more than a control image, over all pairs of
    /// both, where equal activations count half. 0.5 is chance, 1 is always.
    pub auc: f64,
    /// Mean activation difference: mean over the pictures minus mean over the controls, in standard deviations of the
    /// controls (over `n`, not `n - 1`); `None` where the controls are all alike.
    pub mad: Option<f64>,
}

impl Separation {
    /// Of the activations on some pictures and on some control images; `None` without either.
    pub fn of(pictures: &[f32], controls: &[f32]) -> Option<Self> {
        if pictures.is_empty() || controls.is_empty() {
            return None;
        }
        let won = |picture: &f32| -> f64 {
            let against = |control: &f32| match picture.partial_cmp(control) {
                Some(Ordering::Equal) => 0.5,
                Some(Ordering::Greater) => 1.0,
                _ => 0.0,
            };
            controls.iter().map(against).sum()
        };
        let auc = pictures.iter().map(won).sum::<f64>() / (pictures.len() * controls.len()) as f64;
        let mean = mean(controls);
        let squares = controls.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / controls.len() as f64).sqrt();
        let mad = (deviation > 0.0).then(|| (self::mean(pictures) - mean) / deviation);
        Some(Self { auc, mad })
    }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separation_by_hand() {
        // Pairs: 2 beats 1 and meets 2 and loses to 3; 4 beats all.
        let found = Separation::of(&[2.0, 4.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(found.auc, (1.5 + 3.0) / 6.0);
        // Means 3 and 2, deviation the square root of 2/3.
        assert!((found.mad.unwrap() - 1.5f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn equals_are_chance() {
        let found = Separation::of(&[0.0, -0.0], &[0.0; 5]).unwrap();
        assert_eq!((found.auc, found.mad), (0.5, None));
        assert_eq!(Separation::of(&[1.0], &[0.0; 2]).unwrap(), Separation { auc: 1.0, mad: None });
    }

    #[test]
    fn below_all_is_nothing() {
        let found = Separation::of(&[-1.0], &[0.0, 2.0]).unwrap();
        assert_eq!((found.auc, found.mad), (0.0, Some(-2.0)));
        assert_eq!(Separation::of(&[], &[1.0]), None);
        assert_eq!(Separation::of(&[1.0], &[]), None);
    }
}

//! What the units of each set say together.

use neuron_eval::Estimate;

use super::measures::{Measures, Row};

/// The numbers of a set.
pub(super) struct Summary {
    pub(super) units: usize,
    pub(super) pictures: usize,
    /// In the order of the measures; `None` where no unit says anything.
    pub(super) estimates: Vec<Option<Estimate>>,
}

/// Of each set.
pub(super) fn summaries(measures: &Measures, rows: &[Row], sets: usize) -> Vec<Summary> {
    (0..sets)
        .map(|set| {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.set == set).collect();
            let estimates = measures.all.iter().enumerate().map(|(at, measure)| {
                let values: Vec<f64> = rows.iter().filter_map(|row| row.values[at]).collect();
                if measure.is_share() { Estimate::of_share(&values) } else { Estimate::of_mean(&values) }
            });
            Summary {
                units: rows.len(),
                pictures: rows.iter().map(|row| row.pictures.len()).sum(),
                estimates: estimates.collect(),
            }
        })
        .collect()
}

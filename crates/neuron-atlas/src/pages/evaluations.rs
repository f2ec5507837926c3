use super::numbers::score;
use crate::unit::{Evaluation, Unit};

/// How well the unit's pictures show it: a line for each measure, a column for each set of pictures.
pub(super) struct EvaluationsView {
    pub(super) sets: Vec<String>,
    pub(super) lines: Vec<Line>,
}

/// A measure, and what it says of each set; nothing of some.
pub(super) struct Line {
    pub(super) measure: String,
    pub(super) values: Vec<Option<String>>,
}

impl EvaluationsView {
    /// `None` for a unit of which no evaluation says anything.
    pub(super) fn new(unit: &Unit) -> Option<Self> {
        let mut measures: Vec<&str> = Vec::new();
        for (measure, _) in unit.evaluations.iter().flat_map(|evaluation| &evaluation.measures) {
            if !measures.contains(&measure.as_str()) {
                measures.push(measure);
            }
        }
        let line = |measure: &str| {
            let values = unit.evaluations.iter().map(|evaluation| {
                let found = evaluation.measures.iter().find(|(name, _)| name == measure);
                found.map(|(_, value)| if value.fract() == 0.0 { value.to_string() } else { score(*value) })
            });
            Line { measure: measure.to_owned(), values: values.collect() }
        };
        let lines: Vec<Line> = measures.into_iter().map(line).collect();
        let set = |evaluation: &Evaluation| match evaluation.pictures {
            1 => evaluation.set.clone(),
            count => format!("{}, {count} pictures", evaluation.set),
        };
        let sets = unit.evaluations.iter().map(set).collect();
        (!lines.is_empty()).then_some(Self { sets, lines })
    }
}

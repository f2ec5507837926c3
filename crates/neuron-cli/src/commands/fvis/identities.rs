//! What makes a run's pictures what they are: by it a run knows its checkpoint and its finished pictures again.

use neuron_fvis::Settings;
use serde::Deserialize;
use serde_json::{Value, json};

use super::subject::Subject;
use crate::references::References;
use crate::scan::{Identity, differences_between};

/// What decides the pictures of a run.
pub(super) struct Identities {
    /// Of the whole run, for its checkpoint.
    run: Identity,
    /// Of each unit's pictures, for their records: the same alone and in company.
    pub(super) units: Vec<Identity>,
    settings: Value,
}

/// Settings as they are read back.
fn as_text(settings: &Settings) -> Value {
    serde_json::to_string(settings).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}

impl Identities {
    /// `common` is what all units share beside the settings; `population` the fingerprint of images in general, which
    /// decide the records, but not the pictures.
    pub(super) fn new(
        common: &Identity,
        subjects: &[Subject],
        references: &[References],
        settings: &Settings,
        population: Option<&str>,
    ) -> Self {
        let names: Vec<&[String]> = references.iter().map(References::names).collect();
        let mut kinds: Vec<&str> = references.iter().map(|references| references.kind().name()).collect();
        let of_unit = |(subject, references): (&Subject, &References)| {
            let own = common.clone().with("channel", subject.channel).with("references", references.names());
            own.with("references_are", references.kind().name()).with("population", population)
        };
        let channels: Vec<usize> = subjects.iter().map(|subject| subject.channel).collect();
        let run = common.clone().with("channels", channels).with("references", names);
        // One word says it of all units, unless some of them have others.
        kinds.dedup();
        let run = match kinds[..] {
            [kind] => run.with("references_are", kind),
            _ => run.with(
                "references_are",
                references.iter().map(|of_unit| of_unit.kind().name()).collect::<Vec<_>>(),
            ),
        };
        Self {
            run,
            units: subjects.iter().zip(references).map(of_unit).collect(),
            // By way of text, as a checkpoint and a record hold it: that has the shortest digits of an f32.
            settings: as_text(settings),
        }
    }

    /// What a checkpoint holds beside the settings.
    pub(super) fn inputs(&self) -> String {
        json!(self.run).to_string()
    }

    /// One line for each thing in which a checkpoint's run was another.
    pub(super) fn differences_of_run(&self, inputs: &Value, settings: &Value) -> Vec<String> {
        self.differences(&self.run, inputs, settings)
    }

    /// One line for each thing in which the run of a unit's picture was another.
    pub(super) fn differences_of_unit(&self, unit: usize, inputs: &Value, settings: &Value) -> Vec<String> {
        self.differences(&self.units[unit], inputs, settings)
    }

    fn differences(&self, now: &Identity, inputs: &Value, settings: &Value) -> Vec<String> {
        // As this version would have recorded them, unless they are damaged.
        let then = Identity::deserialize(inputs).map_or_else(|_| inputs.clone(), |then| json!(then));
        let mut lines = differences_between(&then, &json!(now), &|| false);
        lines.extend(differences_between(settings, &self.settings, &|| false));
        lines
    }
}

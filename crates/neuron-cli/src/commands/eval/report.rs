//! What is printed and written of an evaluation.

use std::io::Write;

use neuron_data::Preprocessing;
use neuron_eval::{Estimate, Interval};
use neuron_model::Network;
use serde_json::{Map, Value, json};

use super::flags::{Args, Format, format_of};
use super::measures::{Measures, Row};
use super::numbers::{Summary, summaries};
use super::pictures::Pictures;
use super::table;
use super::units::EvaluatedUnits;
use super::witness::{Seen, Witness};
use crate::global::Global;
use crate::output;
use crate::scan::{Identity, SkippedImage};

/// What a report is made from.
pub(super) struct Report<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) witness: Option<(&'a Witness, &'a Seen)>,
    /// What stands for images in general.
    pub(super) population: &'a Value,
    pub(super) sets: &'a [String],
    pub(super) units: &'a EvaluatedUnits<'a>,
    pub(super) pictures: &'a Pictures,
    pub(super) measures: &'a Measures,
    pub(super) rows: &'a [Row],
    pub(super) skipped: &'a [SkippedImage],
}

impl Report<'_> {
    /// Writes the file that is asked for.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let Some(out) = &self.args.out else { return Ok(()) };
        match format_of(out)? {
            Format::Json => output::write_bytes(out, format!("{:#}\n", self.json()).as_bytes()),
            Format::Tsv => output::write_atomically(out, |file| {
                self.lines().iter().try_for_each(|line| writeln!(file, "{line}"))
            }),
        }
    }

    /// Prints what is asked for on stdout.
    pub(super) fn say(&self) -> anyhow::Result<()> {
        if self.global.json {
            return output::print(&format!("{:#}\n", self.json()));
        }
        let mut text = table::aligned(&self.table());
        if self.args.per_unit {
            text.push('\n');
            text.push_str(&table::aligned(&self.table_of_units()));
        }
        output::print(&text)
    }

    fn summaries(&self) -> Vec<Summary> {
        summaries(self.measures, self.rows, self.sets.len())
    }

    /// A line for each measure, a column for each set.
    fn table(&self) -> Vec<Vec<String>> {
        let summaries = self.summaries();
        let line = |name: &str, cell: &dyn Fn(&Summary) -> String| -> Vec<String> {
            std::iter::once(name.to_owned()).chain(summaries.iter().map(cell)).collect()
        };
        let mut lines =
            vec![std::iter::once("measure".to_owned()).chain(self.sets.iter().cloned()).collect()];
        lines.push(line("units", &|set| set.units.to_string()));
        lines.push(line("pictures", &|set| set.pictures.to_string()));
        for (at, measure) in self.measures.all.iter().enumerate() {
            lines.push(line(&measure.name(), &|set| table::estimate(set.estimates[at].as_ref(), set.units)));
        }
        lines
    }

    /// A line for each unit and set, a column for each measure.
    fn table_of_units(&self) -> Vec<Vec<String>> {
        let names = self.measures.all.iter().map(super::measures::Measure::name);
        let head = ["unit", "set", "pictures"].map(str::to_owned).into_iter().chain(names);
        let row = |row: &Row| -> Vec<String> {
            let unit = self.units.all[row.unit].called.clone();
            let values = row.values.iter().map(|value| value.map_or_else(|| "-".to_owned(), table::number));
            [unit, self.sets[row.set].clone(), row.pictures.len().to_string()]
                .into_iter()
                .chain(values)
                .collect()
        };
        std::iter::once(head.collect()).chain(self.rows.iter().map(row)).collect()
    }

    /// The lines of the file for spreadsheets: every value in a line of its own.
    fn lines(&self) -> Vec<String> {
        let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let mut lines = vec!["set\tunit\tmeasure\tvalue\tlower\tupper\tcount".to_owned()];
        for (set, summary) in self.sets.iter().zip(self.summaries()) {
            for (measure, estimate) in self.measures.all.iter().zip(&summary.estimates) {
                let Some(Estimate { mean, interval, units }) = estimate else { continue };
                let (lower, upper) = interval
                    .map_or((String::new(), String::new()), |Interval { lower, upper }| {
                        (lower.to_string(), upper.to_string())
                    });
                let (set, name) = (plain(set), measure.name());
                lines.push(format!("{set}\tall\t{name}\t{mean}\t{lower}\t{upper}\t{units}"));
            }
        }
        for row in self.rows {
            let (set, unit) = (plain(&self.sets[row.set]), plain(&self.units.all[row.unit].called));
            for (measure, value) in self.measures.all.iter().zip(&row.values) {
                let Some(value) = value else { continue };
                let (name, pictures) = (measure.name(), row.pictures.len());
                lines.push(format!("{set}\t{unit}\t{name}\t{value}\t\t\t{pictures}"));
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let identity = Identity::of("eval", self.network, self.preprocessing)
            .with("arch", self.network.name())
            .with("population", self.population)
            .with(
                "witness",
                self.witness.map(|(witness, _)| {
                    let network = witness.network();
                    json!({ "arch": network.name(), "weights_sha256": network.weights().sha256() })
                }),
            );
        let sets = self.sets.iter().zip(self.summaries()).enumerate();
        let sets: Vec<Value> =
            sets.map(|(set, (name, summary))| self.json_of_set(set, name, &summary)).collect();
        let skipped: Vec<Value> = self
            .skipped
            .iter()
            .map(|SkippedImage { image, reason, .. }| json!({ "image": image, "reason": reason }))
            .collect();
        json!({ "command": "eval", "evaluation": identity, "sets": sets, "skipped": skipped })
    }

    fn json_of_set(&self, set: usize, name: &str, summary: &Summary) -> Value {
        let estimates = self.measures.all.iter().zip(&summary.estimates);
        let estimates: Map<String, Value> =
            estimates.map(|(measure, estimate)| (measure.name(), json!(estimate))).collect();
        let units: Vec<Value> =
            self.rows.iter().filter(|row| row.set == set).map(|row| self.json_of_unit(row)).collect();
        json!({ "set": name, "pictures": summary.pictures, "measures": estimates, "units": units })
    }

    fn json_of_unit(&self, row: &Row) -> Value {
        let unit = &self.units.all[row.unit];
        let values = self.measures.all.iter().zip(&row.values);
        let values: Map<String, Value> =
            values.map(|(measure, value)| (measure.name(), json!(value))).collect();
        let layers = self.measures.layers.iter().zip(&row.similarities);
        let layers: Map<String, Value> =
            layers.map(|(layer, similarity)| (layer.clone(), json!(similarity))).collect();
        let pictures: Vec<&str> =
            row.pictures.iter().map(|at| self.pictures.all[*at].name.as_str()).collect();
        let class = self.witness.and_then(|(witness, seen)| Some(witness.class(seen.classes[row.unit]?)));
        json!({
            "layer": unit.tap.name,
            "channel": unit.channel,
            "pictures": pictures,
            "references": row.references,
            "measures": values,
            "layers": layers,
            "witness_class": class,
        })
    }
}

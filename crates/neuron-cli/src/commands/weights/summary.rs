//! What a weights file holds, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use neuron_data::Preprocessing;
use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Weights};
use serde::Serialize;

use crate::outcome::{Outcome, describe};
use crate::output;
use crate::preprocessing::Known;

/// What a weights file holds.
#[derive(Serialize)]
pub(super) struct Summary {
    path: PathBuf,
    sha256: Option<String>,
    parameters: usize,
    /// Architectures whose tensors these are.
    fits: Vec<&'static str>,
    /// Their layers that are left out because the file does not hold them.
    absent: Vec<String>,
    /// Whether they were made for grey images.
    for_grey_images: bool,
    /// The names that lead to the tensors in the file, joined by dots.
    dictionary: String,
    /// What was dropped from the start of their names.
    prefix: String,
    /// Words of torch's wrappers that were dropped from inside names.
    wrappers: BTreeSet<String>,
    /// Entries that an older version named otherwise.
    renamed: usize,
    /// Other places of which `--weights-key` takes one.
    others: Vec<String>,
    /// Tensors of the file that were not taken, by group.
    passed_over: BTreeMap<String, usize>,
    preprocessing: Described,
    metadata: BTreeMap<String, String>,
    pub(super) tensors: Vec<TensorSummary>,
    left_out: BTreeMap<String, String>,
}

/// The preprocessing that commands use with these weights.
#[derive(Serialize)]
struct Described {
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Preprocessing>,
    /// The file beside the weights that says what their metadata do not.
    configuration: Option<PathBuf>,
    /// What neither says: ImageNet's is assumed.
    assumed: Vec<&'static str>,
    /// Why commands will not use these weights as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    told: Option<String>,
}

#[derive(Serialize)]
pub(super) struct TensorSummary {
    name: String,
    shape: Vec<usize>,
}

impl Summary {
    pub(super) fn new(path: &Path, weights: &Weights) -> Self {
        let summary = |(name, tensor): (&str, &WeightTensor)| TensorSummary {
            name: name.to_owned(),
            shape: tensor.shape.clone(),
        };
        let (mut fits, mut absent) = (Vec::new(), Vec::new());
        let mut of_grey = None;
        for architecture in Architecture::all() {
            let read = architecture.in_colours(weights);
            if let Ok(fit) = architecture.fit_only(&read) {
                fits.push(architecture.name());
                absent = fit.graph.absent().iter().map(|absent| absent.name.clone()).collect();
                of_grey = Some(read).filter(Weights::reads_luminance);
            }
        }
        let origin = weights.origin().clone();
        Self {
            path: path.to_owned(),
            sha256: weights.sha256().map(str::to_owned),
            parameters: weights.iter().map(|(_, tensor)| tensor.data.len()).sum(),
            fits,
            absent,
            dictionary: origin.dictionary,
            prefix: origin.prefix,
            wrappers: origin.wrappers,
            renamed: origin.renamed,
            others: origin.others,
            passed_over: origin.passed_over,
            for_grey_images: of_grey.is_some(),
            preprocessing: Described::of(path, of_grey.as_ref().unwrap_or(weights)),
            metadata: weights.metadata().clone(),
            tensors: weights.iter().map(summary).collect(),
            left_out: weights.left_out().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
        }
    }

    pub(super) fn print_json(&self) -> anyhow::Result<Outcome> {
        output::print(&format!("{}\n", serde_json::to_string_pretty(self)?))?;
        Ok(Outcome::Done)
    }

    /// Names and metadata come from the file: their control characters are not for the terminal.
    pub(super) fn print_table(&self) -> anyhow::Result<Outcome> {
        let mut text = String::new();
        let fits =
            if self.fits.is_empty() { "no known architecture".to_owned() } else { self.fits.join(", ") };
        let without = if self.absent.is_empty() {
            String::new()
        } else {
            format!(" (without {})", self.absent.join(", "))
        };
        let grey = if self.for_grey_images { ", for grey images" } else { "" };
        writeln!(text, "{}", self.path.display())?;
        writeln!(text, "fits        {fits}{without}{grey}")?;
        writeln!(text, "tensors     {} ({} parameters)", self.tensors.len(), self.parameters)?;
        if let Some(sha256) = &self.sha256 {
            writeln!(text, "sha256      {sha256}")?;
        }
        self.write_origin(&mut text)?;
        if let Some(told) = self.preprocessing.error.as_ref().or(self.preprocessing.told.as_ref()) {
            writeln!(text, "note        {}", without_controls(told))?;
        }
        for (key, value) in &self.metadata {
            writeln!(text, "metadata    {} = {}", key.escape_debug(), value.escape_debug())?;
        }
        let width = self.tensors.iter().map(|tensor| tensor.name.escape_debug().count()).max().unwrap_or(0);
        for TensorSummary { name, shape } in &self.tensors {
            let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
            writeln!(text, "  {:width$}  {}", name.escape_debug().to_string(), axes.join(" x "))?;
        }
        for (name, kind) in &self.left_out {
            writeln!(text, "left out    {} ({})", name.escape_debug(), kind.escape_debug())?;
        }
        output::print(&text)?;
        Ok(Outcome::Done)
    }

    /// Where in the file the tensors are, and what else there is.
    fn write_origin(&self, text: &mut String) -> std::fmt::Result {
        if !self.dictionary.is_empty() {
            writeln!(text, "taken from  {}", self.dictionary.escape_debug())?;
        }
        if !self.prefix.is_empty() {
            writeln!(text, "dropped     {} before every name", self.prefix.escape_debug())?;
        }
        for word in &self.wrappers {
            writeln!(text, "dropped     {word} inside names")?;
        }
        if self.renamed > 0 {
            writeln!(text, "renamed     {} entries from the names of older versions", self.renamed)?;
        }
        for other in &self.others {
            writeln!(text, "also holds  {} (--weights-key selects it)", other.escape_debug())?;
        }
        for (name, tensors) in &self.passed_over {
            let plural = if *tensors == 1 { "tensor" } else { "tensors" };
            writeln!(text, "ignored     {} ({tensors} {plural})", name.escape_debug())?;
        }
        Ok(())
    }
}

/// A text with its control characters escaped, and nothing else.
fn without_controls(text: &str) -> String {
    let escaped = |letter: char| match letter {
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(escaped).collect()
}

impl Described {
    fn of(path: &Path, weights: &Weights) -> Self {
        match Known::of(weights) {
            Ok(known) => Self {
                told: known.told(path),
                values: Some(known.preprocessing),
                configuration: known.configuration,
                assumed: known.assumed,
                error: None,
            },
            Err(error) => Self {
                values: None,
                configuration: None,
                assumed: Vec::new(),
                error: Some(describe(&error)),
                told: None,
            },
        }
    }
}

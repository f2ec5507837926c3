//! Weights files as the commands open them: what of a file was taken, and what of it is not used, is said.

use std::fmt::Write;
use std::path::Path;

use neuron_model::weights::Origin;
use neuron_model::{Architecture, Fit, ModelError, Weights};

use crate::clip_config;
use crate::global::Global;

/// Groups of tensors, and tensors, that are spelled out in one line.
const SPELLED_OUT: usize = 6;

impl Global {
    /// Opens a weights file, for a network where that is known; says what of the file was taken if there was a choice.
    ///
    /// # Errors
    /// Those of [`Architecture::open`].
    pub(crate) fn open_weights(
        &self,
        path: &Path,
        architecture: Option<&Architecture>,
    ) -> Result<Weights, ModelError> {
        let weights = match (architecture, self.weights_key.as_deref()) {
            (Some(architecture), key) => architecture.open(path, key)?,
            (None, Some(key)) => Weights::open_key(path, key)?,
            (None, None) => Weights::open(path)?,
        };
        let Origin { dictionary, prefix, wrappers, renamed, others, passed_over } = weights.origin();
        let usual = prefix.is_empty() && wrappers.is_empty() && others.is_empty() && passed_over.is_empty();
        if !(usual && dictionary.is_empty() && *renamed == 0) {
            self.say(u8::from(usual), || format!("{}: {}", path.display(), taken(weights.origin())));
        }
        let told = clip_config::beside(path);
        let weights = if told.is_empty() { weights } else { weights.told_beside(told) };
        if let Some(assumed) =
            architecture.and_then(|architecture| clip_config::assumed(architecture, &weights))
        {
            self.say(0, || format!("{}: {assumed}", path.display()));
        }
        Ok(weights)
    }

    /// Checks that these are weights of the network; says what of them it does not use.
    ///
    /// # Errors
    /// Those of [`Architecture::fit`].
    pub(crate) fn fit(&self, architecture: &Architecture, weights: &Weights) -> Result<Fit, ModelError> {
        let fit = architecture.fit(weights)?;
        let absent = fit.graph.absent().iter().map(|absent| {
            format!(
                "the weights hold no {}: layer {} is left out",
                absent.missing.join(" and no "),
                absent.name
            )
        });
        let unused: Vec<String> = fit.unused.iter().map(|name| name.escape_debug().to_string()).collect();
        let unused = (!unused.is_empty()).then(|| format!("not used: {}", listed(unused)));
        let parts: Vec<String> = absent.chain(unused).collect();
        if !parts.is_empty() {
            self.say(0, || parts.join("; "));
        }
        Ok(fit)
    }
}

/// What was taken of a file. Names come from the file: their control characters are not for the terminal.
fn taken(origin: &Origin) -> String {
    let Origin { dictionary, prefix, wrappers, renamed, others, passed_over } = origin;
    let mut text = "took the tensors".to_owned();
    // Writing to a String cannot fail.
    if !dictionary.is_empty() {
        let _ = write!(text, " under {}", dictionary.escape_debug());
    }
    if !prefix.is_empty() {
        let _ = write!(text, ", without {} before their names", prefix.escape_debug());
    }
    if !wrappers.is_empty() {
        let words: Vec<&str> = wrappers.iter().map(String::as_str).collect();
        let _ = write!(text, ", without {} inside their names", words.join(", "));
    }
    if *renamed > 0 {
        let _ = write!(text, ", {renamed} of them renamed from older versions");
    }
    let groups = passed_over.iter().map(|(name, tensors)| {
        let name = name.escape_debug();
        if *tensors == 1 { name.to_string() } else { format!("{name} ({tensors} tensors)") }
    });
    if !passed_over.is_empty() {
        let _ = write!(text, "; ignored: {}", listed(groups.collect()));
    }
    if !others.is_empty() {
        let others = others.iter().map(|name| name.escape_debug().to_string()).collect();
        let _ = write!(text, "; --weights-key selects another: {}", listed(others));
    }
    text
}

/// The first of some names, and how many more there are.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(SPELLED_OUT);
    names.truncate(SPELLED_OUT);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

//! What went wrong in a run, with the names of the images.

use anyhow::anyhow;
use neuron_fvis::FvisError;
use neuron_model::Cause;

use super::report::Report;
use super::results::Results;
use crate::not_finite;

/// Why steps could not be taken. Where no step can ever be taken from here, the checkpoint goes as well: it would only
/// be in the way of the next run.
pub(super) fn of_run(error: anyhow::Error, report: &Report<'_>, results: &Results<'_>) -> anyhow::Error {
    let (told, hopeless) = match error.downcast::<FvisError>() {
        Ok(FvisError::Reference { channel, reference, source }) => {
            let name = |_| {
                let unit = report.subjects.iter().position(|subject| subject.channel == channel);
                let names = unit.and_then(|unit| report.references.get(unit));
                let name = names.and_then(|references| references.names().get(reference));
                name.cloned().unwrap_or_else(|| format!("reference {reference}"))
            };
            (not_finite::named(source, name), true)
        }
        Ok(FvisError::Diverged { tap, channel, step }) => {
            let told = match report.network.weights().cause_of_not_finite() {
                // The weights are sound: it is the settings.
                Cause::Overflow => FvisError::Diverged { tap, channel, step }.into(),
                cause => {
                    anyhow!("the loss of unit {tap}:{channel} is not finite at step {step}; {cause}")
                }
            };
            (told, true)
        }
        Ok(error) => (error.into(), false),
        Err(error) => (error, false),
    };
    if hopeless {
        // The first error is the one to report.
        let _ = results.remove_checkpoint();
    }
    told
}

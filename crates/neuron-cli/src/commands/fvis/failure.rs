//! What went wrong in a run, in the words of the command line.

use anyhow::anyhow;
use neuron_fvis::FvisError;
use neuron_model::Cause;

use super::Run;
use crate::not_finite;
use crate::outcome::WrongUsage;

/// The flags that set what the library calls by the names of its fields.
const FLAGS: [(&str, &str); 9] = [
    ("jitter_px", "--jitter"),
    ("learning_rate", "--lr"),
    ("feature_weight", "--feat-dist"),
    ("tv_l1", "--tv-l1"),
    ("tv_l2", "--tv-l2"),
    ("l2", "--l2"),
    ("copies", "--bs"),
    ("id", "--setting-id"),
    ("steps", "--epochs"),
];

/// A setting that cannot be used is a flag that was typed wrong; the start has a flag as well.
pub(super) fn told(error: FvisError) -> anyhow::Error {
    match error {
        FvisError::Setting { setting, value, expected } => {
            let flag = FLAGS.iter().find(|(name, _)| *name == setting).map_or(setting, |(_, flag)| flag);
            WrongUsage(format!("{flag} is {value}; expected {expected}")).into()
        }
        error @ FvisError::StartNotFinite { .. } => {
            anyhow::Error::from(error).context("--start cannot be used")
        }
        error => error.into(),
    }
}

/// Why steps could not be taken. Where no step can ever be taken from here, the checkpoint goes as well: it would only
/// be in the way of the next run.
pub(super) fn of_run(error: anyhow::Error, run: &Run<'_>) -> anyhow::Error {
    let Run { channels, results, report, .. } = *run;
    let (told, hopeless) = match error.downcast::<FvisError>() {
        Ok(FvisError::Reference { channel, reference, source }) => {
            let name = |_| {
                let unit = channels.iter().position(|of_unit| *of_unit == channel);
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
                    anyhow!("the loss of unit {tap}:{channel} is no finite number at step {step}; {cause}")
                }
            };
            (told, true)
        }
        Ok(error) => (told(error), false),
        Err(error) => (error, false),
    };
    if hopeless {
        // The first error is the one to report.
        let _ = results.remove_checkpoint();
    }
    told
}

#[cfg(test)]
mod tests {
    use neuron_fvis::Schedule;

    use super::*;

    #[test]
    fn settings_are_told_by_their_flags() {
        let told = |error: FvisError| told(error).to_string();
        let of_schedule = |id, epochs| told(Schedule::from_setting(id, epochs, 1).unwrap_err());
        assert_eq!(of_schedule(3, 1), "--setting-id is 3; expected 0, 1 or 2");
        assert_eq!(of_schedule(1, 0), "--epochs is 0; expected at least 1");
        let start = told(FvisError::StartNotFinite { place: 3, value: f32::NAN });
        assert!(start.starts_with("--start"), "{start}");
    }
}

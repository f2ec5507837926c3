//! How a command ended, as exit codes.

use std::process::ExitCode;

use neuron_model::ModelError;
use neuron_patches::PatchError;

use crate::way_out;

/// What the exit codes mean, for the reference of the commands.
pub(crate) const EXIT_CODES: [(u8, &str); 5] = [
    (0, "done"),
    (1, "failed"),
    (
        2,
        "wrong usage: the command line, a configuration file, or a layer, channel or network that is not there",
    ),
    (3, "done, but some inputs could not be used; `skipped.tsv` lists them (0 with `--accept-skipped`)"),
    (130, "stopped by a signal, after a checkpoint where the command writes one"),
];

/// A command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// Done, but some inputs were skipped; the report lists them.
    Skipped,
    /// Stopped by a signal after a checkpoint.
    Interrupted,
}

impl Outcome {
    /// Done, or done with gaps.
    pub(crate) fn with_skipped(skipped: usize) -> Self {
        if skipped == 0 { Self::Done } else { Self::Skipped }
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Skipped => 3,
            Self::Interrupted => 130,
        })
    }
}

/// Something that can be known to be wrong from the command line alone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUsage(pub(crate) String);

/// 2 for wrong usage, 1 for everything else that fails.
pub(crate) fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    let wrong_usage = error.chain().any(|cause| {
        cause.is::<WrongUsage>()
            || way_out::is_wrong_flag(cause)
            || matches!(
                cause.downcast_ref(),
                Some(
                    ModelError::UnknownArchitecture { .. }
                        | ModelError::UnknownTap { .. }
                        | ModelError::AmbiguousTap { .. }
                        | ModelError::AbsentTap { .. }
                        | ModelError::UnknownKey { .. }
                        | ModelError::UnknownChannel { .. }
                        | ModelError::ImageTooSmall { .. }
                )
            )
            || matches!(cause.downcast_ref(), Some(PatchError::LargerThanCrop { .. }))
    });
    ExitCode::from(if wrong_usage { 2 } else { 1 })
}

/// What went wrong and why, each cause once: some errors say what caused them, others leave it to their source.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(way_out::told) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_named_once() {
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let says_it = neuron_data::read_rgb8(std::path::Path::new("none/photo.jpg"), &Default::default());
        let described = describe(&says_it.unwrap_err().into());
        assert_eq!(described.matches("cannot read the file").count(), 1, "{described}");
        let quiet = Err::<(), _>(missing()).context("cannot read the list").unwrap_err();
        assert_eq!(describe(&quiet), "cannot read the list: no such file");
    }
}

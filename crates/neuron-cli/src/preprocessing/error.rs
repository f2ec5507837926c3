use std::io;
use std::path::PathBuf;

/// How to go on with a configuration beside the weights that is of no use.
const WAY_OUT: &str = "move it away, or note the preprocessing in the weights: `neuron weights convert` with \
                       --metadata resize=256 --metadata crop=224 and so on";

/// Why a configuration beside the weights is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigurationError {
    #[error("cannot read {}; {WAY_OUT}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is damaged or not what its name says; {WAY_OUT}", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{} wants {what}, which is not supported; {WAY_OUT}", path.display())]
    Unsupported { path: PathBuf, what: String },
}

/// What is wrong with the values of a configuration.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A value of another type than it should have.
    Type(serde_json::Error),
    /// Something that cannot be done here.
    Unsupported(String),
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::Type(error)
    }
}

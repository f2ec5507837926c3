use std::io;
use std::path::PathBuf;

use neuron_data::DataError;

/// How to go on with a configuration beside the weights that is of no use.
const WAY_OUT: &str = "move it away, or record the whole preprocessing in the weights: `neuron weights convert` with \
                       --metadata resize=256 --metadata crop=224 --metadata interpolation=bilinear \
                       --metadata mean=0.485,0.456,0.406 --metadata std=0.229,0.224,0.225";

/// Why a configuration beside the weights is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigurationError {
    #[error("cannot read {}; {WAY_OUT}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is damaged or not what its name says; {WAY_OUT}", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{} asks for {what}, which is not supported; {WAY_OUT}", path.display())]
    Unsupported { path: PathBuf, what: String },
}

/// What is wrong with the values of a configuration.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A value of another type than it should have.
    Type(serde_json::Error),
    /// Something that cannot be done here.
    Unsupported(String),
    /// It is not what its name says.
    Foreign,
}

/// Values of a configuration are read like those of metadata, but are none: whoever reads this has no metadata to mend.
impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        Self::Unsupported(match error {
            DataError::Metadata { key, value, expected } => format!("{key} {value} (not {expected})"),
            other => other.to_string(),
        })
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::Type(error)
    }
}

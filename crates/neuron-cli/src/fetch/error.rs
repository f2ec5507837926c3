use std::fmt;
use std::io;
use std::path::PathBuf;

use neuron_data::DataError;
use neuron_model::ModelError;

/// Why weights could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    #[error("no place for fetched weights: set HF_HOME to a folder")]
    NoHome,
    #[error(
        "HF_HUB_OFFLINE is set, so the network is not used, and {} is not there; \
         unset it, or pass --weights FILE instead of fetching {name}",
        place.display()
    )]
    Offline { name: String, place: PathBuf },
    #[error("cannot reach {url}; check the connection, {variable} and the proxy")]
    Connect { url: String, variable: &'static str, source: Box<ureq::Error> },
    #[error("{url} does not exist (status 404)")]
    NotFound { url: String },
    #[error("{url} was refused (status {status}): {if_refused}")]
    Refused { url: String, status: u16, if_refused: &'static str },
    #[error("{url} was answered with status {status}; try again later")]
    Status { url: String, status: u16 },
    #[error("{url} redirects too often, or to no address")]
    Redirect { url: String },
    #[error("the hub did not state the size and the SHA-256 of {url}, so the download could not be verified")]
    Unverifiable { url: String },
    #[error("{url} ended early, after {received} of {expected} bytes; nothing was kept, try again")]
    Truncated { url: String, received: u64, expected: u64 },
    #[error("{url} is longer than the limit of {limit} bytes")]
    TooLong { url: String, limit: u64 },
    #[error("cannot read the response to {url}")]
    Read { url: String, source: io::Error },
    #[error("{url} has SHA-256 {found} instead of {}; nothing was kept, try again", Wanted(wanted))]
    Hash { url: String, found: String, wanted: String },
    #[error("{url} is not a configuration of timm or transformers with the whole preprocessing")]
    Config { url: String, source: serde_json::Error },
    #[error("{url} asks for {what}, which is not supported")]
    UnsupportedConfig { url: String, what: String },
    #[error("{url} describes a preprocessing that is not supported")]
    Preprocessing { url: String, source: Box<DataError> },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("interrupted; nothing was kept")]
    Interrupted,
    #[error(transparent)]
    Weights(#[from] ModelError),
}

/// A SHA-256, or the first digits of it.
struct Wanted<'a>(&'a str);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() < 64 {
            f.write_str("one that begins with ")?;
        }
        f.write_str(self.0)
    }
}

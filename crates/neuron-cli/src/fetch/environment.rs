//! What the environment says of the network, and of the place for what was fetched.

use std::env;
use std::path::PathBuf;

use super::error::FetchError;

/// Names another server for the files of the Hub.
pub(super) const HUB: &str = "HF_ENDPOINT";
/// Names another server for torchvision's files: a mirror.
pub(super) const TORCHVISION: &str = "NEURON_TORCHVISION_ENDPOINT";

/// Servers, and the place for what was fetched, as the environment names them.
pub(crate) struct Environment {
    /// Without a slash at its end.
    pub(super) hub: Option<String>,
    /// Goes to the Hub and nowhere else.
    pub(super) token: Option<String>,
    /// Without a slash at its end.
    pub(super) torchvision: Option<String>,
    /// Whether nothing may be asked of the network.
    pub(super) offline: bool,
    home: PathBuf,
}

impl Environment {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN`, `NEURON_TORCHVISION_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HOME`.
    ///
    /// # Errors
    /// [`FetchError::NoHome`] if neither `HF_HOME` nor a home folder is known.
    pub(crate) fn from_env() -> Result<Self, FetchError> {
        let text = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = || folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
        let home = folder("HF_HOME").or_else(|| cache().map(|cache| cache.join("huggingface")));
        let endpoint = |name| text(name).map(|endpoint| endpoint.trim().trim_end_matches('/').to_owned());
        Ok(Self {
            hub: endpoint(HUB),
            token: text("HF_TOKEN").map(|token| token.trim().to_owned()),
            torchvision: endpoint(TORCHVISION),
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            home: home.ok_or(FetchError::NoHome)?,
        })
    }

    /// The folder of all that was fetched.
    pub(super) fn folder(&self) -> PathBuf {
        self.home.join("neuron")
    }

    /// Where weights lie once they are fetched.
    pub(super) fn place(&self, stem: &str) -> PathBuf {
        self.folder().join(format!("{stem}.safetensors"))
    }
}

/// What the hub's own library takes for true.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())
}

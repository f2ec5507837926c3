//! Weights from the Hugging Face Hub: the network's family knows the repository, which also says their preprocessing.
//!
//! A fetched file lies at `<HF_HOME>/neuron/<arch>.safetensors`. It is put there only when its size and its SHA-256
//! are those that the hub announced and its tensors are those of the architecture; what a broken download leaves
//! behind is removed, never resumed.

mod download;
mod error;
mod timm_config;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use neuron_data::Preprocessing;
use neuron_model::Architecture;

use self::download::Connection;
pub(crate) use self::error::HubError;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// A configuration longer than this is something else.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The weights of `arch` that were fetched before, if any were.
pub(crate) fn fetched(arch: &str) -> Option<PathBuf> {
    let place = Hub::from_env().ok()?.place(arch);
    place.is_file().then_some(place)
}

/// The hub and the place for what was fetched, as the environment names them.
pub(crate) struct Hub {
    endpoint: String,
    token: Option<String>,
    offline: bool,
    home: PathBuf,
}

impl Hub {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and `HF_HOME`.
    ///
    /// # Errors
    /// [`HubError::NoHome`] if neither `HF_HOME` nor a home folder is known.
    pub(crate) fn from_env() -> Result<Self, HubError> {
        let text = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = || folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
        let home = folder("HF_HOME").or_else(|| cache().map(|cache| cache.join("huggingface")));
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        Ok(Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: text("HF_TOKEN").map(|token| token.trim().to_owned()),
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            home: home.ok_or(HubError::NoHome)?,
        })
    }

    /// Where the weights of `arch` lie once they are fetched.
    pub(crate) fn place(&self, arch: &str) -> PathBuf {
        self.home.join("neuron").join(format!("{arch}.safetensors"))
    }

    /// Fetches the weights of `arch`, checks them and puts them in their place.
    ///
    /// `progress` hears the number of bytes that are there and of all.
    ///
    /// # Errors
    /// [`HubError::Offline`] before anything is asked of the network if that is forbidden; otherwise whatever is
    /// wrong with the connection, the answers or the weights.
    pub(crate) fn fetch(&self, arch: &str, progress: &mut dyn FnMut(u64, u64)) -> Result<PathBuf, HubError> {
        let architecture = Architecture::from_name(arch)?;
        let place = self.place(arch);
        if self.offline {
            return Err(HubError::Offline { arch: arch.to_owned(), place });
        }
        let repository = architecture.hub_repository();
        let url = |file: &str| format!("{}/{repository}/resolve/main/{file}", self.endpoint);
        let connection = Connection::new(&self.endpoint, self.token.as_deref());

        let config_url = url("config.json");
        let config = connection.small_file(&config_url, MAX_CONFIG_BYTES)?;
        let mut metadata = timm_config::metadata(&config, &config_url)?;
        Preprocessing::from_metadata(&metadata)
            .map_err(|source| HubError::Preprocessing { url: config_url, source: source.into() })?;

        let folder = place.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|source| HubError::Write { path: folder.to_owned(), source })?;
        // What a killed download left there is overwritten: nobody else writes it meanwhile.
        let part = Part(folder.join(format!(".{arch}.download.part")));
        let sha256 = connection.verified_file(&url("model.safetensors"), &part.0, progress)?;
        let fetched = architecture.open(&part.0, None)?;
        architecture.fit(&fetched)?;
        metadata.insert("arch".to_owned(), arch.to_owned());
        metadata.insert("source".to_owned(), format!("{repository} (sha256 {sha256})"));
        fetched.with_metadata(merged(fetched.metadata(), metadata)).save(&place)?;
        Ok(place)
    }
}

/// What the file said of itself, with what is known better.
fn merged(own: &BTreeMap<String, String>, better: BTreeMap<String, String>) -> BTreeMap<String, String> {
    own.clone().into_iter().chain(better).collect()
}

/// A file that is removed when it is no longer needed, however that comes about.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // It may never have been made; and what made it unnecessary is reported elsewhere.
        let _ = fs::remove_file(&self.0);
    }
}

/// What the hub's own library takes for true.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())
}

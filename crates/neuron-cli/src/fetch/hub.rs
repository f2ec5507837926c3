//! The Hugging Face Hub: the network's family knows the repository, which also says the preprocessing.

use neuron_data::Preprocessing;
use neuron_model::Architecture;

use super::download::{Connection, Proof, Server};
use super::environment::{self, Environment};
use super::error::FetchError;
use super::hub_config;
use super::offer::Offer;

const ENDPOINT: &str = "https://huggingface.co";

/// The weights in a repository of timm or transformers.
pub(super) const FILE: &str = "model.safetensors";

/// The weights in a repository of transformers that is older than safetensors.
const OLD_FILE: &str = "pytorch_model.bin";

/// A configuration longer than this is something else.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The address of a file in the repository of a network.
pub(super) fn url(architecture: &Architecture, environment: &Environment, file: &str) -> String {
    format!("{}/{}/resolve/main/{file}", endpoint(environment), repository(architecture))
}

/// Asks the Hub for the preprocessing of a network's weights.
///
/// # Errors
/// If it has none, or one that is not supported.
pub(super) fn offer<'e>(
    architecture: &Architecture,
    environment: &'e Environment,
) -> Result<Offer<'e>, FetchError> {
    let connection = Connection::new(Server {
        endpoint: endpoint(environment),
        token: environment.token.as_deref(),
        variable: environment::HUB,
        if_refused: "it does not exist, or it needs a token with read access (HF_TOKEN)",
    });
    let config_url = url(architecture, environment, "config.json");
    let config = connection.small_file(&config_url, MAX_CONFIG_BYTES)?;
    let metadata = hub_config::metadata((&config, &config_url), || {
        let url = url(architecture, environment, "preprocessor_config.json");
        Ok((connection.small_file(&url, MAX_CONFIG_BYTES)?, url))
    })?;
    Preprocessing::from_metadata(&metadata)
        .map_err(|source| FetchError::Preprocessing { url: config_url, source: source.into() })?;
    Ok(Offer {
        connection,
        url: url(architecture, environment, FILE),
        otherwise: Some(url(architecture, environment, OLD_FILE)),
        proof: Proof::Announced,
        metadata,
        origin: repository(architecture),
    })
}

/// Only networks that have one are asked for here.
fn repository(architecture: &Architecture) -> String {
    architecture.hub_repository().expect("a request names the Hub only where the family knows a repository")
}

fn endpoint(environment: &Environment) -> &str {
    environment.hub.as_deref().unwrap_or(ENDPOINT)
}

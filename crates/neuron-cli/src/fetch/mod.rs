//! Weights from the network: torchvision's own files, or those of the Hugging Face Hub.
//!
//! A fetched file lies in `<HF_HOME>/neuron`: torchvision's default set at `<arch>.safetensors`, where every command finds
//! it, any other set beside it under its own name. It is put there only when its bytes are those that its source
//! promised and its tensors are those of the architecture; what a broken download leaves behind is removed, never
//! resumed.
//!
//! [`request`] says what can be asked for, [`environment`] where things lie, a file for each source what is to be
//! downloaded, and [`download`] does it.

mod download;
mod environment;
mod error;
mod hub;
mod hub_config;
mod offer;
mod request;
mod torchvision;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_model::{Architecture, Weights};

pub(crate) use self::environment::Environment;
pub(crate) use self::error::FetchError;
use self::offer::Offer;
pub(crate) use self::request::Request;
use self::request::Source;
use crate::interrupt;
use crate::outcome::WrongUsage;

/// The side of the images that torchvision's weights of a network are for, in pixels; `None` if it has none.
pub(crate) fn usual_crop(arch: &str) -> Option<usize> {
    let default = torchvision::sets(arch).find(|set| set.is_default)?;
    default.metadata().get("crop")?.parse().ok()
}

/// Whether torchvision or the Hub is known to have weights of `arch`.
pub(crate) fn is_published(arch: &str) -> bool {
    let on_hub = |known: Architecture| known.hub_repository().is_some();
    torchvision::has(arch) || Architecture::from_name(arch).is_ok_and(on_hub)
}

/// The default weights of `arch`, if they were fetched before.
pub(crate) fn fetched(arch: &str) -> Option<PathBuf> {
    let place = Environment::from_env().ok()?.place(arch);
    place.is_file().then_some(place)
}

/// What was fetched for `arch` beside the default, as it is asked for.
pub(crate) fn others(arch: &str) -> Vec<String> {
    let Ok(environment) = Environment::from_env() else { return Vec::new() };
    let requests = Request::all(arch).filter(|request| place(request, &environment).is_file());
    requests.map(|request| request.to_string()).collect()
}

/// The file that `--weights` means: a path, or fetched weights by the name under which they were asked for.
///
/// # Errors
/// [`WrongUsage`] if it is such a name, and nobody has such weights or they were not fetched.
pub(crate) fn named(weights: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = weights.to_str().filter(|name| !weights.exists() && request::is_name(name)) else {
        return Ok(weights.to_owned());
    };
    let place = place(&Request::parse(name)?, &Environment::from_env()?);
    if !place.is_file() {
        let message = format!(
            "{name} was not fetched: {} is not there; run `neuron weights fetch {name}`",
            place.display()
        );
        return Err(WrongUsage(message).into());
    }
    Ok(place)
}

/// Whether what was asked for is there already.
///
/// # Errors
/// If other weights lie in its place, or no whole file does.
pub(crate) fn is_there(request: &Request, place: &Path) -> anyhow::Result<bool> {
    if !place.is_file() {
        return Ok(false);
    }
    let unusable = || format!("{} is of no use; pass --overwrite to fetch it again", place.display());
    let weights = Weights::open(place).with_context(unusable)?;
    if !request.is_told_by(weights.metadata()) {
        let source = weights.metadata().get("source").map_or("an unknown source", String::as_str);
        bail!(
            "{} holds other weights than {request}, from {}; pass --overwrite to replace them",
            place.display(),
            source.escape_debug()
        );
    }
    Ok(true)
}

/// Where weights lie once they are fetched.
pub(crate) fn place(request: &Request, environment: &Environment) -> PathBuf {
    environment.place(&request.stem())
}

/// The address of the file with the weights.
pub(crate) fn address(request: &Request, environment: &Environment) -> String {
    match request.source {
        Source::Torchvision(set) => torchvision::url(set, environment),
        Source::Hub => hub::url(&request.architecture, environment, hub::FILE),
    }
}

/// Fetches weights, checks them and puts them in their place.
///
/// `progress` hears the number of bytes that are there and of all.
///
/// # Errors
/// [`FetchError::Offline`] before anything is asked of the network if that is forbidden; otherwise whatever is wrong
/// with the connection, the answers or the weights.
pub(crate) fn fetch(
    request: &Request,
    environment: &Environment,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, FetchError> {
    let architecture = &request.architecture;
    let place = place(request, environment);
    if environment.offline {
        return Err(FetchError::Offline { name: request.to_string(), place });
    }
    let Offer { connection, url, otherwise, proof, mut metadata, origin } = match request.source {
        Source::Torchvision(set) => torchvision::offer(set, environment),
        Source::Hub => hub::offer(architecture, environment)?,
    };
    let response = match (connection.get(&url), otherwise) {
        (Err(FetchError::NotFound { .. }), Some(otherwise)) => connection.get(&otherwise)?,
        (response, _) => response?,
    };
    // From here on there is something to remove.
    let _caught = interrupt::caught();
    let folder = environment.folder();
    fs::create_dir_all(&folder).map_err(|source| FetchError::Write { path: folder.clone(), source })?;
    // What a killed download left there is overwritten: nobody else writes it meanwhile.
    let part = Part(folder.join(format!(".{}.download.part", request.stem())));
    let sha256 = response.save(&part.0, &proof, progress)?;
    let fetched = architecture.open(&part.0, None)?;
    architecture.fit(&fetched)?;
    if interrupt::requested() {
        return Err(FetchError::Interrupted);
    }
    metadata.insert("arch".to_owned(), architecture.name().to_owned());
    metadata.insert("source".to_owned(), format!("{origin} (sha256 {sha256})"));
    fetched.with_metadata(merged(fetched.metadata(), metadata)).save(&place)?;
    Ok(place)
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

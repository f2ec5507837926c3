//! Data sets of the Hugging Face Hub: `hf://datasets/owner/name[@revision]/path`.
//!
//! The Hub hands files out as a web server does, and lists them by an interface of its own.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use object_store::{ClientOptions, Error, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK};
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use crate::address::Address;
use crate::breaker::Breaker;
use crate::error::StoreError;
use crate::store::{Catalog, Found, Lists, Store};
use crate::{waiting, web};

const SERVER: &str = "https://huggingface.co";
const REVISION: &str = "main";
pub(crate) const ADVICE: &str = "set HF_TOKEN to a token that may read the data set, and accept its conditions on the Hub \
                                 if it has some";
/// Attempts at a page of a list.
const ATTEMPTS: u32 = 4;

/// The files of a repository.
#[derive(Debug)]
pub(crate) struct Tree {
    client: Client,
    /// The address of its root.
    root: String,
    /// What was listed, by path: each file of a folder is looked for in its list.
    known: Mutex<HashMap<String, Vec<Found>>>,
}

/// An entry of a list.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
}

/// The repository with its revision, and the path in it.
pub(crate) fn split(address: &Address<'_>, text: &str) -> Result<(String, String), StoreError> {
    let wrong = || StoreError::Address {
        address: text.into(),
        problem: "the Hub's are like `hf://datasets/owner/name/path` or `hf://datasets/owner/name@revision/path`",
    };
    if address.host != "datasets" {
        return Err(wrong());
    }
    let mut parts = address.key.splitn(3, '/');
    let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if owner.is_empty() || name.is_empty() || name.starts_with('@') {
        return Err(wrong());
    }
    let path = parts.next().unwrap_or_default().trim_matches('/');
    Ok((format!("hf://datasets/{owner}/{name}"), path.to_owned()))
}

pub(crate) fn open(address: &str) -> Result<Store> {
    let repository = address.strip_prefix("hf://").unwrap_or(address);
    let (repository, revision) = repository.split_once('@').unwrap_or((repository, REVISION));
    // A branch may have slashes, which are not those of the path.
    let revision = revision.replace('/', "%2F");
    let text =
        |name| env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let server = text("HF_ENDPOINT").map_or(SERVER.into(), |server| server.trim_end_matches('/').to_owned());
    let headers = headers(text("HF_TOKEN").as_deref())?;
    let mut options = ClientOptions::new().with_default_headers(headers.clone());
    for (key, value) in waiting::settings_of(&server) {
        options = options.with_config(key, value);
    }
    let files = format!("{server}/{repository}/resolve/{revision}");
    let objects = web::builder(&files).with_client_options(options).build()?;
    let client = Client::builder().default_headers(headers).timeout(waiting::timeout()).build();
    let root = format!("{server}/api/{repository}/tree/{revision}");
    let tree = Tree { client: client.map_err(failed)?, root, known: Mutex::default() };
    Ok(Store {
        address: address.into(),
        objects: Arc::new(objects),
        lists: Lists::Catalog(Box::new(tree)),
        advice: ADVICE,
        breaker: Breaker::default(),
    })
}

fn headers(token: Option<&str>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(failed)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

impl Catalog for Tree {
    fn list<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Vec<Found>>> {
        Box::pin(self.below(key))
    }
}

impl Tree {
    /// The files below a path.
    async fn below(&self, path: &str) -> Result<Vec<Found>> {
        if let Some(known) = self.known().get(path) {
            return Ok(known.clone());
        }
        let folder = if path.is_empty() { String::new() } else { format!("/{}", escaped(path)) };
        let mut page = Some(format!("{}{folder}?recursive=true", self.root));
        let mut files = Vec::new();
        while let Some(address) = page {
            let (entries, next) = self.page(&address, path).await?;
            let of_page = entries.into_iter().filter(|entry| entry.kind == "file");
            files.extend(of_page.map(|file| Found { key: file.path.into(), bytes: file.size, tag: None }));
            page = next;
        }
        self.known().insert(path.to_owned(), files.clone());
        Ok(files)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<Found>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of a list, and the address of the next.
    async fn page(&self, address: &str, path: &str) -> Result<(Vec<Entry>, Option<String>)> {
        let mut attempt = 1;
        loop {
            let error = match self.client.get(address).send().await {
                Ok(answer) if answer.status().is_success() => {
                    let next = answer.headers().get(LINK).and_then(|link| next(link.to_str().ok()?));
                    match answer.bytes().await {
                        Ok(text) => return Ok((serde_json::from_slice(&text).map_err(failed)?, next)),
                        Err(error) => failed(error),
                    }
                }
                Ok(answer) => {
                    let status = answer.status();
                    let source = format!("the Hub answers {status}").into();
                    match status {
                        StatusCode::NOT_FOUND => return Err(Error::NotFound { path: path.into(), source }),
                        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                            return Err(Error::PermissionDenied { path: path.into(), source });
                        }
                        _ => Error::Generic { store: "Hub", source },
                    }
                }
                Err(error) => failed(error),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(waiting::retries().backoff.init_backoff * 2u32.pow(attempt)).await;
            attempt += 1;
        }
    }
}

/// The address of the next page in a header: `<address>; rel="next"`.
fn next(link: &str) -> Option<String> {
    link.split(',').find_map(|link| {
        let (address, about) = link.split_once(';')?;
        about.contains("rel=\"next\"").then(|| address.trim().trim_matches(['<', '>']).to_owned())
    })
}

/// A path as a part of an address.
fn escaped(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let escape = |byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(escape).collect()
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "Hub", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_an_owner_a_name_and_perhaps_a_revision() {
        let parts = |text: &str| split(&Address::of(text).unwrap(), text).map_err(|error| error.to_string());
        let expected = |root: &str, key: &str| Ok((root.to_owned(), key.to_owned()));
        assert_eq!(parts("hf://datasets/o/n"), expected("hf://datasets/o/n", ""));
        assert_eq!(
            parts("hf://datasets/o/n@v1/data/a.parquet"),
            expected("hf://datasets/o/n@v1", "data/a.parquet")
        );
        for wrong in ["hf://datasets/o", "hf://o/n/data", "hf://datasets/o/@v"] {
            assert!(parts(wrong).unwrap_err().contains("hf://datasets/owner/name"), "{wrong}");
        }
    }

    #[test]
    fn pages_follow_one_another() {
        let link = "<https://h/a?cursor=x>; rel=\"prev\", <https://h/a?cursor=y>; rel=\"next\"";
        assert_eq!(next(link).as_deref(), Some("https://h/a?cursor=y"));
        assert_eq!(next("<https://h>; rel=\"prev\""), None);
        assert_eq!(escaped("data/a b@é.tar"), "data/a%20b%40%C3%A9.tar");
    }
}

//! One store: requests, and what its errors mean.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};

use crate::breaker::Breaker;
use crate::error::StoreError;

/// Attempts at a range whose body ends too early, where the store does not say what it is of: without that, going on
/// in the middle is not safe.
const ATTEMPTS: usize = 3;

/// What a store says of an object.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: Box<str>,
    pub(crate) bytes: u64,
    /// What tells it from others under its key, if the store says that.
    pub(crate) tag: Option<Box<str>>,
}

/// How a store tells what it holds.
#[derive(Debug)]
pub(crate) enum Lists {
    /// By itself.
    Itself,
    /// By an interface of its own.
    Catalog(Box<dyn Catalog>),
    /// Not at all.
    Nothing,
}

/// An interface that lists what a store holds.
pub(crate) trait Catalog: Debug + Send + Sync {
    /// All objects below a key, in any order.
    fn list<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Vec<Found>, Error>>;
}

/// A bucket, a container, a web server, or a repository of the Hub.
#[derive(Debug)]
pub(crate) struct Store {
    /// What addresses of its objects begin with, without a slash at the end.
    pub(crate) address: String,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) lists: Lists,
    /// Which variables have credentials.
    pub(crate) advice: &'static str,
    pub(crate) breaker: Breaker,
}

impl Store {
    pub(crate) fn address_of(&self, key: &str) -> String {
        if key.is_empty() { self.address.clone() } else { format!("{}/{key}", self.address) }
    }

    /// All objects below a key, in bytewise order of their keys.
    pub(crate) async fn list(&self, key: &str) -> Result<Vec<Found>, StoreError> {
        self.breaker.check(&self.address)?;
        let listed = match &self.lists {
            Lists::Nothing => return Err(StoreError::NoList { address: self.address_of(key) }),
            Lists::Catalog(catalog) => catalog.list(key).await,
            Lists::Itself => self.list_itself(key).await,
        };
        let mut found = listed.map_err(|error| self.error(key, error))?;
        self.breaker.answered();
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn list_itself(&self, key: &str) -> Result<Vec<Found>, Error> {
        let below = (!key.is_empty()).then(|| path(key)).transpose()?;
        let listed = self.objects.list(below.as_ref());
        let found = listed.map_ok(|about| Found {
            key: about.location.as_ref().into(),
            bytes: about.size,
            tag: about.e_tag.map(Into::into),
        });
        found.try_collect().await
    }

    /// What an object is.
    pub(crate) async fn about(&self, key: &str) -> Result<Found, StoreError> {
        if let Lists::Catalog(_) = &self.lists {
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            let found = self.list(folder).await?.into_iter().find(|found| &*found.key == key);
            return found.ok_or_else(|| StoreError::NotFound { address: self.address_of(key) });
        }
        self.breaker.check(&self.address)?;
        let asked = async { self.objects.head(&path(key)?).await };
        let about = asked.await.map_err(|error| self.error(key, error))?;
        self.breaker.answered();
        Ok(Found { key: key.into(), bytes: about.size, tag: about.e_tag.map(Into::into) })
    }

    /// Some bytes of an object, which must be the one that was listed.
    pub(crate) async fn read(&self, known: &Found, range: Range<u64>) -> Result<Bytes, StoreError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: known.tag.as_deref().map(str::to_owned),
            ..GetOptions::default()
        };
        let is_it = |found: &GetResult| match found.meta.size == known.bytes && found.range == range {
            true => Ok(()),
            false => Err(StoreError::Changed { address: self.address_of(&known.key) }),
        };
        self.get(&known.key, options, is_it).await
    }

    /// A whole object that nobody has listed, if it is not larger than the limit.
    pub(crate) async fn read_whole(&self, key: &str, limit: u64) -> Result<Bytes, StoreError> {
        let is_small = |found: &GetResult| match found.meta.size {
            bytes if bytes > limit => {
                Err(StoreError::TooLarge { address: self.address_of(key), bytes, limit })
            }
            _ => Ok(()),
        };
        self.get(key, GetOptions::default(), is_small).await
    }

    /// The bytes of an answer that is `wanted`.
    async fn get(
        &self,
        key: &str,
        options: GetOptions,
        wanted: impl Fn(&GetResult) -> Result<(), StoreError>,
    ) -> Result<Bytes, StoreError> {
        let mut attempt = 1;
        loop {
            self.breaker.check(&self.address)?;
            let asked = async { self.objects.get_opts(&path(key)?, options.clone()).await };
            // What fails before its body was asked for again and again already.
            let found = asked.await.map_err(|error| self.error(key, error))?;
            wanted(&found)?;
            match found.bytes().await {
                Ok(bytes) => {
                    self.breaker.answered();
                    return Ok(bytes);
                }
                Err(error) if attempt == ATTEMPTS => return Err(self.error(key, error)),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Says what an error means, and takes note of it.
    fn error(&self, key: &str, error: Error) -> StoreError {
        let address = self.address_of(key);
        let error = match error {
            Error::NotFound { .. } => StoreError::NotFound { address },
            Error::Precondition { .. } | Error::NotModified { .. } => StoreError::Changed { address },
            Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. } => {
                StoreError::Denied { address, problem: in_one_line(&*source), advice: self.advice }
            }
            Error::InvalidPath { .. } => StoreError::Address {
                address,
                problem: "its key has empty parts, `.`, `..` or control characters",
            },
            Error::Generic { source, .. } => {
                let problem: Arc<str> = in_one_line(&*source).into();
                // Only in the text: lists have no error of their own for that.
                if ["401 Unauthorized", "403 Forbidden"].iter().any(|refusal| problem.contains(refusal)) {
                    self.breaker.answered();
                    return StoreError::Denied { address, problem: problem.to_string(), advice: self.advice };
                }
                self.breaker.failed(&address, &problem);
                return StoreError::Failed { address, problem };
            }
            other => StoreError::Failed { address, problem: in_one_line(&other).into() },
        };
        self.breaker.answered();
        error
    }
}

fn path(key: &str) -> Result<Path, Error> {
    Ok(Path::parse(key)?)
}

/// An error with what it came of, once each: some repeat what they came of.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

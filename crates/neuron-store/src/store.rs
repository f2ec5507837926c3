//! One store: requests, and what its errors mean.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};

use crate::address::Address;
use crate::breaker::Breaker;
use crate::error::StoreError;
use crate::hub::Tree;
use crate::object::Object;
use crate::{runtime, stores};

/// Attempts at a range whose body ends too early, where the store does not say what it is of: without that, going on
/// in the middle is not safe.
const ATTEMPTS: usize = 3;

/// How a store tells what it holds.
#[derive(Debug)]
pub(crate) enum Lists {
    /// By itself.
    Itself,
    /// By the Hub's interface.
    Hub(Tree),
    /// Not at all.
    Nothing,
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

/// The stores that were used, by their addresses: connections are kept.
static STORES: LazyLock<Mutex<HashMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);

impl Store {
    /// The store of an address, and the key there.
    pub(crate) fn of(text: &str) -> Result<(Arc<Self>, String), StoreError> {
        let address = Address::of(text)?;
        let kind = stores::of(&address, text)?;
        let (root, key) = (kind.split)(&address, text)?;
        let mut known = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(&root) {
            return Ok((Arc::clone(store), key));
        }
        runtime::choose_encryption();
        let store = Arc::new((kind.open)(&root).map_err(|error| {
            let problem = match error {
                Error::Generic { source, .. } => in_one_line(&*source),
                other => in_one_line(&other),
            };
            StoreError::Settings { address: text.into(), problem, advice: kind.advice }
        })?);
        known.insert(root, Arc::clone(&store));
        Ok((store, key))
    }

    pub(crate) fn address_of(&self, key: &str) -> String {
        if key.is_empty() { self.address.clone() } else { format!("{}/{key}", self.address) }
    }

    /// All objects below a key, in bytewise order of their keys.
    pub(crate) async fn list(self: &Arc<Self>, key: &str) -> Result<Vec<Object>, StoreError> {
        self.breaker.check(&self.address)?;
        let object = |key: &str, bytes, tag: Option<String>| Object {
            store: Arc::clone(self),
            key: key.into(),
            bytes,
            tag: tag.map(Into::into),
        };
        let mut found: Vec<Object> = match &self.lists {
            Lists::Nothing => return Err(StoreError::NoList { address: self.address_of(key) }),
            Lists::Hub(tree) => {
                let listed = tree.list(key).await.map_err(|error| self.error(key, error))?;
                listed.into_iter().map(|(key, bytes)| object(&key, bytes, None)).collect()
            }
            Lists::Itself => {
                let below = (!key.is_empty()).then(|| path(key)).transpose();
                let below = below.map_err(|error| self.error(key, error))?;
                let listed = self.objects.list(below.as_ref());
                let found = listed.map_ok(|about| object(about.location.as_ref(), about.size, about.e_tag));
                found.try_collect().await.map_err(|error| self.error(key, error))?
            }
        };
        self.breaker.answered();
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// What an object is.
    pub(crate) async fn about(self: &Arc<Self>, key: &str) -> Result<Object, StoreError> {
        self.breaker.check(&self.address)?;
        if let Lists::Hub(_) = &self.lists {
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            let found = self.list(folder).await?.into_iter().find(|object| &*object.key == key);
            return found.ok_or_else(|| StoreError::NotFound { address: self.address_of(key) });
        }
        let asked = async { self.objects.head(&path(key)?).await };
        let about = asked.await.map_err(|error| self.error(key, error))?;
        self.breaker.answered();
        Ok(Object {
            store: Arc::clone(self),
            key: key.into(),
            bytes: about.size,
            tag: about.e_tag.map(Into::into),
        })
    }

    /// Some bytes of an object, which must be the one that was listed.
    pub(crate) async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes, StoreError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: object.tag.as_deref().map(str::to_owned),
            ..GetOptions::default()
        };
        let is_it = |found: &GetResult| match found.meta.size == object.bytes && found.range == range {
            true => Ok(()),
            false => Err(StoreError::Changed { address: object.address() }),
        };
        self.get(&object.key, options, is_it).await
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
fn in_one_line(error: &dyn std::error::Error) -> String {
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

//! Objects as stores list them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::StoreError;
use crate::runtime;
use crate::store::{Found, Store};
use crate::stores;

/// An object of a store, as it was listed.
#[derive(Clone, Debug)]
pub struct Object {
    store: Arc<Store>,
    found: Found,
}

/// Objects that were asked for or [remembered](remember) in this run, by address: the store is asked once. One that
/// changes after that is not read.
static KNOWN: LazyLock<Mutex<HashMap<String, Object>>> = LazyLock::new(Mutex::default);

impl Object {
    /// Where it lies, such as `s3://bucket/key`.
    pub fn address(&self) -> String {
        self.store.address_of(&self.found.key)
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.found.bytes
    }

    /// What tells it from another of the same size that takes its place, if the store says that.
    pub fn tag(&self) -> Option<&str> {
        self.found.tag.as_deref()
    }

    /// The same without what tells it from others: a million of these take memory.
    pub(crate) fn without_tag(mut self) -> Self {
        self.found.tag = None;
        self
    }

    /// Some of its bytes.
    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.store.read(&self.found, range).await
    }
}

/// What lies at an address.
///
/// # Errors
/// [`StoreError::NotFound`] and any other [`StoreError`].
pub fn about(address: &str) -> Result<Object, StoreError> {
    if let Some(known) = known().get(address) {
        return Ok(known.clone());
    }
    let (store, key) = stores::of(address)?;
    let found = runtime::wait(store.about(&key))?;
    let object = Object { store, found };
    known().insert(address.to_owned(), object.clone());
    Ok(object)
}

/// All objects below an address, in bytewise order of their addresses; none if there is nothing.
///
/// # Errors
/// [`StoreError::NoList`] for web servers, and any other [`StoreError`].
pub fn list(address: &str) -> Result<Vec<Object>, StoreError> {
    let (store, key) = stores::of(address)?;
    let found = runtime::wait(store.list(&key))?;
    Ok(found.into_iter().map(|found| Object { store: Arc::clone(&store), found }).collect())
}

/// Lets [`about`] find an object without a request.
pub fn remember(object: &Object) {
    known().insert(object.address(), object.clone());
}

/// An error if the store of an address has stopped answering.
///
/// # Errors
/// [`StoreError::Down`].
pub fn check(address: &str) -> Result<(), StoreError> {
    let (store, _) = stores::of(address)?;
    store.breaker.check(&store.address)
}

/// The bytes of the object at an address, in one request.
///
/// # Errors
/// [`StoreError::TooLarge`] before more than `limit` bytes are held, and any other [`StoreError`].
pub fn read(address: &str, limit: u64) -> Result<Bytes, StoreError> {
    let (store, key) = stores::of(address)?;
    runtime::wait(store.read_whole(&key, limit))
}

fn known() -> std::sync::MutexGuard<'static, HashMap<String, Object>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

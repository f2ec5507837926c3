//! The kinds of stores, a line each.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{Error, ObjectStore, Result as Opened};

use crate::address::Address;
use crate::breaker::Breaker;
use crate::error::StoreError;
use crate::store::{Lists, Store, in_one_line};
use crate::{hub, runtime, waiting, web};

/// The address of a store, and the key of what an address names there.
type Split = fn(&Address<'_>, &str) -> Result<(String, String), StoreError>;

/// A kind of store.
pub(crate) struct Kind {
    scheme: &'static str,
    /// Which variables describe a store, and have its credentials.
    pub(crate) advice: &'static str,
    pub(crate) split: Split,
    /// Opens the store of an address.
    pub(crate) open: fn(&str) -> Opened<Store>,
}

const KINDS: [Kind; 6] = [
    Kind { scheme: "s3", advice: AMAZON, split: by_host, open: amazon },
    Kind { scheme: "gs", advice: GOOGLE, split: by_host, open: google },
    Kind { scheme: "az", advice: AZURE, split: by_host, open: azure },
    Kind { scheme: "https", advice: web::ADVICE, split: by_host, open: web::open },
    Kind { scheme: "http", advice: web::ADVICE, split: by_host, open: web::open },
    Kind { scheme: "hf", advice: hub::ADVICE, split: hub::split, open: hub::open },
];

const AMAZON: &str = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for a \
                      public bucket";
const GOOGLE: &str = "set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket";
const AZURE: &str = "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_SKIP_SIGNATURE=true for a \
                     public container";

/// The stores that were used, by their addresses: connections are kept.
static USED: LazyLock<Mutex<HashMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);

/// The store of an address, and the key of what the address names there.
pub(crate) fn of(text: &str) -> Result<(Arc<Store>, String), StoreError> {
    let address = Address::of(text)?;
    let kind = KINDS.iter().find(|kind| kind.scheme == address.scheme).ok_or_else(|| StoreError::Scheme {
        address: text.into(),
        scheme: address.scheme.into(),
        known: KINDS.each_ref().map(|kind| format!("{}://", kind.scheme)).join(", "),
    })?;
    let (root, key) = (kind.split)(&address, text)?;
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = used.get(&root) {
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
    used.insert(root, Arc::clone(&store));
    Ok((store, key))
}

fn by_host(address: &Address<'_>, _: &str) -> Result<(String, String), StoreError> {
    Ok((format!("{}://{}", address.scheme, address.host), address.key.to_owned()))
}

/// A store that lists what it holds.
fn listing(address: &str, objects: Arc<dyn ObjectStore>, advice: &'static str) -> Store {
    Store { address: address.into(), objects, lists: Lists::Itself, advice, breaker: Breaker::default() }
}

fn amazon(address: &str) -> Opened<Store> {
    let mut builder = AmazonS3Builder::from_env().with_url(address).with_retry(waiting::retries());
    for (key, value) in waiting::settings() {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .map(env::var)
        .into_iter()
        .find_map(Result::ok);
    if let Some(endpoint) = endpoint {
        // Whoever names a server without encryption wants it so.
        let is_plain = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
    }
    Ok(listing(address, Arc::new(builder.build()?), AMAZON))
}

fn google(address: &str) -> Opened<Store> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_url(address).with_retry(waiting::retries());
    for (key, value) in waiting::settings() {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    Ok(listing(address, Arc::new(builder.build()?), GOOGLE))
}

fn azure(address: &str) -> Opened<Store> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_url(address).with_retry(waiting::retries());
    for (key, value) in waiting::settings() {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    Ok(listing(address, Arc::new(builder.build()?), AZURE))
}

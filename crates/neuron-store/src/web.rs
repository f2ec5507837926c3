//! Files of web servers, which answer ranges and list nothing.

use std::sync::Arc;

use object_store::Result;
use object_store::http::HttpBuilder;

use crate::breaker::Breaker;
use crate::store::{Lists, Store};
use crate::waiting;

pub(crate) const ADVICE: &str = "servers that want credentials are not supported";

pub(crate) fn open(address: &str) -> Result<Store> {
    Ok(Store {
        address: address.into(),
        objects: Arc::new(builder(address).build()?),
        lists: Lists::Nothing,
        advice: ADVICE,
        breaker: Breaker::default(),
    })
}

/// What is common to all that is handed out as a web server does it.
pub(crate) fn builder(address: &str) -> HttpBuilder {
    let builder = HttpBuilder::new().with_url(address).with_retry(waiting::retries());
    let settings = waiting::settings_of(address).into_iter();
    settings.fold(builder, |builder, (key, value)| builder.with_config(key, value))
}

//! Stores on this machine that fail on demand, for tests: S3, a web server, and the Hugging Face Hub.
//!
//! Each serves a folder, on a free port, until it is dropped.

mod faults;
mod hub;
mod server;
mod web;

use std::path::Path;
use std::sync::Arc;

use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;

pub use faults::{Fault, Faults};
pub use server::Server;

/// What an S3 server here wants to know.
pub const ACCESS_KEY: &str = "a-key";
/// What an S3 server here wants to know.
pub const SECRET_KEY: &str = "a-secret";

/// Serves the folders in a folder as buckets, by the protocol of S3.
///
/// # Panics
/// If the system gives no port.
pub fn s3(folder: &Path) -> Server {
    let files = FileSystem::new(folder).expect("a folder");
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    Server::start(Arc::new(move |request| {
        let service = service.clone();
        Box::pin(async move {
            let request = request.map(s3s::Body::from);
            match service.call(request).await {
                Ok(answer) => answer.map(server::streamed),
                Err(error) => server::text(500, &format!("{error:?}")),
            }
        })
    }))
}

/// The variables that lead a client of S3 to a server, and with which it gives up a connection after two seconds.
pub fn environment(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", server.address()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ("AWS_REGION", "us-east-1".into()),
        ("NEURON_STORE_TIMEOUT", "2".into()),
    ]
}

/// Serves the files of a folder, as a web server does.
///
/// # Panics
/// If the system gives no port.
pub fn web(folder: &Path) -> Server {
    let folder = folder.to_owned();
    Server::start(Arc::new(move |request| {
        let answer = web::file(&folder, request.uri().path(), &request);
        Box::pin(async move { answer })
    }))
}

/// Serves the folders `owner/name` in a folder as data sets of the Hub.
///
/// # Panics
/// If the system gives no port.
pub fn hub(folder: &Path) -> Server {
    let folder = folder.to_owned();
    Server::start(Arc::new(move |request| {
        let answer = hub::answer(&folder, &request);
        Box::pin(async move { answer })
    }))
}

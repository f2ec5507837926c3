//! Files and ranges of them, as a web server hands them out.

use std::fs;
use std::path::Path;

use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::{Method, Request, Response};

use crate::server::{self, Sent};

/// The file at a path.
pub(crate) fn file(folder: &Path, path: &str, request: &Request<Incoming>) -> Response<Sent> {
    let Ok(all) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        return server::text(404, "no such file");
    };
    let range = request.headers().get(RANGE).and_then(|range| {
        let (start, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let last: usize = last.parse().unwrap_or(all.len() - 1);
        Some(start.parse().ok()?..all.len().min(last + 1))
    });
    let length = all.len();
    let mut answer = match (request.method(), range) {
        (&Method::HEAD, _) => {
            let mut answer = server::text(200, "");
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            answer
        }
        (_, None) => server::bytes(200, all.into()),
        (_, Some(range)) => {
            let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let mut answer = server::bytes(206, all[range].to_vec().into());
            answer.headers_mut().insert(CONTENT_RANGE, said.parse().expect("plain text"));
            answer
        }
    };
    answer.headers_mut().insert(ACCEPT_RANGES, "bytes".parse().expect("plain text"));
    answer
}

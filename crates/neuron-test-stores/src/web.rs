//! Files and ranges of them, as a web server hands them out.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::{Method, Request, Response};

use crate::server::{self, Sent};

/// The file at a path.
pub(crate) fn file(folder: &Path, path: &str, request: &Request<Incoming>) -> Response<Sent> {
    let path = folder.join(path.trim_start_matches('/'));
    let Some(length) = fs::metadata(&path).ok().filter(Metadata::is_file).map(|about| about.len()) else {
        return server::text(404, "no such file");
    };
    let range = request.headers().get(RANGE).and_then(|range| {
        let (start, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let last: u64 = last.parse().unwrap_or(length - 1);
        Some(start.parse().ok()?..length.min(last + 1))
    });
    let mut answer = match (request.method(), range) {
        (&Method::HEAD, _) => {
            let mut answer = server::text(200, "");
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            answer
        }
        (_, None) => server::bytes(200, read(&path, 0..length)),
        (_, Some(range)) => {
            let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let mut answer = server::bytes(206, read(&path, range.clone()));
            answer.headers_mut().insert(CONTENT_RANGE, said.parse().expect("plain text"));
            answer
        }
    };
    answer.headers_mut().insert(ACCEPT_RANGES, "bytes".parse().expect("plain text"));
    answer
}

/// A part of a file; less, if it changes.
fn read(path: &Path, range: Range<u64>) -> Bytes {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(range.start))?;
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)
    });
    bytes.into()
}

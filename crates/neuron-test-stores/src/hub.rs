//! The interface of the Hugging Face Hub, as far as data sets are listed and read by it.

use std::fs;
use std::path::{Path, PathBuf};

use hyper::body::Incoming;
use hyper::header::LINK;
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::server::{self, Sent};
use crate::web;

/// Entries of a page.
const PAGE: usize = 2;

pub(crate) fn answer(folder: &Path, request: &Request<Incoming>) -> Response<Sent> {
    let parts: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
    match *parts {
        ["api", "datasets", owner, name, "tree", "main", ref path @ ..] => {
            list(&folder.join(owner).join(name), &path.join("/"), request)
        }
        ["datasets", owner, name, "resolve", "main", ref path @ ..] => {
            web::file(&folder.join(owner).join(name), &path.join("/"), request)
        }
        _ => server::text(404, "no such place"),
    }
}

/// A page of the files below a path, and where the next one is.
fn list(root: &Path, path: &str, request: &Request<Incoming>) -> Response<Sent> {
    let mut found = Vec::new();
    walk(&root.join(path), &mut found);
    if found.is_empty() {
        return server::text(404, "no such folder");
    }
    found.sort();
    let query = request.uri().query().unwrap_or_default();
    let start = query.split("cursor=").nth(1).and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let entry = |file: &PathBuf| {
        let path = file.strip_prefix(root).expect("below").to_str().expect("text");
        let (kind, size) = if file.is_dir() {
            ("directory", 0)
        } else {
            ("file", fs::metadata(file).map_or(0, |about| about.len()))
        };
        json!({ "type": kind, "oid": "0", "size": size, "path": path })
    };
    let entries: Vec<Value> = found.iter().skip(start).take(PAGE).map(entry).collect();
    let mut answer = server::text(200, &Value::Array(entries).to_string());
    if start + PAGE < found.len() {
        let host = request.headers()["host"].to_str().expect("text");
        let next = format!(
            "<http://{host}{}?recursive=true&cursor={}>; rel=\"next\"",
            request.uri().path(),
            start + PAGE
        );
        answer.headers_mut().insert(LINK, next.parse().expect("plain text"));
    }
    answer
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        walk(&entry.path(), found);
    }
}

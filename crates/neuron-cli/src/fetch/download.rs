//! Files over HTTP: redirects, size, hash.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, header};
use ureq::{Agent, Body};

use super::error::FetchError;
use crate::interrupt;

const MAX_REDIRECTS: usize = 8;
const BUFFER_BYTES: usize = 1 << 18;

/// No network's weights are larger; of a file whose length nobody says, more is not read.
const MAX_BYTES: u64 = 16 << 30;

/// Who is asked for files.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    /// Scheme, host and what else all of its addresses begin with.
    pub(super) endpoint: &'a str,
    /// Sent to this server, and to none to which it redirects.
    pub(super) token: Option<&'a str>,
    /// The environment variable that names another.
    pub(super) variable: &'static str,
    /// What it means if it refuses a file.
    pub(super) if_refused: &'static str,
}

/// A way to a server.
pub(super) struct Connection<'a> {
    agent: Agent,
    server: Server<'a>,
}

/// A file that a server is about to send.
pub(super) struct Response {
    url: String,
    announcement: Announcement,
    body: Body,
}

/// How a file is known to be the one that is wanted.
pub(super) enum Proof {
    /// By the size and the SHA-256 that the server itself announces, as the Hub does.
    Announced,
    /// By the first digits of its SHA-256, in lower-case hex.
    Begins(String),
}

/// What the server says a file is, before a redirect leads to where it is stored.
///
/// For a large file the answer of the Hub itself carries the size and the SHA-256 in `X-Linked-Size` and
/// `X-Linked-Etag`; without a redirect they are `Content-Length` and `ETag`.
#[derive(Default)]
struct Announcement {
    size: Option<u64>,
    sha256: Option<String>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(server: Server<'a>) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("neuron/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // Followed here, because only the first answer carries the hash, and only its server gets the token.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.new_agent(), server }
    }

    /// A file of at most `limit` bytes, in memory.
    pub(super) fn small_file(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let Response { announcement, body, .. } = self.get(url)?;
        let mut bytes = Vec::new();
        let read = body.into_reader().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|source| FetchError::Read { url: url.to_owned(), source })?;
        let received = bytes.len() as u64;
        if received > limit {
            return Err(FetchError::TooLong { url: url.to_owned(), limit });
        }
        match announcement.size {
            Some(expected) if expected != received => {
                Err(FetchError::Truncated { url: url.to_owned(), received, expected })
            }
            _ => Ok(bytes),
        }
    }

    /// Asks for a file and follows redirects to its bytes.
    pub(super) fn get(&self, url: &str) -> Result<Response, FetchError> {
        let Server { endpoint, token, variable, if_refused } = self.server;
        let mut announcement = Announcement::default();
        let mut here = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let is_server = origin(&here) == origin(endpoint);
            let mut request = self.agent.get(&here);
            if let Some(token) = token.filter(|_| is_server) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|source| {
                let source = Box::new(source);
                FetchError::Connect { url: here.clone(), variable, source }
            })?;
            if is_server {
                announcement.note(response.headers(), response.status().is_success());
            }
            match response.status().as_u16() {
                200 => {
                    announcement.size = announcement.size.or(number(response.headers(), "content-length"));
                    return Ok(Response { url: url.to_owned(), announcement, body: response.into_body() });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let target = text(response.headers(), "location").and_then(|to| resolve(&here, to));
                    here = target.ok_or_else(|| FetchError::Redirect { url: url.to_owned() })?;
                }
                404 => return Err(FetchError::NotFound { url: url.to_owned() }),
                status @ (401 | 403) => {
                    return Err(FetchError::Refused { url: url.to_owned(), status, if_refused });
                }
                status => return Err(FetchError::Status { url: url.to_owned(), status }),
            }
        }
        Err(FetchError::Redirect { url: url.to_owned() })
    }
}

impl Response {
    /// Writes the file to `path` and returns its SHA-256 in hex, which is the one that is wanted.
    ///
    /// `progress` hears the number of bytes that are there and of all, where that is known.
    pub(super) fn save(
        self,
        path: &Path,
        proof: &Proof,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<String, FetchError> {
        let Self { url, announcement, body } = self;
        let (size, wanted) = match (proof, announcement) {
            (Proof::Begins(digits), Announcement { size, .. }) => (size, digits.clone()),
            (Proof::Announced, Announcement { size: Some(size), sha256: Some(sha256) }) => {
                (Some(size), sha256)
            }
            (Proof::Announced, _) => return Err(FetchError::Unverifiable { url }),
        };
        let limit = size.unwrap_or(MAX_BYTES);
        let failed = |source| FetchError::Write { path: path.to_owned(), source };
        let mut file = File::create(path).map_err(failed)?;
        let mut body = body.into_reader();
        let (mut hash, mut received) = (Sha256::new(), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let truncated = |expected| FetchError::Truncated { url: url.clone(), received, expected };
            let count = match (body.read(&mut buffer), size) {
                (Ok(0), Some(size)) if received < size => return Err(truncated(size)),
                (Ok(0), _) => break,
                (Ok(count), _) => count,
                (Err(error), Some(size)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(truncated(size));
                }
                (Err(source), _) => return Err(FetchError::Read { url, source }),
            };
            received += count as u64;
            if received > limit {
                return Err(FetchError::TooLong { url, limit });
            }
            if interrupt::requested() {
                return Err(FetchError::Interrupted);
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(failed)?;
            progress(received, size.unwrap_or(received));
        }
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if !found.starts_with(&wanted) {
            return Err(FetchError::Hash { url, found, wanted });
        }
        Ok(found)
    }
}

impl Announcement {
    /// Takes what an answer of the server says about the file. `last`: the answer is the file, not a redirect to it,
    /// so that its own length and tag are the file's.
    fn note(&mut self, headers: &HeaderMap, last: bool) {
        let own = |name| if last { text(headers, name) } else { None };
        let tag = text(headers, "x-linked-etag").or_else(|| own("etag"));
        self.sha256 = self.sha256.take().or_else(|| tag.and_then(sha256_of_tag));
        self.size = self.size.or_else(|| number(headers, "x-linked-size"));
    }
}

/// The SHA-256 in an entity tag, if that is what it holds: small files carry a git hash, which is shorter.
fn sha256_of_tag(tag: &str) -> Option<String> {
    let tag = tag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    (tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(tag)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let length = url[host..].find(['/', '?', '#']).unwrap_or(url.len() - host);
    &url[..host + length]
}

/// Where a redirect from `base` leads, if that is an address.
fn resolve(base: &str, target: &str) -> Option<String> {
    let scheme = base.split("://").next()?;
    if target.starts_with("https://") || target.starts_with("http://") {
        Some(target.to_owned())
    } else if target.starts_with("//") {
        Some(format!("{scheme}:{target}"))
    } else if target.starts_with('/') {
        Some(format!("{}{target}", origin(base)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_end_before_the_path() {
        assert_eq!(origin("https://huggingface.co/timm/x"), "https://huggingface.co");
        assert_eq!(origin("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(origin("https://a?b=https://c/d"), "https://a");
        assert_ne!(origin("https://huggingface.co.evil/x"), origin("https://huggingface.co"));
        assert_ne!(origin("http://huggingface.co/x"), origin("https://huggingface.co"));
    }

    #[test]
    fn redirects_are_resolved() {
        let base = "https://hub/a/b?c";
        assert_eq!(resolve(base, "/x?y").as_deref(), Some("https://hub/x?y"));
        assert_eq!(resolve(base, "//cdn/x").as_deref(), Some("https://cdn/x"));
        assert_eq!(resolve(base, "http://cdn/x").as_deref(), Some("http://cdn/x"));
        assert_eq!(resolve(base, "file:///etc/passwd"), None);
    }

    #[test]
    fn only_a_sha256_is_taken_for_one() {
        let sha = "AB".repeat(32);
        assert_eq!(sha256_of_tag(&format!("W/\"{sha}\"")), Some("ab".repeat(32)));
        assert_eq!(sha256_of_tag(&format!("\"{}\"", "ab".repeat(20))), None);
        assert_eq!(sha256_of_tag(&"zz".repeat(32)), None);
    }
}

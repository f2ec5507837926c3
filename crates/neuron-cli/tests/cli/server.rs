//! What the tests of `neuron weights fetch` share: a server that a test plays, and a folder for what is fetched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use neuron_model::Weights;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer: status line, headers, body.
pub(crate) type Answer = (&'static str, Vec<(&'static str, String)>, Vec<u8>);

pub(crate) fn ok(body: &[u8]) -> Answer {
    ("200 OK", vec![("Content-Length", body.len().to_string())], body.to_vec())
}

pub(crate) fn not_found() -> Answer {
    ("404 Not Found", vec![("Content-Length", "0".into())], Vec::new())
}

/// A server on a port of its own that notes the `Authorization` of every request.
pub(crate) struct Server {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        Self::start(answer, Duration::ZERO)
    }

    /// As [`Server::new`]; a body takes as long as anybody wants to look at its download.
    pub(crate) fn slow(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        Self::start(answer, Duration::from_millis(20))
    }

    fn start(answer: impl Fn(&str) -> Answer + Send + 'static, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        // Lives as long as the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up early is part of some tests.
                let _ = serve(stream, &answer, &noted, pause);
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&str) -> Answer,
    noted: &Mutex<Vec<Option<String>>>,
    pause: Duration,
) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let authorization = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    noted.lock().unwrap().push(authorization);
    let (status, headers, body) = answer(&path);
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    if pause.is_zero() {
        return stream.write_all(&body);
    }
    for piece in body.chunks(1000) {
        stream.write_all(piece)?;
        thread::sleep(pause);
    }
    Ok(())
}

/// A folder for what is fetched.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A command in this home and in its folder, away from the environment of whoever runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = support::neuron(arguments);
        command.current_dir(self.path()).env("HF_HOME", self.path());
        for name in ["HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT", "NEURON_TORCHVISION_ENDPOINT"] {
            command.env_remove(name);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a file of that name lies once it is fetched.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.path().join("neuron").join(name)
    }

    /// Everything in the folder of fetched weights.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.0.path().join("neuron"));
        folder.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    /// The fetch fails with `message` and leaves nothing behind.
    pub(crate) fn assert_fails(&self, output: &Output, message: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert_eq!(self.files(), Vec::<PathBuf>::new(), "{stderr}");
    }
}

pub(crate) fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn metadata(path: &Path) -> BTreeMap<String, String> {
    Weights::open(path).unwrap().metadata().clone()
}

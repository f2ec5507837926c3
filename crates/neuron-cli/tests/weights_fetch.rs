//! `neuron weights fetch` against a hub that the test plays.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use neuron_model::{Architecture, Weights};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const CONFIG: &str = r#"{"architecture": "resnet", "pretrained_cfg": {"input_size": [3, 224, 224],
    "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
    "mean": [0.5, 0.25, 0.125], "std": [0.2, 0.3, 0.4]}}"#;

/// A small architecture with all its tensors, in f16, as the bytes of a safetensors file.
static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let graph = Architecture::from_name(support::ARCH).unwrap().graph(&Weights::default());
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in graph.expected_tensors() {
        let begin = end;
        end += 2 * shape.iter().product::<usize>();
        header
            .insert(name, serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end, 0);
    file
});

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer: status line, headers, body.
type Answer = (&'static str, Vec<(&'static str, String)>, Vec<u8>);

fn ok(body: &[u8]) -> Answer {
    ("200 OK", vec![("Content-Length", body.len().to_string())], body.to_vec())
}

fn not_found() -> Answer {
    ("404 Not Found", vec![("Content-Length", "0".into())], Vec::new())
}

/// The hub's answer for a large file: where it is stored, how long it is and what its hash is.
fn linked(location: String, size: usize, sha256: &str) -> Answer {
    let headers = vec![
        ("Location", location),
        ("X-Linked-Size", size.to_string()),
        ("X-Linked-Etag", format!("\"{sha256}\"")),
        ("ETag", format!("\"{}\"", "0".repeat(64))),
        ("Content-Length", "0".into()),
    ];
    ("302 Found", headers, Vec::new())
}

/// A server on a port of its own that notes the `Authorization` of every request.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn new(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        // Lives as long as the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up early is part of some tests.
                let _ = serve(stream, &answer, &noted);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&str) -> Answer,
    noted: &Mutex<Vec<Option<String>>>,
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
    stream.write_all(&body)
}

/// A hub that redirects the model to `storage`, which it says holds `sha256`.
fn hub(storage: &Server, size: usize, sha256: String) -> Server {
    let location = format!("{}/blob", storage.address);
    Server::new(move |path| match path {
        "/timm/resnet10_demo.tv_in1k/resolve/main/config.json" => ok(CONFIG.as_bytes()),
        "/timm/resnet10_demo.tv_in1k/resolve/main/model.safetensors" => {
            linked(location.clone(), size, &sha256)
        }
        _ => not_found(),
    })
}

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn fetch(&self, endpoint: &str, environment: &[(&str, &str)], flags: &[&str]) -> Output {
        let mut command = support::neuron(&["weights", "fetch", support::ARCH]);
        command.args(flags).current_dir(self.0.path());
        for name in ["HF_TOKEN", "HF_HUB_OFFLINE"] {
            command.env_remove(name);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("HF_HOME", self.0.path()).env("HF_ENDPOINT", endpoint);
        command.envs(environment.iter().copied()).output().unwrap()
    }

    fn place(&self) -> PathBuf {
        self.0.path().join("neuron/resnet10_demo.safetensors")
    }

    /// Everything in the folder of fetched weights.
    fn files(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.0.path().join("neuron"));
        folder.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    /// The fetch fails with `message` and leaves nothing behind.
    fn assert_fails(&self, output: &Output, message: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert_eq!(self.files(), Vec::<PathBuf>::new(), "{stderr}");
    }
}

fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn metadata(path: &Path) -> BTreeMap<String, String> {
    Weights::open(path).unwrap().metadata().clone()
}

#[test]
fn what_the_hub_announced_is_fetched_with_its_preprocessing() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    assert_done(&home.fetch(&format!("{}/", hub.address), &[], &[]));
    assert_eq!(home.files(), [home.place()]);
    let metadata = metadata(&home.place());
    for (key, value) in [
        ("arch", support::ARCH),
        ("crop", "224"),
        ("resize", "235"),
        ("interpolation", "bicubic"),
        ("mean", "0.5,0.25,0.125"),
        ("std", "0.2,0.3,0.4"),
    ] {
        assert_eq!(metadata.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(metadata["source"].contains(&sha256(&MODEL)), "{metadata:?}");
    assert_eq!(hub.requests().len(), 2);

    // It is there now: nobody is asked again, unless that is what is wanted.
    let again = home.fetch(&hub.address, &[("HF_HUB_OFFLINE", "1")], &[]);
    assert_done(&again);
    assert!(String::from_utf8_lossy(&again.stderr).contains("already existed"));
    assert_eq!(hub.requests().len(), 2);
    assert_done(&home.fetch(&hub.address, &[], &["--overwrite"]));
    assert_eq!(hub.requests().len(), 4);
}

#[test]
fn a_file_that_is_not_redirected_is_verified_by_its_own_tag() {
    let hub = Server::new(|path| match path.rsplit('/').next() {
        Some("config.json") => ok(CONFIG.as_bytes()),
        _ => {
            let (status, mut headers, body) = ok(&MODEL);
            headers.push(("ETag", format!("W/\"{}\"", sha256(&MODEL))));
            (status, headers, body)
        }
    });
    let home = Home::new();
    assert_done(&home.fetch(&hub.address, &[], &[]));
    assert_eq!(home.files(), [home.place()]);
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    assert_done(&home.fetch(&hub.address, &[("HF_TOKEN", "hf_secret")], &[]));
    assert_eq!(hub.requests(), [Some("Bearer hf_secret".to_owned()), Some("Bearer hf_secret".to_owned())]);
    assert_eq!(storage.requests(), [None]);
}

#[test]
fn offline_means_no_request_at_all() {
    let hub = Server::new(|_| ok(CONFIG.as_bytes()));
    for value in ["1", "ON", "true"] {
        let home = Home::new();
        let output = home.fetch(&hub.address, &[("HF_HUB_OFFLINE", value)], &[]);
        home.assert_fails(&output, "HF_HUB_OFFLINE is set, so the network is not used");
    }
    assert!(hub.requests().is_empty());
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let hub = Server::new(|_| not_found());
    let home = Home::new();
    let output = home.fetch(&hub.address, &[], &[]);
    home.assert_fails(
        &output,
        "/timm/resnet10_demo.tv_in1k/resolve/main/config.json does not exist (status 404)",
    );
}

#[test]
fn a_model_that_needs_a_token_says_so() {
    let hub = Server::new(|_| ("401 Unauthorized", vec![("Content-Length", "0".into())], Vec::new()));
    let home = Home::new();
    home.assert_fails(
        &home.fetch(&hub.address, &[], &[]),
        "(status 401): it does not exist, or it needs a token",
    );
}

#[test]
fn a_body_that_breaks_off_is_not_kept() {
    let storage = Server::new(|_| {
        let (status, headers, mut body) = ok(&MODEL);
        body.truncate(100_000);
        (status, headers, body)
    });
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    let output = home.fetch(&hub.address, &[], &[]);
    home.assert_fails(&output, &format!("ended early, after 100000 of {} bytes", MODEL.len()));
}

#[test]
fn a_body_without_a_length_that_breaks_off_is_not_kept() {
    let storage = Server::new(|_| ("200 OK", Vec::new(), MODEL[..1000].to_vec()));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    home.assert_fails(
        &home.fetch(&hub.address, &[], &[]),
        &format!("ended early, after 1000 of {} bytes", MODEL.len()),
    );
}

#[test]
fn a_longer_body_is_not_read_to_its_end() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, 1000, sha256(&MODEL));
    let home = Home::new();
    home.assert_fails(&home.fetch(&hub.address, &[], &[]), "longer than the limit of 1000 bytes");
}

#[test]
fn other_bytes_than_announced_are_not_kept() {
    let storage = Server::new(|_| {
        let mut other = MODEL.clone();
        *other.last_mut().unwrap() ^= 1;
        ok(&other)
    });
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    home.assert_fails(&home.fetch(&hub.address, &[], &[]), &format!("instead of {}", sha256(&MODEL)));
}

#[test]
fn a_hub_that_does_not_announce_a_hash_is_not_trusted() {
    let hub = Server::new(|path| match path.rsplit('/').next() {
        Some("config.json") => ok(CONFIG.as_bytes()),
        _ => ok(&MODEL),
    });
    let home = Home::new();
    home.assert_fails(&home.fetch(&hub.address, &[], &[]), "did not state the size and the SHA-256");
}

#[test]
fn endless_redirects_end() {
    let hub = Server::new(|_| linked("/round".into(), 1, &"0".repeat(64)));
    let home = Home::new();
    home.assert_fails(&home.fetch(&hub.address, &[], &[]), "redirects too often");
}

#[test]
fn the_weights_of_another_network_are_not_kept() {
    let header = br#"{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#;
    let other = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    let (size, hash) = (other.len(), sha256(&other));
    let storage = Server::new(move |_| ok(&other));
    let hub = hub(&storage, size, hash);
    let home = Home::new();
    home.assert_fails(&home.fetch(&hub.address, &[], &[]), "these are not the weights of this network");
}

#[test]
fn an_unknown_architecture_is_wrong_usage() {
    let (_, stderr) = support::run_expecting(2, &["weights", "fetch", "resnet99"]);
    assert!(stderr.contains("unknown architecture resnet99; known are resnet18"));
}

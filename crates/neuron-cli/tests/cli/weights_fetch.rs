//! `neuron weights fetch ARCH:hf` against a hub that the test plays.

use std::process::Output;
use std::sync::LazyLock;

use neuron_model::{Architecture, Weights};

use crate::server::{Answer, Home, Server, assert_done, metadata, not_found, ok, sha256};
use crate::support;

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

/// The name of what is fetched, and of its file.
const WEIGHTS: &str = "resnet10_demo:hf";
const FILE: &str = "resnet10_demo-hf.safetensors";

fn fetch(home: &Home, endpoint: &str, environment: &[(&str, &str)], flags: &[&str]) -> Output {
    let mut command = home.command(&["weights", "fetch", WEIGHTS]);
    command.args(flags).env("HF_ENDPOINT", endpoint).envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn what_the_hub_announced_is_fetched_with_its_preprocessing() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    assert_done(&fetch(&home, &format!("{}/", hub.address), &[], &[]));
    assert_eq!(home.files(), [home.place(FILE)]);
    let metadata = metadata(&home.place(FILE));
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
    let again = fetch(&home, &hub.address, &[("HF_HUB_OFFLINE", "1")], &[]);
    assert_done(&again);
    assert!(String::from_utf8_lossy(&again.stderr).contains("already existed"));
    assert_eq!(hub.requests().len(), 2);
    assert_done(&fetch(&home, &hub.address, &[], &["--overwrite"]));
    assert_eq!(hub.requests().len(), 4);
}

#[test]
fn commands_find_what_was_fetched_by_its_name() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    let layers = ["layers", "--arch", support::ARCH, "--weights", "resnet10_demo:HF"];
    let (_, absent) = support::expecting(2, &mut home.command(&layers));
    assert!(absent.contains("resnet10_demo:HF was not fetched"), "{absent}");
    assert!(absent.contains("run `neuron weights fetch resnet10_demo:HF`"), "{absent}");
    assert_done(&fetch(&home, &hub.address, &[], &[]));
    support::expecting(0, &mut home.command(&layers));
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
    assert_done(&fetch(&home, &hub.address, &[], &[]));
    assert_eq!(home.files(), [home.place(FILE)]);
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    assert_done(&fetch(&home, &hub.address, &[("HF_TOKEN", "hf_secret")], &[]));
    assert_eq!(hub.requests(), [Some("Bearer hf_secret".to_owned()), Some("Bearer hf_secret".to_owned())]);
    assert_eq!(storage.requests(), [None]);
}

#[test]
fn offline_means_no_request_at_all() {
    let hub = Server::new(|_| ok(CONFIG.as_bytes()));
    for value in ["1", "ON", "true"] {
        let home = Home::new();
        let output = fetch(&home, &hub.address, &[("HF_HUB_OFFLINE", value)], &[]);
        home.assert_fails(&output, "HF_HUB_OFFLINE is set, so the network is not used");
    }
    assert!(hub.requests().is_empty());
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let hub = Server::new(|_| not_found());
    let home = Home::new();
    let output = fetch(&home, &hub.address, &[], &[]);
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
        &fetch(&home, &hub.address, &[], &[]),
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
    let output = fetch(&home, &hub.address, &[], &[]);
    home.assert_fails(&output, &format!("ended early, after 100000 of {} bytes", MODEL.len()));
}

#[test]
fn a_body_without_a_length_that_breaks_off_is_not_kept() {
    let storage = Server::new(|_| ("200 OK", Vec::new(), MODEL[..1000].to_vec()));
    let hub = hub(&storage, MODEL.len(), sha256(&MODEL));
    let home = Home::new();
    home.assert_fails(
        &fetch(&home, &hub.address, &[], &[]),
        &format!("ended early, after 1000 of {} bytes", MODEL.len()),
    );
}

#[test]
fn a_longer_body_is_not_read_to_its_end() {
    let storage = Server::new(|_| ok(&MODEL));
    let hub = hub(&storage, 1000, sha256(&MODEL));
    let home = Home::new();
    home.assert_fails(&fetch(&home, &hub.address, &[], &[]), "longer than the limit of 1000 bytes");
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
    home.assert_fails(&fetch(&home, &hub.address, &[], &[]), &format!("instead of {}", sha256(&MODEL)));
}

#[test]
fn a_hub_that_does_not_announce_a_hash_is_not_trusted() {
    let hub = Server::new(|path| match path.rsplit('/').next() {
        Some("config.json") => ok(CONFIG.as_bytes()),
        _ => ok(&MODEL),
    });
    let home = Home::new();
    home.assert_fails(&fetch(&home, &hub.address, &[], &[]), "did not state the size and the SHA-256");
}

#[test]
fn endless_redirects_end() {
    let hub = Server::new(|_| linked("/round".into(), 1, &"0".repeat(64)));
    let home = Home::new();
    home.assert_fails(&fetch(&home, &hub.address, &[], &[]), "redirects too often");
}

#[test]
fn the_weights_of_another_network_are_not_kept() {
    let header = br#"{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#;
    let other = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    let (size, hash) = (other.len(), sha256(&other));
    let storage = Server::new(move |_| ok(&other));
    let hub = hub(&storage, size, hash);
    let home = Home::new();
    home.assert_fails(&fetch(&home, &hub.address, &[], &[]), "these are not the weights of this network");
}

#[test]
fn an_unknown_architecture_is_wrong_usage() {
    for name in ["resnet99", "resnet99:hf"] {
        let (_, stderr) = support::run_expecting(2, &["weights", "fetch", name]);
        assert!(stderr.contains("unknown architecture resnet99; the nearest names are resnet18, "));
    }
}

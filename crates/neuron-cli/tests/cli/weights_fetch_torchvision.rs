//! `neuron weights fetch` against a mirror of torchvision's server that the test plays.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use neuron_model::{Architecture, Weights};
use sha2::{Digest, Sha256};

use crate::server::{Home, Server, assert_done, metadata, not_found, ok, sha256};
use crate::support;

const ARCH: &str = "resnet18";
/// What torchvision's file is called, which says how its hash begins.
const PATH: &str = "/models/resnet18-f37072fd.pth";
const HASH: &str = "f37072fd";
const PLACE: &str = "resnet18.safetensors";

/// What [`checkpoint`] ends with, so that its hash begins as torchvision's does: [`a_nonce_is_found`] searched for it.
const NONCE: u64 = 0x1_7ef4_1b5b;

/// Numbers in the checkpoint's only storage: tensors in memory may be eight times as large as their file.
const NUMBERS: usize = 1_500_000;

/// All tensors of the network are this number again and again.
const NUMBER: f32 = 0.25;

static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| checkpoint(NONCE));

/// A pickle of protocol 2: an opcode, or an opcode and what follows it.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn ops(mut self, opcodes: &[u8]) -> Self {
        self.0.extend(opcodes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.ops(b"X").ops(&(text.len() as u32).to_le_bytes()).ops(text.as_bytes())
    }

    fn int(self, value: usize) -> Self {
        self.ops(b"J").ops(&(value as i32).to_le_bytes())
    }

    fn ints(self, values: impl Iterator<Item = usize>) -> Self {
        values.fold(self.ops(b"("), Self::int).ops(b"t")
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.ops(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor that reads the first number of the storage `0` for each of its elements.
    fn tensor(self, shape: &[usize]) -> Self {
        let storage = self.global("torch._utils", "_rebuild_tensor_v2").ops(b"((").text("storage");
        let storage = storage.global("torch", "FloatStorage").text("0").text("cpu").int(NUMBERS);
        let view = storage.ops(b"tQ").int(0).ints(shape.iter().copied()).ints(shape.iter().map(|_| 0));
        view.ops(b"\x89").global("collections", "OrderedDict").ops(b")RtR")
    }

    fn stop(self) -> Vec<u8> {
        self.ops(b".").0
    }
}

/// The network's checkpoint in torch's older form, with a `nonce` in numbers that no tensor reads.
fn checkpoint(nonce: u64) -> Vec<u8> {
    let graph = Architecture::from_name(ARCH).unwrap().graph(&Weights::default());
    let mut expected = graph.expected_tensors();
    expected.sort();
    let magic = [&[0x80, 2, 0x8a, 10][..], b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", b"."].concat();
    let version = Pickle::new().int(1001).stop();
    let system = Pickle::new().ops(b"}").text("little_endian").ops(b"\x88s").stop();
    let objects = expected
        .iter()
        .fold(Pickle::new().ops(b"}("), |pickle, (name, shape)| pickle.text(name).tensor(shape))
        .ops(b"u")
        .stop();
    let keys = Pickle::new().ops(b"]").text("0").ops(b"a").stop();
    let mut file = [magic, version, system, objects, keys, (NUMBERS as u64).to_le_bytes().to_vec()].concat();
    let end = file.len() + 4 * NUMBERS;
    file.extend(NUMBER.to_le_bytes());
    file.resize(end - 8, 0);
    file.extend(nonce.to_le_bytes());
    file
}

#[test]
#[ignore = "searches for up to an hour: for those who change the small checkpoint, NONCE is what it prints"]
fn a_nonce_is_found() {
    let file = checkpoint(0);
    let start = Sha256::new_with_prefix(&file[..file.len() - 8]);
    let begins = |nonce: &u64| {
        let hash = start.clone().chain_update(nonce.to_le_bytes()).finalize();
        hash[..4] == [0xf3, 0x70, 0x72, 0xfd]
    };
    let nonce = (0..u64::MAX).find(begins).unwrap();
    println!("NONCE: {nonce:#x}");
    assert!(sha256(&checkpoint(nonce)).starts_with(HASH));
}

/// A server that has the network's file and nothing else.
fn mirror() -> Server {
    Server::new(|path| if path == PATH { ok(&MODEL) } else { not_found() })
}

fn fetch(home: &Home, weights: &str, endpoint: &str, flags: &[&str]) -> Output {
    let mut command = home.command(&["weights", "fetch", weights]);
    command.args(flags).env("NEURON_TORCHVISION_ENDPOINT", endpoint).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn torchvisions_own_file_is_fetched_with_the_preprocessing_of_its_weights() {
    let mirror = mirror();
    let home = Home::new();
    let fetched = home
        .command(&["weights", "fetch", ARCH, "--json"])
        .env("NEURON_TORCHVISION_ENDPOINT", format!("{}/", mirror.address))
        .env("HF_TOKEN", "hf_secret")
        .output()
        .unwrap();
    assert_done(&fetched);
    assert_eq!(home.files(), [home.place(PLACE)]);
    assert_eq!(mirror.requests(), [None], "one request, and the Hub's token is not in it");

    let metadata = metadata(&home.place(PLACE));
    let source =
        format!("https://download.pytorch.org/models/resnet18-f37072fd.pth (sha256 {})", sha256(&MODEL));
    let expected = [
        ("arch", ARCH),
        ("crop", "224"),
        ("interpolation", "bilinear"),
        ("mean", "0.485,0.456,0.406"),
        ("resize", "256"),
        ("source", &source),
        ("std", "0.229,0.224,0.225"),
        ("weights", "IMAGENET1K_V1"),
    ];
    assert!(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected), "{metadata:?}");
    let weights = Weights::open(&home.place(PLACE)).unwrap();
    assert_eq!(weights.tensor("fc.weight").unwrap().shape, [1000, 512]);
    assert!(weights.iter().all(|(_, tensor)| tensor.data.iter().all(|number| *number == NUMBER)));
    let summary: serde_json::Value = serde_json::from_slice(&fetched.stdout).unwrap();
    assert_eq!(summary["metadata"]["weights"], "IMAGENET1K_V1");
    assert_eq!(summary["fits"], serde_json::json!([ARCH]));

    // It is there now, and commands find it: nobody is asked again, unless that is what is wanted.
    let again = fetch(&home, "resnet18:imagenet1k_v1", &mirror.address, &[]);
    assert_done(&again);
    assert!(stderr(&again).contains("resnet18:IMAGENET1K_V1 already existed"), "{}", stderr(&again));
    let photos = support::draw_photos(home.path(), 1, 1);
    let photo = photos.join("class0/photo000.png").display().to_string();
    let line = ["activations", &photo, "--arch", ARCH, "--taps", "layer1", "--top", "1", "-v"];
    let (_, said) = support::expecting(0, &mut home.command(&line));
    assert!(said.contains(&format!("weights: {}", home.place(PLACE).display())), "{said}");
    assert!(!said.contains("assumed"), "the metadata say everything: {said}");
    assert_eq!(mirror.requests().len(), 1);
    assert_done(&fetch(&home, ARCH, &mirror.address, &["--overwrite", "--quiet"]));
    assert_eq!(mirror.requests().len(), 2);
}

#[test]
fn a_file_whose_length_nobody_says_is_known_by_its_hash() {
    for (body, code) in [(MODEL.clone(), 0), (MODEL[..MODEL.len() - 1].to_vec(), 1)] {
        let mirror = Server::new(move |_| ("200 OK", Vec::new(), body.clone()));
        let home = Home::new();
        let output = fetch(&home, ARCH, &mirror.address, &[]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(home.files().len(), 1 - code as usize);
    }
}

#[test]
fn other_bytes_than_the_name_says_are_not_kept() {
    let mut other = MODEL.clone();
    *other.last_mut().unwrap() ^= 1;
    let hash = sha256(&other);
    let mirror = Server::new(move |_| ok(&other));
    let home = Home::new();
    let message = format!("has SHA-256 {hash} instead of one that begins with {HASH}; nothing was kept");
    home.assert_fails(&fetch(&home, ARCH, &mirror.address, &[]), &message);
}

#[test]
fn a_body_that_breaks_off_is_not_kept() {
    let mirror = Server::new(|_| {
        let (status, headers, mut body) = ok(&MODEL);
        body.truncate(100_000);
        (status, headers, body)
    });
    let home = Home::new();
    let message = format!("ended early, after 100000 of {} bytes", MODEL.len());
    home.assert_fails(&fetch(&home, ARCH, &mirror.address, &[]), &message);
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    let (tell, told) = std::sync::mpsc::channel();
    let mirror = Server::slow(move |_| {
        // The download has begun: whoever interrupts it may do so now.
        tell.send(()).unwrap();
        ok(&MODEL)
    });
    let home = Home::new();
    let mut command = home.command(&["weights", "fetch", ARCH]);
    command.env("NEURON_TORCHVISION_ENDPOINT", &mirror.address).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    let started = Instant::now();
    let has_part = || home.files().iter().any(|file| file.to_string_lossy().ends_with(".download.part"));
    while !has_part() {
        assert!(started.elapsed() < Duration::from_secs(60), "the download begins");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(home.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_plan_names_the_file_and_the_place_of_every_set_and_asks_nobody() {
    let mirror = mirror();
    let home = Home::new();
    for (weights, file, address) in [
        ("resnet50", "resnet50.safetensors", "/models/resnet50-11ad3fa6.pth"),
        ("resnet50:default", "resnet50.safetensors", "/models/resnet50-11ad3fa6.pth"),
        ("resnet50:imagenet1k_v1", "resnet50-IMAGENET1K_V1.safetensors", "/models/resnet50-0676ba61.pth"),
    ] {
        let output = fetch(&home, weights, &mirror.address, &["--dry-run"]);
        assert_done(&output);
        let place = home.place(file);
        let plan = format!("{}: would be fetched from {}{address}\n", place.display(), mirror.address);
        assert_eq!((stdout(&output), stderr(&output)), (plan, String::new()));
    }
    let output = fetch(&home, ARCH, "", &["--dry-run"]);
    let plan = stdout(&output);
    assert!(plan.contains(&format!("from https://download.pytorch.org{PATH}")), "{plan}");
    assert!(mirror.requests().is_empty() && home.files().is_empty());
}

#[test]
fn offline_means_no_request_at_all() {
    let mirror = mirror();
    let home = Home::new();
    let mut command = home.command(&["weights", "fetch", "resnet18"]);
    command.env("NEURON_TORCHVISION_ENDPOINT", &mirror.address).env("HF_HUB_OFFLINE", "1");
    home.assert_fails(&command.output().unwrap(), "HF_HUB_OFFLINE is set, so the network is not used");
    assert!(mirror.requests().is_empty());
}

#[test]
fn what_the_server_does_not_have_or_give_is_named() {
    let mirror = mirror();
    let home = Home::new();
    let output = fetch(&home, "resnet50", &mirror.address, &[]);
    home.assert_fails(&output, "/models/resnet50-11ad3fa6.pth does not exist (status 404)");
    let refusing = Server::new(|_| ("403 Forbidden", vec![("Content-Length", "0".into())], Vec::new()));
    let output = fetch(&home, ARCH, &refusing.address, &[]);
    home.assert_fails(&output, "was refused (status 403): it does not exist there");
    let output = fetch(&home, ARCH, "http://127.0.0.1:1", &[]);
    home.assert_fails(&output, "check the connection, NEURON_TORCHVISION_ENDPOINT and the proxy");
}

#[test]
fn weights_that_nobody_has_are_wrong_usage() {
    let home = Home::new();
    let line = ["weights", "fetch", "resnet50:IMAGENET1K_V3"];
    let (_, said) = support::expecting(2, &mut home.command(&line));
    assert!(said.contains("torchvision has IMAGENET1K_V1, IMAGENET1K_V2 (the default), and hf"), "{said}");
    let line = ["weights", "fetch", "resnet10_demo"];
    let (_, said) = support::expecting(2, &mut home.command(&line));
    assert!(said.contains("torchvision has no weights of resnet10_demo"), "{said}");
}

/// Weights without tensors, which say of themselves what they are.
fn write_weights(path: &Path, metadata: &[(&str, &str)]) {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Weights::from_tensors([], metadata).save(path).unwrap();
}

#[test]
fn other_weights_in_its_place_are_not_taken_for_it_and_not_lost() {
    let mirror = mirror();
    let home = Home::new();
    let place = home.place(PLACE);
    write_weights(&place, &[("arch", ARCH), ("source", "timm/resnet18.tv_in1k (sha256 0)")]);
    let before = fs::read(&place).unwrap();
    for flags in [&[][..], &["--dry-run"]] {
        let output = fetch(&home, ARCH, &mirror.address, flags);
        assert_eq!(output.status.code(), Some(1));
        let said = "holds other weights than resnet18:IMAGENET1K_V1, from timm/resnet18.tv_in1k (sha256 0); pass \
                    --overwrite to replace them";
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    fs::File::options().append(true).open(&place).unwrap().write_all(b"more").unwrap();
    let output = fetch(&home, ARCH, &mirror.address, &[]);
    assert!(stderr(&output).contains("pass --overwrite to fetch it again"), "{}", stderr(&output));
    assert!(mirror.requests().is_empty() && fs::read(&place).unwrap().starts_with(&before));
    assert_done(&fetch(&home, ARCH, &mirror.address, &["--overwrite"]));
    assert_eq!(metadata(&place)["weights"], "IMAGENET1K_V1");
}

#[test]
fn weights_beside_the_default_are_named_where_it_is_missing() {
    let home = Home::new();
    for file in ["resnet50-IMAGENET1K_V1.safetensors", "resnet50-hf.safetensors"] {
        write_weights(&home.place(file), &[]);
    }
    let line = ["activations", "photo.jpg", "--arch", "resnet50", "--taps", "fc", "--top", "1"];
    let (_, said) = support::expecting(2, &mut home.command(&line));
    let fetched = "pass --weights FILE, --weights resnet50:IMAGENET1K_V1 or --weights resnet50:hf (fetched),";
    assert!(said.contains(fetched), "{said}");
}

//! Weights files that were damaged on purpose: whatever their bytes say, reading them ends, in little memory, and in
//! weights or an error.

use std::path::Path;

use neuron_model::Weights;
use neuron_model::weights::WeightTensor;
use proptest::prelude::*;
use proptest::sample::Index;

/// What one process may have taken at most: the limit on a pickle's values and some air.
const MAX_GROWTH_BYTES: u64 = 1 << 30;

/// One way in which bytes are damaged.
#[derive(Clone, Debug)]
enum Damage {
    /// Another value for a byte.
    Flip(Index, u8),
    /// The rest is gone.
    Cut(Index),
    /// A part of the file stands in another place, too.
    Splice { from: Index, to: Index, length: usize },
    /// Four or eight bytes, as lengths are, are as large as they can be.
    Huge { at: Index, long: bool },
    /// Eight bytes are a length a little larger than it may be.
    Near { at: Index, length: u64 },
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let overwrite = |bytes: &mut Vec<u8>, at: usize, new: &[u8]| {
            for (byte, new) in bytes[at..].iter_mut().zip(new) {
                *byte = *new;
            }
        };
        match self {
            Self::Flip(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Splice { from, to, length } => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from..bytes.len().min(from + length)].to_vec();
                bytes.splice(to..to, part);
            }
            Self::Huge { at, long } => {
                let at = at.index(bytes.len());
                overwrite(bytes, at, if *long { &[0xff; 8] } else { &[0xff, 0xff, 0xff, 0x7f] });
            }
            Self::Near { at, length } => {
                let at = at.index(bytes.len());
                overwrite(bytes, at, &length.to_le_bytes());
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        1 => index().prop_map(Damage::Cut),
        2 => (index(), index(), 1..64usize).prop_map(|(from, to, length)| Damage::Splice { from, to, length }),
        2 => (index(), any::<bool>()).prop_map(|(at, long)| Damage::Huge { at, long }),
        1 => (index(), 0..4096u64).prop_map(|(at, length)| Damage::Near { at, length }),
    ]
}

/// `{"model": {"fc.weight": <six floats>}, "args": Namespace(lr=1)}`, as protocol 2 writes it.
fn pickle() -> Vec<u8> {
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let tensor = [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text("0"),
        &text("cpu"),
        b"K\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat();
    let namespace = [&b"cargparse\nNamespace\n)\x81}"[..], &text("lr"), b"K\x01sb"].concat();
    let model = [&b"}q\0"[..], &text("fc.weight"), &tensor, b"s"].concat();
    [&b"\x80\x02}("[..], &text("model"), &model, &text("args"), &namespace, b"u."].concat()
}

fn six_floats() -> Vec<u8> {
    (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect()
}

/// The checkpoint in its zip form, around an intact or a damaged pickle.
fn zip(pickle: &[u8]) -> Vec<u8> {
    use std::io::{Cursor, Write};
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, data) in [("net/data.pkl", pickle), ("net/data/0", &six_floats())] {
        archive.start_file(name, stored).unwrap();
        archive.write_all(data).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The checkpoint in its legacy form.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let start = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let keys = b"\x80\x02]X\x01\0\0\x000a.";
    [&start[..], pickle, keys, &6u64.to_le_bytes(), &six_floats()].concat()
}

fn safetensors() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    let tensors = ["module.fc.weight", "module.fc.bias"]
        .map(|name| (name.to_owned(), WeightTensor::new([2, 3], vec![0.5; 6])));
    Weights::from_tensors(tensors, [("mean".to_owned(), "0,0,0".to_owned())].into()).save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// The most memory that this process has asked for so far, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

fn open(bytes: &[u8]) -> Result<Weights, neuron_model::ModelError> {
    Weights::from_bytes(bytes, Path::new("w"))
}

#[test]
fn what_is_damaged_below_is_sound() {
    for bytes in [zip(&pickle()), legacy(&pickle()), safetensors()] {
        let weights = open(&bytes).unwrap();
        assert!(weights.names().any(|name| name == "fc.weight"), "{:?}", weights.names().collect::<Vec<_>>());
    }
}

#[test]
fn a_name_of_very_many_words_is_read_in_time() {
    let words = "module.".repeat(100_000);
    let header = format!(r#"{{"{words}w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
    let started = std::time::Instant::now();
    let weights = open(&bytes).unwrap();
    assert!(weights.names().eq(["w"]));
    // Milliseconds; minutes if every word is compared with all before it once more.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn damaged_files_end_in_weights_or_an_error(
        form in 0..5,
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let before = peak_bytes();
        let damaged = |mut bytes: Vec<u8>| {
            damages.iter().for_each(|damage| damage.apply(&mut bytes));
            bytes
        };
        let bytes = match form {
            0 => zip(&damaged(pickle())),
            1 => damaged(zip(&pickle())),
            2 => legacy(&damaged(pickle())),
            3 => damaged(legacy(&pickle())),
            _ => damaged(safetensors()),
        };
        if let Err(error) = open(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
        if let (Some(before), Some(after)) = (before, peak_bytes()) {
            prop_assert!(after - before < MAX_GROWTH_BYTES, "{} MiB", (after - before) >> 20);
        }
    }
}

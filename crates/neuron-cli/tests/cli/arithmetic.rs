//! Results remember whose arithmetic they are of: what does not say it is of the CPU in f32, and nothing is mixed.

use std::fs;
use std::path::{Path, PathBuf};

use neuron_model::{Weights, has_matrix_instructions};
use serde_json::{Map, Value};

use crate::support::{self, Room, assert_same_files, files};

/// By which identities say it, and how the runs of these tests do.
const FIELD: &str = "device";
const OURS: &str = "cpu f32";
/// That of a GPU.
const OTHER: &str = "cuda tf32";

/// Lists for those who read them, and what reads them.
const LISTS: &str = "select-images --data photos --channels 0-3 --topk-images 4";
const PATCHES: &str = "extract-patches --data photos --channels 0,2 --topk-patches 2";
const BASELINE: &str = "baseline --data photos --layer layer4 --channels 0,2 --topk-patches 2";

/// What an identity says becomes `arithmetic`, or nothing.
fn set(identity: &mut Value, arithmetic: Option<&str>) {
    let identity = identity.as_object_mut().expect("an identity is an object");
    assert_eq!(identity.get(FIELD), Some(&Value::from(OURS)));
    match arithmetic {
        Some(name) => identity.insert(FIELD.to_owned(), name.into()),
        None => identity.remove(FIELD),
    };
}

/// Changes the header of a scan's checkpoint, and checks its checksum anew.
fn change_header(path: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = fs::read(path).unwrap();
    let len = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let (start, rest) = (&bytes[..12], &bytes[20 + len + 4..]);
    let mut header = serde_json::from_slice(&bytes[20..20 + len]).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    let checksum = crc32fast::hash(&header).to_le_bytes();
    fs::write(path, [start, &(header.len() as u64).to_le_bytes(), &header, &checksum, rest].concat())
        .unwrap();
}

/// The one file below a folder whose name holds `part`.
fn only(folder: &Path, part: &str) -> PathBuf {
    let found: Vec<PathBuf> =
        files(folder).into_keys().filter(|path| path.to_str().unwrap().contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {found:?}");
    folder.join(&found[0])
}

#[test]
fn scans_without_the_field_resume_and_merge_and_those_with_another_do_not() {
    let room = Room::new(2, 3);
    for (at, scan) in [LISTS, BASELINE, PATCHES].into_iter().enumerate() {
        // Patches are made where the lists are.
        let folder = |name: &str| {
            let own = format!("{name}{at}");
            if scan != PATCHES {
                return own;
            }
            let lists = room.path(&own).join("resnet10_demo/neuron_layer4");
            if !lists.exists() {
                room.run(0, &format!("{LISTS} --out {own}"));
            }
            lists.display().to_string()
        };
        let [whole, shards, merged, mixed] = ["whole", "shards", "merged", "mixed"].map(folder);
        room.run(0, &format!("{scan} --out {whole}"));
        for shard in ["1/2", "2/2"] {
            room.run(0, &format!("{scan} --out {shards} --shard {shard}"));
        }
        let first = only(&room.path(&shards), ".shard-1");
        let merge = |into: &str, code| room.run(code, &format!("merge {into} {shards}"));
        let resume = |code| room.run(code, &format!("{scan} --out {shards} --shard 1/2 --resume"));

        // As if it had been stopped at its end, by a version that did not write the field.
        change_header(&first, |header| {
            set(&mut header["identity"], None);
            header["complete"] = false.into();
        });
        resume(0);
        change_header(&first, |header| set(&mut header["identity"], None));
        merge(&merged, 0);
        // Manifests of patches name the folder of their lists.
        let mut expected = files(&room.path(&whole));
        for (name, bytes) in &mut expected {
            if name.ends_with("manifest.json") {
                *bytes = String::from_utf8_lossy(bytes).replace("whole2/", "shards2/").into_bytes();
            }
        }
        assert!(files(&room.path(&merged)) == expected, "{scan}");

        resume(0);
        change_header(&first, |header| {
            header["identity"][FIELD] = OTHER.into();
            header["complete"] = false.into();
        });
        let said = resume(1);
        assert!(said.contains("device: cuda tf32 -> cpu f32") && said.contains("--overwrite"), "{said}");
        change_header(&first, |header| header["complete"] = true.into());
        let said = merge(&mixed, 1);
        assert!(said.contains("device: cuda tf32 -> cpu f32") && said.contains("make it again"), "{said}");
    }
}

#[test]
fn a_result_is_taken_for_the_run_by_its_arithmetic() {
    let room = Room::new(2, 3);
    let scan = format!("{LISTS} --out lists --resume");
    room.run(0, &scan);
    let manifest = room.path("lists/resnet10_demo/neuron_layer4/manifest.json");
    let written: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for (arithmetic, code, expected) in
        [(None, 0, "already complete"), (Some(OTHER), 1, "device: cuda tf32 -> cpu f32")]
    {
        let mut changed = written.clone();
        set(&mut changed["scan"], arithmetic);
        fs::write(&manifest, changed.to_string()).unwrap();
        let said = room.run(code, &scan);
        assert!(said.contains(expected), "{said}");
    }

    room.run(0, "activations photos/class0/photo000.png --layer layer4 --reduce max --out a.safetensors");
    assert_eq!(Weights::open(&room.path("a.safetensors")).unwrap().metadata()[FIELD], OURS);
}

/// Changes the inputs that a checkpoint of `fvis` remembers.
fn change_inputs(path: &Path, change: impl FnOnce(&mut Value)) {
    const STATE: &str = "neuron-fvis-checkpoint-2";
    let bytes = fs::read(path).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    let entry = &mut header["__metadata__"][STATE];
    let mut state: Value = serde_json::from_str(entry.as_str().unwrap()).unwrap();
    let mut inputs: Value = serde_json::from_str(state["inputs"].as_str().unwrap()).unwrap();
    change(&mut inputs);
    state["inputs"] = inputs.to_string().into();
    *entry = state.to_string().into();
    let mut header = serde_json::to_vec(&header).unwrap();
    header.resize(header.len().next_multiple_of(8), b' ');
    fs::write(path, [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + len..]].concat()).unwrap();
}

#[test]
fn pictures_go_on_without_the_field_and_not_with_another() {
    let room = Room::new(2, 3);
    room.run(0, &format!("{LISTS} --out ."));
    room.run(0, &format!("{PATCHES} --out resnet10_demo/neuron_layer4"));
    let fvis = "fvis --layer layer4 --topk-dir resnet10_demo/neuron_layer4 --channels 0 --num-real-img 2 --steps 4 --resolution 48 \
                --exp-name x --out";
    room.run(0, &format!("{fvis} whole"));
    let checkpoint = room.path("parts/x.checkpoint");

    room.run(0, &format!("{fvis} parts --stop-after 2"));
    let stopped = fs::read(&checkpoint).unwrap();
    change_inputs(&checkpoint, |inputs| set(inputs, Some(OTHER)));
    let said = room.run(1, &format!("{fvis} parts --resume"));
    assert!(said.contains("device: cuda tf32 -> cpu f32") && said.contains("--overwrite"), "{said}");

    fs::write(&checkpoint, stopped).unwrap();
    change_inputs(&checkpoint, |inputs| set(inputs, None));
    room.run(0, &format!("{fvis} parts --resume"));
    assert_same_files(&room.path("whole"), &room.path("parts"));

    let path = room.path("parts/x.json");
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (arithmetic, code, expected) in
        [(None, 0, "already complete"), (Some(OTHER), 1, "device: cuda tf32 -> cpu f32")]
    {
        let mut record = written.clone();
        set(&mut record["inputs"], arithmetic);
        fs::write(&path, record.to_string()).unwrap();
        let said = room.run(code, &format!("{fvis} parts --resume"));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_the_cpu_does_not_compute_in_a_precision_is_refused() {
    let room = Room::new(1, 2);
    room.run(0, &format!("{LISTS} --out ."));
    let fvis = "fvis --layer layer4 --topk-dir resnet10_demo/neuron_layer4 --channels 0 --data photos --out pictures";
    let attribute = "attribute photos/class0/photo000.png --channel 3 --layer layer4 --out heat";
    for line in [fvis, attribute] {
        let said = room.run(2, &format!("{line} --device cpu --precision bf16"));
        assert!(said.contains("only forward passes") && said.contains("take f32"), "{said}");
    }
    let code = if has_matrix_instructions() { 0 } else { 2 };
    let said = room.run(code, &format!("{LISTS} --out nearly --device cpu --precision bf16x3"));
    assert!(code == 0 || (said.contains("AMX") && said.contains("NEURON_ISA")), "{said}");
    let mut slowly = room.command(&format!("{LISTS} --out slowly --device cpu --precision bf16x3"));
    support::expecting(0, slowly.env("NEURON_ISA", "portable"));
    if code == 0 {
        assert_same_files(&room.path("nearly"), &room.path("slowly"));
    }
}

/// Pictures and heat maps in bf16x3 are near those of f32, and their bits are the same with and without AMX.
#[test]
fn walks_back_in_bf16x3_are_nearly_those_of_f32() {
    let room = Room::new(2, 3);
    room.run(0, &format!("{LISTS} --out ."));
    room.run(0, &format!("{PATCHES} --out resnet10_demo/neuron_layer4"));
    let fvis = "fvis --layer layer4 --topk-dir resnet10_demo/neuron_layer4 --channels 0 --num-real-img 2 --steps 2 --resolution 48 \
                --exp-name x --device cpu";
    let attribute = "attribute photos/class0/photo000.png --channel 3 --layer layer4 --device cpu";
    room.run(0, &format!("{fvis} --out exact"));
    let by_isa = |isa: Option<&str>, out: &str| {
        for line in [fvis, attribute] {
            let mut command = room.command(&format!("{line} --precision bf16x3 --out {out}"));
            if let Some(isa) = isa {
                command.env("NEURON_ISA", isa);
            }
            support::expecting(0, &mut command);
        }
    };
    by_isa(Some("portable"), "slowly");
    let loss = |folder: &str| {
        let losses = files(&room.path(folder))
            .into_values()
            .filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok()?["loss"][0].as_f64());
        losses.reduce(f64::max).expect("a record with a loss")
    };
    let (exact, nearly) = (loss("exact"), loss("slowly"));
    assert!((exact - nearly).abs() < 1e-3 * exact.abs(), "{nearly} instead of {exact}");
    if has_matrix_instructions() {
        by_isa(None, "quickly");
        assert_same_files(&room.path("quickly"), &room.path("slowly"));
    }
}

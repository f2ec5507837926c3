//! `neuron plan`: what a scan takes that is divided among tasks.

use serde_json::Value;

use crate::support::{ARCH, Room, expecting, neuron};

/// Plans a scan of [`ARCH`]; the plan must end with `code`. Returns stdout and stderr.
fn plan(room: &Room, code: i32, flags: &[&str], scan: &str) -> (String, String) {
    let mut command = neuron(&[&["plan"], flags, &["--"]].concat());
    command.args(scan.split_whitespace()).args(["--arch", ARCH, "--weights", "random.safetensors"]);
    expecting(code, command.current_dir(room.path("")))
}

const SCAN: &str =
    "select-images --data photos --layer layer3,layer4 --channels 0-9 --topk-images 5 --out out";

#[test]
fn every_image_is_in_one_task_and_nothing_is_written() {
    let room = Room::new(2, 5);
    let (stdout, _) = plan(&room, 0, &["--shards", "3", "--json"], SCAN);
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let mut next = 0;
    for (at, task) in plan["tasks"].as_array().unwrap().iter().enumerate() {
        assert_eq!(task["shard"], format!("{}/3", at + 1));
        assert_eq!(number(&task["first"]), next);
        assert!(number(&task["images"]) <= number(&plan["images_per_task"]));
        next += number(&task["images"]);
    }
    assert_eq!((next, number(&plan["images_per_task"])), (10, 4));
    // No task keeps more than it sees: 2 layers of 10 channels, 4 images each.
    assert_eq!(plan["disk_bytes_per_task"], 2.0 * 10.0 * 4.0 * 15.0);
    assert!(plan["seconds_per_task"].as_f64().unwrap() > 0.0);
    let sbatch: Vec<&str> =
        plan["sbatch"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(sbatch[0], "--array=0-2");
    for option in ["--cpus-per-task=", "--mem=", "--time="] {
        assert!(sbatch.iter().any(|line| line.starts_with(option)), "{option}: {sbatch:?}");
    }
    assert!(!room.path("out").exists());
}

#[test]
fn the_text_says_what_to_submit_and_where_the_time_was_measured() {
    let room = Room::new(2, 5);
    let scan = "select-images --data photos --layer layer4 --out out";
    let (text, _) = plan(&room, 0, &["--shards", "4"], scan);
    for expected in [
        "tasks       4, each of 3 images at most",
        "on this machine with",
        "#SBATCH --array=0-3\n",
        &format!("sbatch neuron.sbatch {scan} --arch {ARCH}"),
        &format!("neuron merge RESULTS out/{ARCH}'"),
    ] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[test]
fn each_scan_can_be_planned_and_nothing_else() {
    let room = Room::new(2, 3);
    let tasks = |scan: &str| {
        let (stdout, _) = plan(&room, 0, &["--shards", "2", "--json"], scan);
        let plan: Value = serde_json::from_str(&stdout).unwrap();
        (plan["of"].as_str().unwrap().to_owned(), plan["tasks"].as_array().unwrap().len())
    };
    assert_eq!(tasks("baseline --data photos --channels 3 --patch-size 32"), ("baseline".to_owned(), 2));
    room.run(0, "select-images --data photos --channels 0-3 --out lists");
    let patches = format!("extract-patches --out lists/{ARCH}/neuron_layer4 --channels 3 --patch-size 32");
    assert_eq!(tasks(&patches), ("extract-patches".to_owned(), 2));
    std::fs::write(room.path("flags.toml"), "[select-images]\ndata = 'photos'\n").unwrap();
    assert_eq!(tasks("select-images --config flags.toml"), ("select-images".to_owned(), 2));
    for (scan, told) in [
        ("fvis", "select-images, extract-patches or baseline"),
        ("select-images --data photos --shard 1/2", "leave out --shard"),
        ("select-images --dta photos", "the scan to be planned: unexpected argument '--dta'"),
    ] {
        let (_, stderr) = plan(&room, 2, &["--shards", "2"], scan);
        assert!(stderr.contains(told), "{scan}: {stderr}");
    }
}

//! `neuron merge` where shards are missing or not finished.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{ARCH, Room, assert_same_files, expecting, neuron};

const SCANS: [&str; 2] = [
    "select-images --data photos --layer layer3,layer4 --topk-images 7",
    "baseline --data photos --layer layer4 --channels 0,3 --patch-size 32 --topk-patches 6",
];

/// Runs the commands that an error of `merge` names, as a shell would read them.
fn run_what_is_told(room: &Room, stderr: &str) -> usize {
    let lines = stderr.lines().filter_map(|line| line.strip_prefix("    neuron "));
    let run = |line: &str| {
        let mut command = neuron(&[]);
        command.args(shlex::split(line).unwrap()).args(["--weights", "random.safetensors"]);
        expecting(0, command.current_dir(room.path("")));
    };
    lines.map(run).count()
}

#[test]
fn the_commands_that_are_told_make_what_is_missing() {
    for scan in SCANS {
        let room = Room::new(2, 5);
        room.run(0, &format!("{scan} --out whole"));
        room.run(0, &format!("{scan} --out parts --shard 2/3"));
        let stderr = room.run(1, "merge merged parts");
        assert!(stderr.contains("2 of 3 shards cannot be merged yet"), "{stderr}");
        assert!(
            stderr.contains("shard 1/3 is missing") && stderr.contains("shard 3/3 is missing"),
            "{stderr}"
        );
        assert!(!room.path("merged").exists());
        assert_eq!(run_what_is_told(&room, &stderr), 2);
        room.run(0, "merge merged parts");
        assert_same_files(&room.path("whole"), &room.path("merged"));
    }
}

#[test]
fn an_unfinished_shard_is_told_with_how_far_it_came() {
    let room = Room::new(2, 40);
    let scan = SCANS[0];
    room.run(0, &format!("{scan} --out parts --shard 1/2"));
    let slow = format!("{scan} --out parts --shard 2/2 --batch-size 1 --threads 1 --checkpoint-every 0");
    let mut child = room.command(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let state = room.path(&format!("parts/{ARCH}/select-images_layer3+layer4.shard-2-of-2"));
    let deadline = Instant::now() + Duration::from_secs(120);
    while !state.exists() {
        assert!(Instant::now() < deadline, "no checkpoint after two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let stderr = room.run(1, "merge merged parts");
    assert!(
        stderr.contains("shard 2/2 is not finished") && stderr.contains("of 40 images are done"),
        "{stderr}"
    );
    assert!(stderr.contains("--shard 2/2 --resume"), "{stderr}");
    assert_eq!(run_what_is_told(&room, &stderr), 1);
    room.run(0, "merge merged parts");
    room.run(0, &format!("{scan} --out whole"));
    assert_same_files(&room.path("whole"), &room.path("merged"));
}

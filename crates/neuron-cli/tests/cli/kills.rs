//! Commands that are killed again and again, at any moment, end with the bytes of one that was left alone, and with no
//! file beside them. `NEURON_KILLS` says how often each is killed; `scripts/kills.sh` does it many times.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{ARCH, Noise, Room, assert_same_files, expecting, neuron};

/// Two rooms with the same names in them, so that equal runs write equal bytes.
struct Rooms(Room);

impl Rooms {
    fn new() -> Self {
        let root = Room::new(3, 8);
        for room in ["whole", "killed"] {
            fs::create_dir(root.path(room)).unwrap();
        }
        Self(root)
    }

    fn room(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Runs a command in both rooms: to its end in one, with kills in the other.
    fn compare(&self, line: &str) {
        let whole = run(&self.room("whole"), line);
        let mut noise = Noise::new(line.len() as u64);
        for _ in 0..kills() {
            // Later than the end as well: then there is a result to come back to.
            kill_after(&self.room("killed"), line, whole.mul_f32(1.2 * noise.next()));
        }
        run(&self.room("killed"), line);
        assert_same_files(&self.room("whole"), &self.room("killed"));
    }
}

/// How often each command is killed.
fn kills() -> usize {
    std::env::var("NEURON_KILLS").map_or(4, |kills| kills.parse().expect("NEURON_KILLS is a number"))
}

fn command(room: &Path, line: &str) -> std::process::Command {
    let mut command = neuron(&line.split_whitespace().collect::<Vec<_>>());
    command.args([
        "--arch",
        ARCH,
        "--weights",
        "../random.safetensors",
        "--threads",
        "2",
        "--quiet",
        "--resume",
    ]);
    command.current_dir(room).stdin(Stdio::null());
    command
}

fn run(room: &Path, line: &str) -> Duration {
    let started = Instant::now();
    expecting(0, &mut command(room, line));
    started.elapsed()
}

fn kill_after(room: &Path, line: &str, time: Duration) {
    let mut child = command(room, line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(time);
    // It may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
}

const SELECT: &str = "select-images --data ../photos --target-layer layer3,layer4 --topk-images 6 --batch-size 2 \
                      --checkpoint-every 0 --out lists";

#[test]
fn select_images_survives_kills() {
    Rooms::new().compare(SELECT);
}

#[test]
fn extract_patches_survives_kills() {
    let rooms = Rooms::new();
    for room in ["whole", "killed"] {
        run(&rooms.room(room), SELECT);
    }
    rooms.compare(
        "extract-patches --save-dir lists/resnet10_demo/neuron_layer4 --channels 0-7 --topk-patches 4 --patch-size 24 \
         --save-patches --batch-size 1 --checkpoint-every 0",
    );
}

#[test]
fn fvis_survives_kills() {
    let rooms = Rooms::new();
    for room in ["whole", "killed"] {
        run(&rooms.room(room), SELECT);
        run(
            &rooms.room(room),
            "extract-patches --save-dir lists/resnet10_demo/neuron_layer4 --channels 0,1 --topk-patches 4",
        );
    }
    rooms.compare(
        "fvis --layer layer4 --channels 0,1 --topk-dir lists/resnet10_demo/neuron_layer4 --epochs 25 --resolution 48 \
         --exp-name x --checkpoint-every 0 --save-every 5",
    );
}

//! Every command where its surroundings are hostile: readers that go away, full disks, paths that are anything but
//! what was expected. Whatever happens, it ends, with an exit code of its own, and never by a panic.
#![cfg(unix)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::{ARCH, draw_photos, expecting, neuron, random_weights};

/// Longer than any of these commands takes; a hang is what it is there for.
const DEADLINE: Duration = Duration::from_secs(120);
const EXIT_CODES: [i32; 4] = [0, 1, 2, 3];

/// Commands that work as they stand in a folder made by [`surroundings`]. `{}` is replaced by a place for output.
const COMMANDS: [&str; 15] = [
    "select-images --data photos --channels 0-3 --topk-images 4 --out {}",
    "extract-patches --save-dir lists/resnet10_demo/neuron_layer4 --channels 0,1 --topk-patches 2 --overwrite",
    "baseline --data photos --target-layer layer4 --chs 0 --split-n 1 --topk-patches 2 --out {}",
    "fvis --layer layer4 --channel 0 --topk-dir lists/resnet10_demo/neuron_layer4 --epochs 1 --resolution 32 \
     --folder-name {}",
    "activations photos/class0/photo000.png --taps layer4,fc --reduce max --top 2 --out {}",
    "attribute photos/class0/photo000.png --layer layer4 --channel 0 --out {}",
    "atlas lists --out {}",
    "layers",
    "weights inspect random.safetensors",
    "weights convert random.safetensors {}",
    "merge {} shards",
    "completions bash",
    "man {}",
    "select-images --data photos --dry-run --json",
    "fvis --layer layer4 --channel 0 --topk-dir lists/resnet10_demo/neuron_layer4 --dry-run",
];

/// A folder with weights, photos, lists and shards.
fn surroundings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    random_weights(folder.path());
    draw_photos(folder.path(), 2, 2);
    for line in [
        "select-images --data photos --channels 0-3 --topk-images 4 --out lists",
        "extract-patches --save-dir lists/resnet10_demo/neuron_layer4 --channels 0 --topk-patches 2",
        "select-images --data photos --channels 0-3 --shard 1/2 --out shards",
        "select-images --data photos --channels 0-3 --shard 2/2 --out shards",
    ] {
        expecting(0, &mut command(folder.path(), &words(line, "")));
    }
    folder
}

fn words(line: &str, out: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| if word == "{}" { out.into() } else { word.into() }).collect()
}

fn command(folder: &Path, arguments: &[OsString]) -> Command {
    let mut command = neuron(&[]);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let name = arguments[0].to_str().unwrap();
    let of_network =
        ["select-images", "extract-patches", "baseline", "fvis", "activations", "attribute", "layers"];
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if of_network.contains(&name) {
        command.args(["--arch", ARCH]);
        if !given("--weights") {
            command.args(["--weights", "random.safetensors"]);
        }
    }
    command
}

/// Waits for the end, which must come in time.
fn ended(command: &mut Command) -> ExitStatus {
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Somebody who reads nothing and is gone already.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn what_nobody_reads_changes_nothing() {
    let folder = surroundings();
    for (at, line) in COMMANDS.iter().enumerate() {
        let run = |way: &str, set: &dyn Fn(&mut Command)| {
            let mut command = command(folder.path(), &words(line, &format!("out-{at}-{way}")));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            set(&mut command);
            let status = ended(&mut command);
            assert_eq!(status.signal(), None, "{line} ({way})");
            status.code().unwrap()
        };
        let usual = run("usual", &|_| {});
        assert_eq!(usual, 0, "{line}");
        assert_eq!(run("stderr-gone", &|command| _ = command.stderr(gone())), usual, "{line}");
        assert_eq!(run("stderr-full", &|command| _ = command.stderr(full())), usual, "{line}");
        assert_eq!(run("stdout-gone", &|command| _ = command.stdout(gone())), usual, "{line}");
        // What was asked for cannot be had: that is a failure, but an orderly one.
        let code = run("stdout-full", &|command| _ = command.stdout(full()));
        assert!([0, 1].contains(&code), "{line}: {code}");
    }
    // A failure stays that failure where its message has no reader.
    for stderr in [gone(), full()] {
        let mut wrong = command(folder.path(), &words("select-images --data none", ""));
        assert_eq!(ended(wrong.stdout(Stdio::null()).stderr(stderr)).code(), Some(1));
    }
}

#[test]
fn one_signal_ends_a_command_that_waits_for_a_pipe() {
    let folder = surroundings();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    for line in [
        "select-images --data photos --config pipe",
        "select-images --data pipe",
        "activations photos/class0/photo000.png --taps fc --out pipe",
    ] {
        let mut waiting = command(folder.path(), &words(line, ""));
        let mut child = waiting.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Long enough for it to come to the pipe; if it were not there yet, the signal would end it all the same.
        std::thread::sleep(Duration::from_secs(2));
        assert!(child.try_wait().unwrap().is_none(), "{line} does not wait");
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let asked = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if asked.elapsed() > DEADLINE {
                child.kill().unwrap();
                panic!("{line} does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Paths that are not what a command expects, by a name for messages.
fn hostile_paths(folder: &Path) -> Vec<(&'static str, OsString)> {
    fs::create_dir(folder.join("empty folder")).unwrap();
    fs::create_dir(folder.join(OsStr::from_bytes(b"not utf8 \xe9"))).unwrap();
    fs::write(folder.join("empty file"), b"").unwrap();
    fs::write(folder.join("noise"), (0..4096u32).map(|at| (at * at / 7) as u8).collect::<Vec<_>>()).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    symlink("circle", folder.join("circle")).unwrap();
    vec![
        ("nothing there", "none/at/all".into()),
        ("an empty name", "".into()),
        ("a folder", "empty folder".into()),
        ("an empty file", "empty file".into()),
        ("noise", "noise".into()),
        ("a picture", "photos/class0/photo001.png".into()),
        ("not UTF-8", OsStr::from_bytes(b"not utf8 \xe9").to_owned()),
        ("nothing there, not UTF-8", OsStr::from_bytes(b"none \xe9").to_owned()),
        ("a line break", "two\nlines".into()),
        ("too long", "n".repeat(300).into()),
        ("a dangling link", "dangling".into()),
        ("a link to itself", "circle".into()),
        ("/dev/null", "/dev/null".into()),
        ("/dev/zero", "/dev/zero".into()),
        ("below a file", "noise/below".into()),
    ]
}

/// Which words of the commands are paths: the flags that take one, and places without a flag.
const PATH_FLAGS: [&str; 8] =
    ["--data", "--weights", "--out", "--save-dir", "--topk-dir", "--folder-name", "--config", "--start"];

#[test]
fn no_path_makes_a_command_panic_or_hang() {
    let folder = surroundings();
    let paths = hostile_paths(folder.path());
    let mut runs = 0;
    for (at, line) in COMMANDS.iter().enumerate() {
        for (number, (name, path)) in paths.iter().enumerate() {
            for mut arguments in with_path(line, &format!("made-{at}-{number}"), path) {
                arguments.extend(["--quiet".into()]);
                let mut command = command(folder.path(), &arguments);
                let errors = tempfile::tempfile().unwrap();
                let status = ended(command.stdout(Stdio::null()).stderr(errors.try_clone().unwrap()));
                let said = text(errors);
                let code = status.code();
                assert!(
                    code.is_some_and(|code| EXIT_CODES.contains(&code))
                        && !said.contains("panicked")
                        && !said.contains("defect"),
                    "{name}: {command:?}: {status}\n{said}"
                );
                // Who fails says why.
                assert_eq!(code == Some(1) || code == Some(2), said.contains("error"), "{command:?}\n{said}");
                runs += 1;
            }
        }
    }
    assert!(runs > 300, "only {runs} runs");
    for device in ["/dev/null", "/dev/zero", "/dev/full"] {
        assert!(!fs::metadata(device).unwrap().is_file(), "{device} was replaced");
    }
}

/// Flags that take numbers, by the command that they are tried with.
const NUMBERS: [(usize, &[&str]); 7] = [
    (
        0,
        &[
            "--topk-images",
            "--batch-size",
            "--split-n",
            "--channels",
            "--checkpoint-every",
            "--threads",
            "--max-pixels",
            "--shard",
        ],
    ),
    (1, &["--patch-size", "--topk-patches", "--grid-columns", "--channels", "--batch-size"]),
    (2, &["--patch-size", "--topk-patches", "--grid-columns", "--chs", "--split-n"]),
    (
        3,
        &[
            "--num-real-img",
            "--bs",
            "--jitter",
            "--lr",
            "--tv-l1",
            "--tv-l2",
            "--l2",
            "--feat-dist",
            "--setting-id",
            "--seed",
            "--save-every",
            "--layer-weights",
            "--resolution",
            "--channel",
            "--checkpoint-every",
            "--epochs",
        ],
    ),
    (4, &["--top", "--threads"]),
    (5, &["--channel"]),
    (6, &["--patches", "--images"]),
];

const EXTREMES: [&str; 12] = [
    "0",
    "-1",
    "1",
    "-0.0",
    "1e308",
    "nan",
    "inf",
    "",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "340282366920938463463374607431768211456",
];

#[test]
fn no_number_makes_a_command_panic_or_take_all_memory() {
    let folder = surroundings();
    let mut runs = 0;
    for (at, flags) in NUMBERS {
        for flag in flags {
            for (number, value) in EXTREMES.iter().enumerate() {
                let mut arguments = words(COMMANDS[at], &format!("made{flag}{number}"));
                arguments.extend([format!("{flag}={value}").into(), "--quiet".into()]);
                if at == 3 {
                    arguments.push("--stop-after=1".into());
                }
                let mut command = command(folder.path(), &arguments);
                let errors = tempfile::tempfile().unwrap();
                let status = ended(command.stdout(Stdio::null()).stderr(errors.try_clone().unwrap()));
                let said = text(errors);
                assert!(
                    status.code().is_some_and(|code| EXIT_CODES.contains(&code))
                        && !said.contains("panicked")
                        && !said.contains("defect"),
                    "{command:?}: {status}\n{said}"
                );
                runs += 1;
            }
        }
    }
    assert!(runs > 300, "only {runs} runs");
}

/// The command once for each path that it takes, with that one replaced; and once with each flag that names a file.
fn with_path(line: &str, out: &str, path: &OsStr) -> Vec<Vec<OsString>> {
    let usual = words(line, out);
    let mut changed = Vec::new();
    for at in 1..usual.len() {
        let is_positional =
            at == 1 + usize::from(usual[0] == "weights") && !usual[at].as_bytes().starts_with(b"-");
        if PATH_FLAGS.iter().any(|flag| usual[at - 1] == *flag) || is_positional {
            let mut arguments = usual.clone();
            arguments[at] = path.to_owned();
            changed.push(arguments);
        }
    }
    let mut more = vec!["--config"];
    if ["select-images", "layers"].iter().any(|name| usual[0] == *name) {
        more.push("--weights");
    }
    if usual[0] == "fvis" {
        more.push("--start");
    }
    for flag in more {
        changed.push(usual.iter().cloned().chain([flag.into(), path.to_owned()]).collect());
    }
    changed
}

fn text(mut file: fs::File) -> String {
    use std::io::Seek;
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

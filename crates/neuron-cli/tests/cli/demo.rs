//! `neuron demo` through the real binary: what it prints can be run, what it finds is right, and it can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use crate::support::{self, ARCH, expecting, files, neuron, run_expecting};

/// The network of another design.
const OTHER: &str = "densenet_demo";

/// Few pictures and steps: the demo's own are for people to look at.
const SMALL: [&str; 6] = ["--pictures", "12", "--units", "6", "--epochs", "3"];

fn demo(folder: &Path, more: &[&str]) -> (String, String) {
    expecting(0, neuron(&[&["demo", "--out", "out"], &SMALL[..], more].concat()).current_dir(folder))
}

/// The printed command lines, as a shell would read them, without `neuron`.
fn commands(stdout: &str) -> Vec<Vec<String>> {
    let lines = stdout.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let words = shlex::split(line).unwrap();
            assert_eq!(words[0], "neuron", "{line}");
            words[1..].to_vec()
        })
        .collect()
}

/// Classes of the images of the best patches, for every channel that `baseline` looked at.
fn classes_of_patches(layer: &Path, best: usize) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for channel in std::fs::read_dir(layer).unwrap() {
        let channel = channel.unwrap().path();
        let table = channel.join("top20/patches.parquet");
        if !table.is_file() {
            continue;
        }
        let reader = SerializedFileReader::new(std::fs::File::open(table).unwrap()).unwrap();
        let images = reader.get_row_iter(None).unwrap().take(best).map(|row| {
            let image = row.unwrap().get_string(2).unwrap().clone();
            image.split('/').next().unwrap().to_owned()
        });
        found.insert(channel.file_name().unwrap().to_string_lossy().into_owned(), images.collect());
    }
    found
}

#[test]
fn the_demo_finds_what_units_respond_to_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, stderr) = demo(folder.path(), &[]);
    let out = folder.path().join("out");

    let lines = commands(&stdout);
    let names: Vec<&str> = lines.iter().map(|line| line[0].as_str()).collect();
    assert_eq!(names, ["select-images", "extract-patches", "baseline", "fvis", "atlas"], "{stdout}{stderr}");
    for line in &lines {
        let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
        // As it stands: everything is there. And without the results it would be made.
        expecting(0, neuron(&arguments).current_dir(folder.path()));
        expecting(0, neuron(&[&arguments[..], &["--dry-run"]].concat()).current_dir(folder.path()));
    }

    assert!(out.join(ARCH).join("atlas/index.html").is_file());
    assert!(stdout.ends_with("# open out/resnet10_demo/atlas/index.html\n"), "{stdout}");
    units_respond_to_one_or_two_classes(&out, ARCH, "layer4");

    // Once more: the same commands, and not a byte changes.
    let before = files(&out);
    let (again, stderr) = demo(folder.path(), &[]);
    assert_eq!(again, stdout);
    assert!(stderr.contains("already complete"), "{stderr}");
    assert!(files(&out) == before, "a second run changed files");
}

/// Of twenty classes, two hold a tenth of the images: by chance the ten best patches would come from about eight.
fn units_respond_to_one_or_two_classes(out: &Path, arch: &str, layer: &str) {
    let units = classes_of_patches(&out.join(arch).join(format!("neuron_{layer}")), 10);
    assert_eq!(units.len(), 6);
    let classes = |images: &[String]| images.iter().collect::<BTreeSet<_>>().len();
    let specific = units.values().filter(|images| images.len() == 10 && classes(images) <= 2).count();
    assert!(specific >= 5, "{units:?}");
    let pictures = out.join(arch).join("fvis");
    for channel in units.keys() {
        let picture = pictures.join(format!("{layer}-3-steps_unit{channel}.png"));
        assert!(picture.is_file(), "no picture of {channel}");
    }
}

/// Two networks share the folder and the pictures in it, and no result.
#[test]
fn another_network_is_shown_without_a_word_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let first = ["demo", "--out", "out", "--pictures", "12", "--epochs", "1", "--units", "1"];
    expecting(0, neuron(&first).current_dir(folder.path()));
    let before = files(&out);

    let (stdout, _) = demo(folder.path(), &["--arch", OTHER]);
    assert!(stdout.ends_with("# open out/densenet_demo/atlas/index.html\n"), "{stdout}");
    units_respond_to_one_or_two_classes(&out, OTHER, "features.denseblock4");
    let mut after = files(&out);
    for (name, bytes) in &before {
        assert!(after.remove(name).as_ref() == Some(bytes), "{} changed", name.display());
    }
    let own = |name: &Path| name.starts_with(OTHER) || name == Path::new("densenet_demo.safetensors");
    assert!(after.keys().all(|name| own(name)), "{:?}", after.keys());
    let units = files(&out.join(OTHER).join("atlas/units"));
    assert!(!units.is_empty() && units.keys().all(|page| page.starts_with(OTHER)), "{:?}", units.keys());

    // What was done is told as it is typed.
    let (json, _) = demo(folder.path(), &["--arch", OTHER, "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&summary["arch"], &summary["output"]), (&OTHER.into(), &"out".into()));
    let told: Vec<_> =
        summary["commands"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let printed: Vec<_> = stdout.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(told, printed);
}

#[test]
fn a_network_without_weights_in_the_command_is_refused_with_those_that_have_them() {
    let (_, stderr) = run_expecting(2, &["demo", "--arch", "resnet50"]);
    assert!(stderr.contains("[possible values: resnet10_demo, densenet_demo]"), "{stderr}");
}

/// Other numbers are other data and other results: none is taken for the other, and nothing is spoilt on the way.
#[test]
fn another_number_of_pictures_needs_another_folder_or_overwriting() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        |pictures| ["demo", "--out", "out", "--epochs", "1", "--units", "1", "--pictures", pictures];
    expecting(0, neuron(&arguments("2")).current_dir(folder.path()));
    let (_, stderr) = expecting(1, neuron(&arguments("3")).current_dir(folder.path()));
    assert!(
        stderr.contains("holds a result of other settings") && stderr.contains("add --overwrite"),
        "{stderr}"
    );
    expecting(0, neuron(&arguments("2")).current_dir(folder.path()));
    expecting(0, neuron(&[&arguments("3")[..], &["--overwrite"]].concat()).current_dir(folder.path()));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, _) = demo(folder.path(), &["--dry-run"]);
    assert!(stdout.starts_with("# 240 pictures would be drawn into out/pictures-12\n"), "{stdout}");
    assert_eq!(commands(&stdout).len(), 5);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn files_of_others_stay_unless_they_may_be_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("demo.safetensors"), "mine").unwrap();
    let arguments = ["demo", "--pictures", "1", "--out", out.to_str().unwrap()];
    let (_, stderr) = run_expecting(1, &arguments);
    assert!(
        stderr.contains("demo.safetensors holds weights other than the demo's: add --overwrite"),
        "{stderr}"
    );
    assert_eq!(std::fs::read(out.join("demo.safetensors")).unwrap(), b"mine");
}

/// Asks the demo to stop as soon as `sign` appears, which must lead to exit code 130.
#[cfg(unix)]
fn interrupt_at(folder: &Path, sign: &str) {
    let arguments = [&["demo", "--out", "out"], &SMALL[..], &["--quiet"]].concat();
    let mut command = neuron(&arguments);
    let mut child = command.current_dir(folder).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !folder.join(sign).exists() {
        assert!(child.try_wait().unwrap().is_none(), "the demo ended before {sign} was there");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130), "{sign}");
}

#[cfg(unix)]
#[test]
fn a_demo_that_was_interrupted_goes_on_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let (stopped, whole) = (folder.path().join("stopped"), folder.path().join("whole"));
    for folder in [&stopped, &whole] {
        std::fs::create_dir(folder).unwrap();
    }
    interrupt_at(&stopped, "out/pictures-12/checks/checks-001.png");
    assert!(!stopped.join("out/demo.safetensors").exists(), "it stopped while it drew");
    interrupt_at(&stopped, "out/resnet10_demo/neuron_layer4/manifest.json");
    demo(&stopped, &[]);
    demo(&whole, &[]);
    support::assert_same_files(&stopped, &whole);
}

//! The three commands of the README, as they stand there, from an empty folder to a picture.

use std::fs;
use std::path::Path;

use crate::support::{expecting, neuron, reference};

/// The lines of the README's block that begins with `neuron select-images`.
fn commands() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let block = readme.split("```").find(|block| block.starts_with("sh\nneuron select-images"));
    let lines = block.expect("the README shows the commands").lines();
    lines.filter(|line| line.starts_with("neuron ")).map(str::to_owned).collect()
}

/// A folder with every so many-th class of the photos: all of them take minutes.
#[cfg(unix)]
fn link_some_classes(photos: &Path, folder: &Path) -> usize {
    fs::create_dir_all(folder.join("train")).unwrap();
    let mut classes: Vec<_> =
        fs::read_dir(photos.join("train")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    classes.sort();
    let some = classes.iter().step_by(13);
    for class in some.clone() {
        let (from, to) = (photos.join("train").join(class), folder.join("train").join(class));
        std::os::unix::fs::symlink(from, to).unwrap();
    }
    some.len()
}

#[cfg(unix)]
#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_the_commands_of_the_readme_lead_to_a_picture() {
    let shared = reference::folder();
    let folder = tempfile::tempdir().unwrap();
    let photos = link_some_classes(&shared.join("imagenet-sample"), &folder.path().join("imagenet"));

    let commands = commands();
    let names: Vec<&str> = commands.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["select-images", "extract-patches", "fvis"]);
    for line in &commands {
        let mut command = neuron(&line.split_whitespace().skip(1).collect::<Vec<_>>());
        if line.contains(" fvis ") {
            // The rest of the schedule takes minutes.
            command.args(["--stop-after", "2"]);
        }
        command.env("NEURON_WEIGHTS", shared.join("weights/resnet50-v1.safetensors"));
        expecting(0, command.current_dir(folder.path()));
    }

    let unit = folder.path().join("resnet50/neuron_layer4/161");
    let lines = |name: &str| fs::read_to_string(unit.join(name)).unwrap().lines().count();
    assert_eq!((lines("files_all.txt"), lines("topk_files.txt")), (photos, 50));
    for picture in [unit.join("patches.png"), folder.path().join("images/resnet50_layer4_2_unit161.png")] {
        assert!(image::open(&picture).is_ok(), "{}", picture.display());
    }
}

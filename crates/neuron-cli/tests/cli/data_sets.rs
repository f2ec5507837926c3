//! What people's own folders and files do to a scan: it skips, says what it leaves out, and never waits.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{ARCH, draw_photos, expecting, neuron, random_weights};

/// A folder with weights and drawn photos.
struct Setup {
    folder: tempfile::TempDir,
    weights: PathBuf,
}

impl Setup {
    fn new(classes: usize, per_class: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let weights = random_weights(folder.path());
        draw_photos(folder.path(), classes, per_class);
        Self { folder, weights }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn photo(&self, number: usize) -> PathBuf {
        self.path(&format!("photos/class0/photo{number:03}.png"))
    }

    /// Runs `select-images` in a folder, which must exit with `code`; returns stdout and stderr.
    fn select(&self, folder: &str, code: i32, more: &[&str]) -> (String, String) {
        let mut command = neuron(&["select-images", "--arch", ARCH, "--channels", "0,3"]);
        command.arg("--weights").arg(&self.weights).args(more).current_dir(self.path(folder));
        expecting(code, &mut command)
    }
}

fn list(folder: &Path) -> Vec<String> {
    let list = fs::read_to_string(folder.join(ARCH).join("neuron_layer4/0/files_all.txt")).unwrap();
    let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_command_never_sees_what_another_wrote() {
    let setup = Setup::new(1, 3);
    let folder = "photos/class0";
    setup.select(folder, 0, &["--data", ".", "--target-layer", "layer3"]);
    let mut patches =
        neuron(&["extract-patches", "--arch", ARCH, "--target-layer", "layer3", "--channels", "0,3"]);
    let save_dir = format!("{ARCH}/neuron_layer3");
    patches.args(["--data", ".", "--topk-patches", "2", "--save-patches", "--save-dir", &save_dir]);
    expecting(0, patches.arg("--weights").arg(&setup.weights).current_dir(setup.path(folder)));
    let (_, said) = setup.select(folder, 0, &["--data", "."]);
    assert_eq!(list(&setup.path(folder)), ["./photo000.png", "./photo001.png", "./photo002.png"]);
    assert!(said.contains("left out: 1 folder of results, such as `resnet10_demo/neuron_layer3`"), "{said}");

    // The results are part of neither the set nor its fingerprint.
    let (_, said) = setup.select(folder, 0, &["--data", ".", "--resume"]);
    assert!(!said.contains("other settings"), "{said}");
}

#[test]
fn a_class_called_train_is_scanned_with_the_others_and_that_is_said() {
    let setup = Setup::new(3, 2);
    fs::rename(setup.path("photos/class1"), setup.path("photos/train")).unwrap();
    let (_, said) = setup.select("", 0, &["--data", "photos"]);
    assert_eq!(list(&setup.path("")).len(), 6);
    assert!(said.contains("`train` is read as a class"), "{said}");

    let (plan, _) = setup.select("", 0, &["--data", "photos", "--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!((&plan["images"], plan["notices"].as_array().unwrap().len()), (&6.into(), 1));
    let (plan, _) = setup.select("", 0, &["--data", "photos", "--dry-run"]);
    assert!(plan.contains("note        `train` is read as a class"), "{plan}");

    let (_, said) = setup.select("", 1, &["--data", "photos", "--split", "train", "--out", "other"]);
    assert!(said.contains("both are classes"), "{said}");
    let (_, said) = setup.select("", 0, &["--data", "photos", "-q", "--out", "quiet"]);
    assert_eq!(said, "");
}

#[cfg(unix)]
#[test]
fn what_is_no_picture_at_all_is_skipped_and_listed() {
    let setup = Setup::new(1, 2);
    let folder = setup.path("photos/class0");
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe.jpg")).status().unwrap().success());
    fs::copy(setup.photo(0), folder.join("two\nlines.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("gone.jpg")).unwrap();
    setup.select("", 3, &["--data", "photos"]);
    assert_eq!(list(&setup.path("")).len(), 2);
    let skipped = fs::read_to_string(setup.path(ARCH).join("neuron_layer4/skipped.tsv")).unwrap();
    for expected in
        ["pipe.jpg\tnot a regular file but a pipe", "two\\nlines.png\tthe name", "gone.jpg\tcannot read"]
    {
        assert!(skipped.contains(expected), "{skipped}");
    }
}

#[test]
fn lists_are_read_as_editors_save_them() {
    let setup = Setup::new(1, 2);
    let marked = "\u{feff}photos/class0/photo000.png\r\nphotos/class0/photo001.png\r\n";
    fs::write(setup.path("marked.txt"), marked).unwrap();
    setup.select("", 0, &["--data", "marked.txt"]);
    assert_eq!(list(&setup.path("")).len(), 2);

    let utf16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(setup.path("utf16.txt"), utf16).unwrap();
    let photo = setup.photo(0);
    for (data, looks_like) in [(setup.path("utf16.txt"), "UTF-16"), (photo, "a PNG picture")] {
        let (_, said) = setup.select("", 1, &["--data", data.to_str().unwrap(), "--out", "other"]);
        assert!(said.contains("not a text file of paths") && said.contains(looks_like), "{said}");
    }
}

#[test]
fn configurations_and_lists_of_units_may_begin_with_a_mark() {
    let setup = Setup::new(1, 2);
    fs::write(setup.path("neuron.toml"), "\u{feff}channels = \"3\"\r\n").unwrap();
    let mut layers =
        neuron(&["select-images", "--config", "neuron.toml", "--arch", ARCH, "--data", "photos"]);
    expecting(0, layers.arg("--weights").arg(&setup.weights).current_dir(setup.path("")));
    let list = setup.path(ARCH).join("neuron_layer4/3/files_all.txt");
    let marked = format!("\u{feff}{}", fs::read_to_string(&list).unwrap());
    fs::write(&list, marked).unwrap();
    let save_dir = format!("{ARCH}/neuron_layer4");
    let mut patches =
        neuron(&["extract-patches", "--arch", ARCH, "--channels", "3", "--save-dir", &save_dir]);
    expecting(0, patches.arg("--weights").arg(&setup.weights).current_dir(setup.path("")));
}

#[test]
fn the_largest_picture_is_a_matter_of_a_flag() {
    let setup = Setup::new(1, 2);
    let (height, width) =
        image::image_dimensions(setup.photo(1)).map(|(width, height)| (height, width)).unwrap();
    let all = (height * width).to_string();
    let some = (height * width - 1).to_string();
    setup.select("", 0, &["--data", "photos", "--max-pixels", &all]);
    setup.select("", 3, &["--data", "photos", "--max-pixels", &some, "--out", "some"]);
    assert_eq!(list(&setup.path("some")).len(), 1);
    setup.select("", 2, &["--data", "photos", "--max-pixels", "0"]);

    let mut activations = neuron(&["activations", "--taps", "fc", "--arch", ARCH, "--top", "1"]);
    activations
        .args([setup.photo(0), setup.photo(1)])
        .args(["--max-pixels", &some])
        .arg("--weights")
        .arg(&setup.weights)
        .current_dir(setup.path(""));
    expecting(3, &mut activations);
}

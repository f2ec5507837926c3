//! What the end-to-end tests share: the binary, a small network of random weights, drawn photos, folders compared.

#[path = "../../../../tests/reference.rs"]
pub(crate) mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Weights};

/// The small architecture that tests run.
pub(crate) const ARCH: &str = "resnet10_demo";

/// The command, away from the environment of whoever runs the tests.
pub(crate) fn neuron(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuron"));
    command.args(arguments);
    for variable in ["NEURON_DATA", "NEURON_WEIGHTS", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    neuron(arguments).output().expect("the binary starts")
}

/// Runs the command, which must exit with `code`; returns stdout and stderr.
pub(crate) fn run_expecting(code: i32, arguments: &[&str]) -> (String, String) {
    expecting(code, &mut neuron(arguments))
}

/// As [`run_expecting`], for a command that was prepared.
pub(crate) fn expecting(code: i32, command: &mut Command) -> (String, String) {
    let output = command.output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{stdout}{stderr}");
    (stdout, stderr)
}

/// A temporary folder with `random.safetensors` and `photos/`, in which commands run.
pub(crate) struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    /// With so many classes of photos, and photos of each.
    pub(crate) fn new(classes: usize, per_class: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        random_weights(folder.path());
        draw_photos(folder.path(), classes, per_class);
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path as an argument.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A command line that runs in the folder, on its network unless it merges.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = neuron(&line.split_whitespace().collect::<Vec<_>>());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if !line.starts_with("merge") {
            command.args(["--arch", ARCH, "--weights", "random.safetensors"]);
        }
        command
    }

    /// Runs a command line, which must exit with `code`, and returns what it says on stderr.
    pub(crate) fn run(&self, code: i32, line: &str) -> String {
        expecting(code, &mut self.command(line)).1
    }
}

/// A sequence of numbers in 0..1 that looks random.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Writes random weights for [`ARCH`], for crops of 64 pixels, and returns the file's path.
pub(crate) fn random_weights(folder: &Path) -> PathBuf {
    random_weights_of(ARCH, 3.0, |_| true, folder)
}

/// As [`random_weights`], for any architecture: those of its tensors that are `kept`. Where `spread` is 6, a ReLU leaves
/// as much as comes in.
pub(crate) fn random_weights_of(
    arch: &str,
    spread: f32,
    kept: impl Fn(&str) -> bool,
    folder: &Path,
) -> PathBuf {
    let graph = Architecture::from_name(arch).unwrap().graph(&Weights::default());
    let mut noise = Noise::new(7);
    let tensors = graph.expected_tensors().into_iter().filter(|(name, _)| kept(name));
    let tensors = tensors.map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let fan_in = (len / shape[0]).max(1) as f32;
        let data: Vec<f32> = (0..len)
            .map(|_| match name.rsplit('.').next() {
                Some("running_var") => 0.5 + noise.next(),
                Some("weight") if shape.len() == 1 => 0.5 + noise.next(),
                Some("weight") => (noise.next() - 0.5) * (4.0 * spread / fan_in).sqrt(),
                _ => (noise.next() - 0.5) * 0.2,
            })
            .collect();
        (name, WeightTensor::new(shape, data))
    });
    let metadata = [
        ("arch", arch),
        ("resize", "72"),
        ("crop", "64"),
        ("interpolation", "bilinear"),
        ("mean", "0.485,0.456,0.406"),
        ("std", "0.229,0.224,0.225"),
    ];
    let metadata: BTreeMap<String, String> =
        metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let path = folder.join("random.safetensors");
    Weights::from_tensors(tensors.collect::<Vec<_>>(), metadata).save(&path).unwrap();
    path
}

/// Draws `per_class` small photos for each of some classes, as an ImageFolder; returns its folder.
pub(crate) fn draw_photos(folder: &Path, classes: usize, per_class: usize) -> PathBuf {
    let root = folder.join("photos");
    for class in 0..classes {
        let class_folder = root.join(format!("class{class}"));
        std::fs::create_dir_all(&class_folder).unwrap();
        for photo in 0..per_class {
            let mut noise = Noise::new((1000 * class + photo) as u64);
            let (height, width) = (70 + (7 * photo as u32) % 40, 80 + (11 * class as u32) % 30);
            let (fy, fx) = (0.05 + noise.next() * 0.4, 0.05 + noise.next() * 0.4);
            let tint = [noise.next(), noise.next(), noise.next()];
            let picture = image::RgbImage::from_fn(width, height, |x, y| {
                let wave = 0.5 + 0.5 * (fy * y as f32).sin() * (fx * x as f32).cos();
                let mut value = |c: usize| (255.0 * (0.7 * wave * tint[c] + 0.3 * noise.next())) as u8;
                image::Rgb([value(0), value(1), value(2)])
            });
            picture.save(class_folder.join(format!("photo{photo:03}.png"))).unwrap();
        }
    }
    root
}

/// Every file below a folder with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Panics unless both folders hold the same files with the same bytes.
pub(crate) fn assert_same_files(left: &Path, right: &Path) {
    let (left_files, right_files) = (files(left), files(right));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&left_files), names(&right_files), "{} and {}", left.display(), right.display());
    for (name, bytes) in &left_files {
        assert!(right_files[name] == *bytes, "{} differs", name.display());
    }
}

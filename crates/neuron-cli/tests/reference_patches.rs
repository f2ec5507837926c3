//! The files that `extract-patches` and `baseline` write for the real network, against what the published
//! implementation computes for the same windows.

mod patches;
mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use patches::{Row, rows};
use safetensors::SafeTensors;
use support::{expecting, neuron, reference_data};

/// How far a score may be off, in parts of the channel's largest; 3e-6 was measured.
const SCORE_TOLERANCE: f32 = 1e-4;
/// How much worse than the best another window may be that is kept in its place; none was.
const NEAR_TIE: f32 = 1e-3;

/// What the published implementation recorded.
struct Goldens {
    bytes: Vec<u8>,
    /// Names of the images, below `train` of the sample.
    files: Vec<String>,
    sample: PathBuf,
    weights: String,
}

impl Goldens {
    fn open(name: &str) -> Option<Self> {
        let reference = reference_data()?;
        let bytes = std::fs::read(reference.join("goldens").join(name)).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let files = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["files"]).unwrap();
        let weights = reference.join("weights/resnet50-v1.safetensors").display().to_string();
        Some(Self { bytes, files, sample: reference.join("imagenet-sample"), weights })
    }

    fn words(&self, name: &str) -> Vec<[u8; 4]> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        tensor.data().chunks_exact(4).map(|word| word.try_into().unwrap()).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name).into_iter().map(f32::from_le_bytes).collect()
    }

    fn integers(&self, name: &str) -> Vec<i32> {
        self.words(name).into_iter().map(i32::from_le_bytes).collect()
    }

    fn photo(&self, index: usize) -> String {
        self.sample.join("train").join(&self.files[index]).display().to_string()
    }
}

/// The scores of every window of an image, and the place of each in the crop.
struct Windows<'a> {
    scores: &'a [f32],
    columns: usize,
    stride: usize,
}

impl Windows<'_> {
    fn best(&self) -> f32 {
        self.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The score of the window that a row names.
    fn at(&self, row: &Row) -> f32 {
        let (y, x) = (row.corner.0 as usize, row.corner.1 as usize);
        assert_eq!((y % self.stride, x % self.stride), (0, 0));
        self.scores[y / self.stride * self.columns + x / self.stride]
    }
}

/// Asserts that a row holds the best window of its image, and the score that was recorded for it.
fn assert_best(row: &Row, windows: &Windows<'_>, scale: f32) {
    let (expected, best) = (windows.at(row), windows.best());
    assert!((row.score - expected).abs() <= SCORE_TOLERANCE * scale, "{row:?}, recorded {expected}");
    assert!(best - expected <= NEAR_TIE * scale, "{row:?}: another window scores {best}");
}

/// Asserts that the ranks are those of the recorded scores, but for neighbours that are near-ties.
fn assert_order(rows: &[Row], best: impl Fn(&Row) -> f32, scale: f32) {
    for pair in rows.windows(2) {
        assert!(pair[0].score >= pair[1].score);
        assert!(best(&pair[1]) - best(&pair[0]) <= 2.0 * SCORE_TOLERANCE * scale, "{pair:?}");
    }
}

/// Runs extract-patches on the recorded lists of all channels at once, and compares every image's patch.
fn compare_patches(size: usize, input: &str, flags: &[&str]) {
    let Some(goldens) = Goldens::open("patches.safetensors") else { return };
    let channels = [162, 1935, 54];
    let folder = tempfile::tempdir().unwrap();
    for channel in channels {
        let images = goldens.integers(&format!("ch{channel}.images"));
        let list: Vec<String> = images.iter().map(|image| goldens.photo(*image as usize) + "\n").collect();
        let unit = folder.path().join(channel.to_string());
        std::fs::create_dir(&unit).unwrap();
        std::fs::write(unit.join("files_all.txt"), list.concat()).unwrap();
    }
    let (save_dir, size_text) = (folder.path().display().to_string(), size.to_string());
    let mut command = neuron(&["extract-patches", "--channels", "all", "--topk_patches", "100"]);
    command.args(["--weights", &goldens.weights, "--save_dir", &save_dir, "--patch_size", &size_text]);
    expecting(0, command.arg("--data").arg(&goldens.sample).args(flags));

    let (mut worst, mut same) = (0.0f32, 0);
    for channel in channels {
        let name = |what: &str| format!("ch{channel}.p{size}.{input}.{what}");
        let scores = goldens.floats(&name("all_scores"));
        let stride = size / 2;
        let columns = (224 - size) / stride + 1;
        let scale = scores.iter().copied().fold(0.0, f32::max);
        let images = goldens.integers(&format!("ch{channel}.images"));
        let of_image: HashMap<String, Windows<'_>> = images
            .iter()
            .zip(scores.chunks_exact(columns * columns))
            .map(|(image, scores)| {
                (format!("train/{}", goldens.files[*image as usize]), Windows { scores, columns, stride })
            })
            .collect();
        let rows = rows(&folder.path().join(channel.to_string()).join("patches.parquet"));
        assert_eq!(rows.len(), images.len());
        for row in &rows {
            let windows = &of_image[&row.image];
            assert_best(row, windows, scale);
            worst = worst.max((row.score - windows.at(row)).abs() / scale);
            same += usize::from(windows.at(row) == windows.best());
        }
        assert_order(&rows, |row| of_image[&row.image].best(), scale);
    }
    println!("{size} px, {input}: largest difference {worst:.1e}, {same} of 300 windows the same");
    assert!(same >= 297, "{same}");
}

#[test]
fn tier2_patches_of_32_pixels_are_those_of_the_reference() {
    compare_patches(32, "norm", &[]);
}

#[test]
fn tier2_patches_of_64_pixels_are_those_of_the_reference() {
    compare_patches(64, "norm", &[]);
}

#[test]
fn tier2_raw_patches_of_32_pixels_are_those_of_the_reference() {
    compare_patches(32, "raw", &["--reference-compat"]);
}

#[test]
fn tier2_raw_patches_of_64_pixels_are_those_of_the_reference() {
    compare_patches(64, "raw", &["--reference-compat"]);
}

/// Windows of 64 pixels, 51 apart: four in a row.
const BASELINE_COLUMNS: usize = 4;

/// Runs baseline on the recorded images; the tables of both channels.
fn run_baseline(goldens: &Goldens, folder: &Path, flags: &[&str]) -> [Vec<Row>; 2] {
    let list = folder.join("images.txt");
    let images: Vec<String> = (0..100).map(|image| goldens.photo(image) + "\n").collect();
    std::fs::write(&list, images.concat()).unwrap();
    let mut command = neuron(&["baseline", "--target_layer", "layer4_2", "--patch_size", "64"]);
    command.args(["--chs", "54,1935", "--weights", &goldens.weights]).args(flags).current_dir(folder);
    expecting(0, command.arg("--data").arg(&list));
    let layer = folder.join("resnet50/neuron_layer4_2");
    ["54", "1935"].map(|channel| rows(&layer.join(channel).join("top50/patches.parquet")))
}

/// The recorded scores of a channel, `[images][windows]`, by image.
fn baseline_scores(goldens: &Goldens, place: usize) -> Vec<Vec<f32>> {
    let scores = goldens.floats("scores");
    let images = scores.chunks_exact(BASELINE_COLUMNS * BASELINE_COLUMNS * 2);
    images.map(|windows| windows.chunks_exact(2).map(|channels| channels[place]).collect()).collect()
}

#[test]
fn tier2_baseline_patches_are_those_of_the_reference() {
    let Some(goldens) = Goldens::open("baseline.safetensors") else { return };
    let folder = tempfile::tempdir().unwrap();
    let found = run_baseline(&goldens, folder.path(), &[]);
    for (place, rows) in found.iter().enumerate() {
        let scores = baseline_scores(&goldens, place);
        let scale = scores.iter().flatten().copied().fold(0.0, f32::max);
        let image = |row: &Row| (0..100).find(|image| row.image == goldens.photo(*image)).unwrap();
        let windows =
            |image: usize| Windows { scores: &scores[image], columns: BASELINE_COLUMNS, stride: 51 };
        let mut worst = 0.0f32;
        for row in rows {
            assert_best(row, &windows(image(row)), scale);
            worst = worst.max((row.score - windows(image(row)).at(row)).abs() / scale);
        }
        assert_order(rows, |row| windows(image(row)).best(), scale);
        let mut best: Vec<f32> = (0..100).map(|image| windows(image).best()).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(rows.len(), 50);
        let last = windows(image(&rows[49])).best();
        assert!(best[49] - last <= NEAR_TIE * scale, "{last} is ranked before {}", best[49]);
        println!("channel {place}: largest difference {worst:.1e}");
    }
}

#[test]
fn tier2_the_baseline_as_in_the_reference_keeps_what_its_rule_keeps() {
    let Some(goldens) = Goldens::open("baseline.safetensors") else { return };
    let folder = tempfile::tempdir().unwrap();
    let found = run_baseline(&goldens, folder.path(), &["--reference_compat"]);
    for (place, rows) in found.iter().enumerate() {
        let scores = baseline_scores(&goldens, place);
        let windows = scores.iter().enumerate().flat_map(|(image, windows)| {
            windows.iter().enumerate().map(move |(window, score)| (*score, image, window))
        });
        // All images are one batch of 256: chunks of 50, sorted, cut, and only then made distinct.
        let windows: Vec<_> = windows.collect();
        let mut chunks = windows.chunks(50);
        let mut list = chunks.next().unwrap().to_vec();
        for chunk in chunks {
            list.extend(chunk);
            list.sort_by(|a, b| b.0.total_cmp(&a.0));
            list.truncate(50);
            let mut seen = std::collections::HashSet::new();
            list.retain(|(_, image, _)| seen.insert(*image));
        }
        let expected: Vec<_> = list
            .iter()
            .map(|(_, image, window)| {
                let (y, x) = (window / BASELINE_COLUMNS * 51, window % BASELINE_COLUMNS * 51);
                (goldens.photo(*image), (y as i32, x as i32))
            })
            .collect();
        let found: Vec<_> = rows.iter().map(|row| (row.image.clone(), row.corner)).collect();
        println!("channel {place}: {} patches are left", found.len());
        let shared = expected.iter().filter(|patch| found.contains(patch)).count();
        assert!(found.len() == expected.len() && shared + 1 >= expected.len(), "{found:?}\n{expected:?}");
    }
}

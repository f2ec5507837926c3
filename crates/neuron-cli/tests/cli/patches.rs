//! What the tests of extract-patches and baseline share: results read back, and the slow definition of the best patch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use candle_core::{Device, Tensor};
use neuron_data::{Limits, Preprocessing, read_rgb8};
use neuron_model::Network;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use crate::support::{ARCH, files};

/// A row of `patches.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) channel: i32,
    pub(crate) rank: i32,
    pub(crate) image: String,
    /// (y, x) in the crop.
    pub(crate) corner: (i32, i32),
    pub(crate) size: i32,
    pub(crate) score: f32,
    pub(crate) image_score: Option<f32>,
    /// x, y, width, height in the original picture.
    pub(crate) source: [i32; 4],
    /// Width and height of the original picture.
    pub(crate) image_size: [i32; 2],
}

/// The rows of a `patches.parquet`.
pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| {
        let int = |column: usize| row.get_int(column).unwrap();
        Row {
            channel: int(0),
            rank: int(1),
            image: row.get_string(2).unwrap().clone(),
            corner: (int(4), int(3)),
            size: int(5),
            score: row.get_float(6).unwrap(),
            image_score: row.get_float(7).ok(),
            source: [int(8), int(9), int(10), int(11)],
            image_size: [int(12), int(13)],
        }
    })
    .collect()
}

/// Every file below a folder with its bytes, but not what select-images wrote.
pub(crate) fn without_lists(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(folder);
    found.retain(|name, _| !name.ends_with("files_all.txt") && !name.ends_with("topk.parquet"));
    found
}

/// Starts a command that saves its state after every batch, and kills it as soon as it has.
pub(crate) fn kill_once_saved(command: &mut Command, checkpoint: &Path) {
    let saved =
        || std::fs::metadata(checkpoint).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let (before, started) = (saved(), Instant::now());
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while saved() == before {
        assert!(started.elapsed() < Duration::from_secs(60), "{} is not written", checkpoint.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "the command ended before it was killed");
}

/// The height of a picture file, and its width.
pub(crate) fn picture_size(path: &Path) -> (u32, u32) {
    let (width, height) = image::image_dimensions(path).unwrap();
    (height, width)
}

/// The best patch of an image, window by window and value by value, as the documentation defines it.
pub(crate) struct Definition {
    network: Network,
    preprocessing: Preprocessing,
}

/// A score and the (y, x) of the box that reached it.
pub(crate) type Best = (f32, (i32, i32));

impl Definition {
    pub(crate) fn new(weights: &Path) -> Self {
        let network = Network::open(ARCH, weights).unwrap();
        let preprocessing = Preprocessing::from_metadata(network.weights().metadata()).unwrap();
        Self { network, preprocessing }
    }

    /// As [`Definition::new`], for windows whose pixels stay in 0..1.
    pub(crate) fn raw(weights: &Path) -> Self {
        let mut definition = Self::new(weights);
        (definition.preprocessing.mean, definition.preprocessing.std) = ([0.0; 3], [1.0; 3]);
        definition
    }

    /// `[3][crop][crop]`, normalised.
    fn crop(&self, path: &Path) -> Vec<Vec<Vec<f32>>> {
        let picture = read_rgb8(path, &Limits::default()).unwrap();
        let mut pixels = vec![0; self.preprocessing.crop_bytes()];
        self.preprocessing.crop_into(&picture, &mut pixels);
        let (side, Preprocessing { mean, std, .. }) = (self.preprocessing.crop, &self.preprocessing);
        let value = |c: usize, y: usize, x: usize| {
            (f32::from(pixels[(y * side + x) * 3 + c]) / 255.0 - mean[c]) / std[c]
        };
        let row = |c, y| (0..side).map(|x| value(c, y, x)).collect();
        (0..3).map(|c| (0..side).map(|y| row(c, y)).collect()).collect()
    }

    /// The map of a channel for one image, `[height][width]`.
    fn map(&self, image: &[Vec<Vec<f32>>], layer: &str, channel: usize) -> Vec<Vec<f32>> {
        let (height, width) = (image[0].len(), image[0][0].len());
        let values: Vec<f32> = image.iter().flatten().flatten().copied().collect();
        let image = Tensor::from_vec(values, (1, 3, height, width), &Device::Cpu).unwrap();
        let maps = self.network.activations(&image, &[layer]).unwrap();
        maps[0].get(0).unwrap().get(channel).unwrap().to_vec2().unwrap()
    }

    /// The first window with the highest mean; `resized` to the crop's size or at its own.
    pub(crate) fn best_window(
        &self,
        path: &Path,
        unit: (&str, usize),
        (size, stride): (usize, usize),
        resized: bool,
    ) -> Best {
        let (crop, side) = (self.crop(path), self.preprocessing.crop);
        let mut best = (f32::NEG_INFINITY, (0, 0));
        for y in (0..=side - size).step_by(stride) {
            for x in (0..=side - size).step_by(stride) {
                let rows = |plane: &Vec<Vec<f32>>| {
                    plane[y..y + size].iter().map(|row| row[x..x + size].to_vec()).collect()
                };
                let window: Vec<Vec<Vec<f32>>> = crop.iter().map(rows).collect();
                let window = if resized { enlarged(&window, side) } else { window };
                let map = self.map(&window, unit.0, unit.1);
                let values: Vec<f64> = map.iter().flatten().map(|value| f64::from(*value)).collect();
                let score = (values.iter().sum::<f64>() / values.len() as f64) as f32;
                if score > best.0 {
                    best = (score, (y as i32, x as i32));
                }
            }
        }
        best
    }

    /// The first position of the highest value of the map, and its value.
    pub(crate) fn best_position(&self, path: &Path, unit: (&str, usize)) -> Best {
        let map = self.map(&self.crop(path), unit.0, unit.1);
        let mut best = (f32::NEG_INFINITY, (0, 0));
        for (y, row) in map.iter().enumerate() {
            for (x, value) in row.iter().enumerate() {
                if *value > best.0 {
                    best = (*value, (y as i32, x as i32));
                }
            }
        }
        best
    }
}

/// Bilinear, centres of pixels at halves, edges repeated; value by value in f64.
fn enlarged(window: &[Vec<Vec<f32>>], side: usize) -> Vec<Vec<Vec<f32>>> {
    let size = window[0].len();
    let place =
        |at: usize| ((at as f64 + 0.5) * size as f64 / side as f64 - 0.5).clamp(0.0, (size - 1) as f64);
    let value = |plane: &[Vec<f32>], y: usize, x: usize| {
        let (y, x) = (place(y), place(x));
        let at = |y: f64, x: f64| f64::from(plane[y as usize][x as usize]);
        let row = |row: f64| at(row, x.floor()) * (1.0 - x.fract()) + at(row, x.ceil()) * x.fract();
        (row(y.floor()) * (1.0 - y.fract()) + row(y.ceil()) * y.fract()) as f32
    };
    let row = |plane: &[Vec<f32>], y: usize| (0..side).map(|x| value(plane, y, x)).collect();
    window.iter().map(|plane| (0..side).map(|y| row(plane, y)).collect()).collect()
}

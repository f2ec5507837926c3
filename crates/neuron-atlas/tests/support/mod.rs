//! An output tree as the commands write it, made up by the tests.
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use neuron_atlas::{Atlas, AtlasError, Maker, Settings, Site, Written};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

/// A class whose name would be a script, were it not escaped.
pub(crate) const HOSTILE: &str = "\"><script>window.broken = 1<\u{29f8}script>'&amp;";

/// The classes: a WordNet id, a plain name, and a hostile one.
pub(crate) const CLASSES: [&str; 3] = ["n01443537", "stripes", HOSTILE];

/// Photos of each class; every class has one with a hostile name.
const PER_CLASS: usize = 4;

/// Height and width of every photo.
pub(crate) const PHOTO: (usize, usize) = (60, 80);

/// A folder with `photos/` and `results/`.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    /// Photos, and lists of images for so many units of layer4.
    pub(crate) fn new(units: usize) -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        tree.draw_photos();
        tree.write_lists("layer4", units);
        tree
    }

    /// A tree with everything: patches, a visualisation and a heat map of unit 1.
    pub(crate) fn whole() -> Self {
        let tree = Self::new(3);
        for channel in 0..3 {
            tree.write_patches(channel, 6);
        }
        tree.write_visualisation(1);
        tree.write_heat_map(1);
        tree
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names below `photos`, those of a unit's favourite class first.
    pub(crate) fn names(favourite: usize) -> Vec<(String, &'static str)> {
        let classes = (0..CLASSES.len()).map(|at| CLASSES[(favourite + at) % CLASSES.len()]);
        classes.flat_map(|class| (0..PER_CLASS).map(move |photo| (name(class, photo), class))).collect()
    }

    fn draw_photos(&self) {
        for (at, (name, _)) in Self::names(0).into_iter().enumerate() {
            let path = self.path("photos").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (height, width) = (PHOTO.0 as u32, PHOTO.1 as u32);
            let tint = 20 * at as u32;
            let colours =
                |x: u32, y: u32| image::Rgb([(3 * x) as u8, (4 * y) as u8, (tint + x * y / 40) as u8]);
            // By encoder, since the hostile name ends as it likes.
            let picture = image::RgbImage::from_fn(width, height, colours);
            picture.save_with_format(path, image::ImageFormat::Png).unwrap();
        }
    }

    /// Writes `topk.parquet` and its manifest.
    pub(crate) fn write_lists(&self, layer: &str, units: usize) {
        self.write_these_lists(
            layer,
            (0..units).map(|channel| Self::names(channel % CLASSES.len())).collect(),
        );
    }

    /// As [`Tree::write_lists`], with the images of each channel and their classes.
    pub(crate) fn write_these_lists(&self, layer: &str, lists: Vec<Vec<(String, &str)>>) {
        let folder = self.path(&format!("results/resnet50/neuron_{layer}"));
        let units = lists.len();
        let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (channel, list) in lists.into_iter().enumerate() {
            for (rank, (name, class)) in list.into_iter().enumerate() {
                columns.0.push(channel as i32);
                columns.1.push(rank as i32);
                columns.2.push(name);
                columns.3.push(class.to_owned());
                // Later channels are stronger, so that sorting by activation turns the order round.
                columns.4.push(1.0 + channel as f32 - 0.05 * rank as f32);
            }
        }
        let schema =
            "message topk { required binary layer (UTF8); required int32 channel; required int32 rank;
            required binary image (UTF8); required int32 index; optional binary class (UTF8);
            required float score; required int32 y; required int32 x; }";
        let zeros = vec![0; columns.0.len()];
        let columns = [
            Column::Text(vec![layer.to_owned(); columns.0.len()]),
            Column::Int(columns.0),
            Column::Int(columns.1),
            Column::Text(columns.2),
            Column::Int(zeros.clone()),
            Column::OptionalText(columns.3),
            Column::Float(columns.4),
            Column::Int(zeros.clone()),
            Column::Int(zeros),
        ];
        write_table(&folder.join("topk.parquet"), schema, &columns);
        let channels: Vec<usize> = (0..units).collect();
        let layers = json!([{ "typed": layer, "tap": layer, "channels": channels, "map_width": 7 }]);
        let settings = json!({
            "arch": "resnet50", "data": self.path("photos"), "layers": layers, "topk_images": 12,
            "split": "train", "split_n": null, "reduction": "max",
        });
        let scan = json!({ "command": "select-images", "images": 12, "neuron_version": "0.1.0", "settings": settings });
        write_json(&folder.join("manifest.json"), &json!({ "scan": scan, "layer": layer }));
    }

    /// Writes `patches.parquet`, its manifest and `patches.png`.
    pub(crate) fn write_patches(&self, channel: usize, patches: usize) {
        let folder = self.path(&format!("results/resnet50/neuron_layer4/{channel}"));
        let names = Self::names(channel % CLASSES.len()).into_iter().take(patches);
        let names: Vec<String> = names.map(|(name, _)| name).collect();
        let all = |value: i32| Column::Int(vec![value; patches]);
        let counted = |start: i32| (start..start + patches as i32).collect::<Vec<_>>();
        let schema = "message patches { required int32 channel; required int32 rank;
            required binary image (UTF8); required int32 x; required int32 y; required int32 size;
            required float score; optional float image_score; required int32 source_x; required int32 source_y;
            required int32 source_width; required int32 source_height; required int32 image_width;
            required int32 image_height; }";
        let columns = [
            all(channel as i32),
            Column::Int(counted(0)),
            Column::Text(names),
            all(3),
            all(4),
            all(16),
            Column::Float((0..patches).map(|rank| 2.5 - rank as f32 * 0.25).collect()),
            Column::OptionalFloat(vec![1.0; patches]),
            Column::Int(counted(10)),
            Column::Int(counted(20)),
            all(24),
            all(18),
            all(PHOTO.1 as i32),
            all(PHOTO.0 as i32),
        ];
        write_table(&folder.join("patches.parquet"), schema, &columns);
        let settings = json!({
            "arch": "resnet50", "layer": "layer4", "channels": "0-2", "method": "sliding",
            "boxes": { "kind": "windows", "size_px": 16, "stride_px": 8, "crop_px": 64 },
            "topk_patches": patches, "save_dir": "results/resnet50/neuron_layer4", "data": self.path("photos"),
            "drawing": { "columns": 4, "at_most": null, "captions": false, "save_patches": false },
        });
        let scan = json!({ "command": "extract-patches", "images": 12, "neuron_version": "0.1.0", "settings": settings });
        write_json(
            &folder.join("manifest.json"),
            &json!({ "scan": scan, "channel": channel, "patches": patches }),
        );
        image::RgbImage::new(74, 38).save(folder.join("patches.png")).unwrap();
    }

    /// Writes the picture, the masked picture and the record of a visualisation of layer4.2, which is layer4.
    pub(crate) fn write_visualisation(&self, channel: usize) {
        let folder = self.path("results/images");
        fs::create_dir_all(&folder).unwrap();
        let name = "eye & <b>ear</b>".replace('/', "\u{29f8}");
        let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (y * 4) as u8, 99]));
        picture.save(folder.join(format!("{name}.png"))).unwrap();
        let masked = image::RgbaImage::from_fn(64, 64, |x, y| image::Rgba([9, 9, 9, (x * y / 16) as u8]));
        masked.save(folder.join(format!("{name}_masked.png"))).unwrap();
        let reached = json!({ "value": 12.5, "references": 10.0, "ratio": 1.25, "percentile": 1.0 });
        let record = json!({
            "neuron_version": "0.1.0", "arch": "resnet50", "layer": "layer4.2", "channel": channel, "seed": 0,
            "settings": { "method": "LRP", "size": [64, 64] }, "references_are": "images", "references": ["a"],
            "steps": 3, "finished": true, "loss": [3.0, 2.0, 1.0], "terms": { "tv_l1": [0.0, 0.0, 0.0] },
            "activation": { "max": reached, "mean": reached },
        });
        write_json(&folder.join(format!("{name}.json")), &record);
    }

    /// Writes a heat map and tensors of which only the header matters.
    pub(crate) fn write_heat_map(&self, channel: usize) {
        let folder = self.path("results/heat");
        fs::create_dir_all(&folder).unwrap();
        image::RgbImage::new(64, 64).save(folder.join("heatmap.png")).unwrap();
        let metadata = json!({ "__metadata__": {
            "arch": "resnet50", "layer": "layer4", "channel": channel.to_string(), "method": "LRP",
            "image": "photos/\"><script>window.broken = 1",
        }});
        let header = metadata.to_string();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        fs::write(folder.join("relevance.safetensors"), bytes).unwrap();
    }

    /// Writes an evaluation of two sets of pictures of layer4.2, which is layer4.
    pub(crate) fn write_evaluation(&self, channel: usize) {
        let unit = |pictures: usize, measures: serde_json::Value| {
            json!({ "layer": "layer4.2", "channel": channel, "pictures": vec!["a.png"; pictures], "references": 50,
                    "measures": measures, "layers": {}, "witness_class": null })
        };
        let sets = json!([
            { "set": "clear & <b>bright", "pictures": 1, "measures": {},
              "units": [unit(1, json!({ "activation_ratio": 1.25, "auc": null, "rank": 1.0 }))] },
            { "set": "noise", "pictures": 3, "measures": {},
              "units": [unit(3, json!({ "activation_ratio": 0.031, "noise_ratio": 46.5, "rank": 1038.0 }))] },
        ]);
        let report =
            json!({ "command": "eval", "evaluation": { "arch": "resnet50" }, "sets": sets, "skipped": [] });
        fs::write(self.path("results/eval.json"), format!("{report:#}\n")).unwrap();
    }

    pub(crate) fn atlas(&self) -> Result<Atlas, AtlasError> {
        Atlas::read(&self.path("results"), &TestMaker)
    }

    /// Writes the site with the usual settings.
    pub(crate) fn write(&self, out: &str) -> Written {
        self.write_with(out, Settings::default()).unwrap()
    }

    pub(crate) fn write_with(&self, out: &str, settings: Settings) -> Result<Written, AtlasError> {
        let atlas = self.atlas()?;
        Site::new(&atlas, settings).write(&self.path(out), false, &|_| ControlFlow::Continue(()))
    }
}

/// A program that knows that layer4 ends in layer4.2, and how its commands are called.
struct TestMaker;

impl Maker for TestMaker {
    fn layer_name(&self, _arch: &str, layer: &str) -> String {
        if layer == "layer4.2" { "layer4".to_owned() } else { layer.to_owned() }
    }

    fn command_line(&self, scan: &Value, folder: &Path) -> Option<String> {
        let command = scan.get("command").and_then(Value::as_str)?;
        Some(format!("maker {command} in {}", folder.file_name()?.to_string_lossy()))
    }
}

/// The name of a photo below `photos`; the last of each class has a hostile one.
fn name(class: &str, photo: usize) -> String {
    let file = if photo + 1 == PER_CLASS {
        "\"onerror=\"window.broken=1\" x=\".png".to_owned()
    } else {
        format!("{photo}.png")
    };
    format!("train/{class}/{file}")
}

enum Column {
    Int(Vec<i32>),
    Float(Vec<f32>),
    OptionalFloat(Vec<f32>),
    Text(Vec<String>),
    OptionalText(Vec<String>),
}

fn write_table(path: &Path, schema: &str, columns: &[Column]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for column in columns {
        let mut writer = rows.next_column().unwrap().unwrap();
        let bytes =
            |texts: &[String]| texts.iter().map(|text| ByteArray::from(text.as_str())).collect::<Vec<_>>();
        match column {
            Column::Int(values) => writer.typed::<Int32Type>().write_batch(values, None, None),
            Column::Float(values) => writer.typed::<FloatType>().write_batch(values, None, None),
            Column::OptionalFloat(values) => {
                writer.typed::<FloatType>().write_batch(values, Some(&vec![1; values.len()]), None)
            }
            Column::Text(values) => writer.typed::<ByteArrayType>().write_batch(&bytes(values), None, None),
            Column::OptionalText(values) => {
                let levels = vec![1; values.len()];
                writer.typed::<ByteArrayType>().write_batch(&bytes(values), Some(&levels), None)
            }
        }
        .unwrap();
        writer.close().unwrap();
    }
    rows.close().unwrap();
    writer.close().unwrap();
}

fn write_json(path: &Path, value: &serde_json::Value) {
    fs::write(path, value.to_string()).unwrap();
}

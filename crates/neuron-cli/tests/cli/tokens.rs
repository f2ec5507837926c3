//! Networks of tokens through the real binary: which positions count, and what has no place in an image.

use std::fs;
use std::path::Path;
use std::time::Duration;

use neuron_model::Weights;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;

use crate::support::{self, assert_same_files, draw_photos, neuron, random_weights_of};

const ARCH: &str = "vit_demo";
const LAYER: &str = "encoder.layers.encoder_layer_1";
/// Its grid of tokens, behind one class token.
const GRID: usize = 8;
/// Side of its images, and of a token's cell.
const SIDE: i32 = 64;
const CELL: i32 = 8;

/// A folder with weights of the small transformer and photos.
struct Room(tempfile::TempDir);

impl Room {
    fn new(classes: usize, per_class: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        random_weights_of(ARCH, 3.0, |_| true, folder.path());
        draw_photos(folder.path(), classes, per_class);
        Self(folder)
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> std::process::Command {
        let mut command = neuron(&line.split_whitespace().collect::<Vec<_>>());
        command.current_dir(self.0.path()).env("NEURON_WEIGHTS", "random.safetensors");
        command
    }

    /// Stdout and stderr of a line that must end with `code`.
    fn run(&self, code: i32, line: &str) -> (String, String) {
        support::expecting(code, &mut self.command(line))
    }

    fn select(&self, out: &str, more: &str) {
        let fixed = format!("--arch {ARCH} --layer {LAYER} --data photos --topk-images 5");
        self.run(0, &format!("select-images {fixed} --out {out} {more}"));
    }

    fn lists(&self, out: &str) -> std::path::PathBuf {
        self.at(out).join(ARCH).join(format!("neuron_{LAYER}"))
    }
}

/// A row of `topk.parquet`.
struct Row {
    channel: usize,
    image: String,
    score: f32,
    place: (i32, i32),
}

fn rows(lists: &Path) -> Vec<Row> {
    let table = fs::File::open(lists.join("topk.parquet")).unwrap();
    let rows = SerializedFileReader::new(table).unwrap();
    let row = |row: parquet::record::Row| Row {
        channel: row.get_int(1).unwrap() as usize,
        image: row.get_string(3).unwrap().clone(),
        score: row.get_float(6).unwrap(),
        place: (row.get_int(7).unwrap(), row.get_int(8).unwrap()),
    };
    rows.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}

#[test]
fn maxima_are_over_the_positions_that_are_asked_for() {
    let room = Room::new(2, 3);
    for positions in ["all", "grid", "class"] {
        room.select(positions, &format!("--positions {positions}"));
    }
    let mut of_class_token = 0;
    for Row { channel, image, score, place } in rows(&room.lists("all")) {
        room.run(
            0,
            &format!(
                "activations photos/{image} --arch {ARCH} --layer {LAYER} --out a.safetensors --overwrite"
            ),
        );
        let said = Weights::open(&room.at("a.safetensors")).unwrap();
        let tensor = said.tensor(LAYER).unwrap();
        let channels = tensor.shape[2];
        assert_eq!(tensor.shape, [1, 1 + GRID * GRID, channels]);
        let values: Vec<f32> = tensor.data.iter().skip(channel).step_by(channels).copied().collect();
        let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(greatest, score);
        match values.iter().position(|value| *value == greatest).unwrap() {
            0 => {
                assert_eq!(place, (-1, -1), "a class token has no place");
                of_class_token += 1;
            }
            token => assert_eq!(place, (((token - 1) / GRID) as i32, ((token - 1) % GRID) as i32)),
        }
        let of = |positions: &str| {
            let mut rows = rows(&room.lists(positions)).into_iter();
            rows.find(|row| (row.channel, &row.image) == (channel, &image))
        };
        if let Some(grid) = of("grid") {
            assert_eq!(grid.score, values[1..].iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert!(grid.place.0 >= 0 && grid.place.1 >= 0);
        }
        if let Some(class) = of("class") {
            assert_eq!((class.score, class.place), (values[0], (-1, -1)));
        }
    }
    let all = rows(&room.lists("all")).len();
    assert!((1..all).contains(&of_class_token), "{of_class_token} of {all}: both kinds are tried");

    let recorded = |positions: &str| {
        let manifest = fs::read(room.lists(positions).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest.pointer("/scan/settings/positions").cloned()
    };
    assert_eq!(recorded("all"), None, "what it always was is not recorded");
    assert_eq!((recorded("grid"), recorded("class")), (Some("grid".into()), Some("class".into())));
}

#[test]
fn scans_of_tokens_do_not_depend_on_how_they_are_run() {
    let room = Room::new(3, 4);
    room.select("whole", "--positions grid --threads 1");
    room.select("other", "--positions grid --threads 2 --batch-size 5");
    assert_same_files(&room.at("whole"), &room.at("other"));

    for shard in ["1/2", "2/2"] {
        room.select("shards", &format!("--positions grid --shard {shard}"));
    }
    room.run(0, "merge merged shards");
    assert_same_files(&room.at("whole"), &room.at("merged"));
    room.select("mixed", "--positions grid --shard 1/2");
    room.select("mixed", "--shard 2/2");
    let (_, said) = room.run(1, "merge never mixed");
    assert!(said.contains("settings.positions: grid -> nothing"), "{said}");

    let fixed = format!("--arch {ARCH} --layer {LAYER} --data photos --topk-images 5 --out killed");
    let line = format!("select-images {fixed} --positions grid --batch-size 1 --checkpoint-every 0");
    for attempt in 1..50 {
        let mut child = room.command(&format!("{line} --resume -q")).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 * attempt));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            break;
        }
    }
    let lists = room.lists("killed");
    assert!(lists.join("manifest.json").is_file(), "it ends some time");
    assert_same_files(&room.lists("whole"), &lists);
    let (_, said) = room.run(1, &format!("select-images {fixed} --positions class --resume"));
    assert!(said.contains("settings.positions: grid -> class"), "{said}");
}

/// Columns x, y and size of a channel's patches.
fn boxes(lists: &Path, channel: usize) -> Vec<[i32; 3]> {
    let table = fs::File::open(lists.join(channel.to_string()).join("patches.parquet")).unwrap();
    let rows = SerializedFileReader::new(table).unwrap();
    let rows = rows.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| [3, 4, 5].map(|column| row.get_int(column).unwrap())).collect()
}

#[test]
fn patches_lie_around_tokens_and_class_tokens_have_none() {
    let room = Room::new(2, 3);
    room.select("r", "--channels 0-5");
    let lists = room.lists("r");
    let fixed = format!(
        "--arch {ARCH} --layer {LAYER} --data photos --channels 0-5 --patch-size 16 --out r/{ARCH}/neuron_{LAYER} --overwrite"
    );
    let by_field = format!("extract-patches {fixed} --method receptive-field");
    room.run(0, &format!("{by_field} --positions grid"));
    room.select("grid", "--channels 0-5 --positions grid --topk-images 6");
    let places: Vec<(i32, i32)> = rows(&room.lists("grid")).into_iter().map(|row| row.place).collect();
    for [x, y, size] in (0..6).flat_map(|channel| boxes(&lists, channel)) {
        assert_eq!(size, 16);
        // A token's cell lies in the middle of its patch, unless that would leave the image.
        let around = |cell: i32| (CELL * cell + CELL / 2 - size / 2).clamp(0, SIDE - size);
        assert!(places.iter().any(|place| (around(place.0), around(place.1)) == (y, x)), "{x}, {y}");
    }
    let (_, said) = room.run(0, &format!("{by_field} --positions class"));
    assert!(said.contains("5 of 5 patches are whole images") && said.contains("--positions grid"), "{said}");
    assert!(boxes(&lists, 3).iter().all(|found| *found == [0, 0, SIDE]));
    // Some of both in one picture.
    room.run(0, &by_field);
    let found: Vec<[i32; 3]> = (0..6).flat_map(|channel| boxes(&lists, channel)).collect();
    assert!(found.iter().any(|found| found[2] == SIDE) && found.iter().any(|found| found[2] == 16));
    room.run(0, "atlas r --out site --data photos");
    let pages = support::files(&room.at("site/units"));
    let pages: String = pages.values().map(|page| String::from_utf8_lossy(page)).collect();
    assert!(pages.contains("at a class token, which has no place") && pages.contains("<rect x="));

    // Windows are resized to the only size that the network takes, and the plan says so.
    let (plan, _) = room.run(0, &format!("extract-patches {fixed} --dry-run"));
    assert!(
        plan.contains("vit_demo takes no images of 16 x 16 pixels: each window is resized to 64 x 64"),
        "{plan}"
    );
    room.run(0, &format!("extract-patches {fixed}"));
    assert!(boxes(&lists, 3).iter().all(|found| found[2] == 16));
    room.run(0, &format!("extract-patches {fixed} --positions class"));
    let baseline =
        format!("baseline --arch {ARCH} --layer {LAYER} --data photos --channels 1 --patch-size 32");
    for positions in ["all", "grid", "class"] {
        room.run(0, &format!("{baseline} --topk-patches 3 --positions {positions} --out b-{positions}"));
    }
    room.run(0, &format!("{baseline} --topk-patches 3 --out b --threads 1 --batch-size 2"));
    assert_same_files(&room.at("b"), &room.at("b-all"));
}

#[test]
fn pictures_of_tokens_by_every_method() {
    let room = Room::new(2, 3);
    room.select("r", "--channels 2");
    let lists = format!("r/{ARCH}/neuron_{LAYER}");
    let fixed = format!("--arch {ARCH} --layer {LAYER} --data photos");
    room.run(0, &format!("extract-patches {fixed} --channels 2 --patch-size 32 --out {lists}"));
    let few = "--steps 2 --jitter 4 --num-real-img 2";
    let fvis = format!("fvis {fixed} --channels 2 --topk-dir {lists} {few}");
    for method in ["LRP", "LRPRestricted", "GuidedBackprop", "none"] {
        let (said, _) = room.run(0, &format!("{fvis} --method {method} --out p/{method} --json"));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert!(said.to_string().contains(LAYER), "{said}");
        let record = fs::read_dir(room.at(&format!("p/{method}"))).unwrap();
        let record =
            record.map(|file| file.unwrap().path()).find(|path| path.extension() == Some("json".as_ref()));
        let record: Value = serde_json::from_slice(&fs::read(record.unwrap()).unwrap()).unwrap();
        let terms = record["terms"].to_string();
        assert!(terms.contains("conv_proj") && terms.contains("encoder_layer_0"), "{terms}");
        assert!(record["loss"][1].as_f64().unwrap().is_finite());
    }
    // The same picture for its own positions, each with its own measures.
    let record = |folder: &str| -> Value {
        let files = fs::read_dir(room.at(folder)).unwrap().map(|file| file.unwrap().path());
        let path = files.into_iter().find(|path| path.extension() == Some("json".as_ref())).unwrap();
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    room.run(0, &format!("{fvis} --reference-compat --out p/compat"));
    let [own, published] = ["p/LRP", "p/compat"].map(record);
    assert_eq!(published["settings"]["method"], "LRP, published");
    assert_ne!(own["loss"], published["loss"], "inputs of both signs");
    let mut activations = Vec::new();
    for positions in ["all", "grid", "class"] {
        let clear = format!("{fvis} --preset clear --positions {positions} --out at/{positions}");
        room.run(0, &clear);
        activations.push(record(&format!("at/{positions}"))["activation"].clone());
        let eval = format!("eval at/{positions} --data photos --positions {positions} --population 4 --json");
        let (said, _) = room.run(0, &eval);
        assert!(serde_json::from_str::<Value>(&said).is_ok(), "{said}");
    }
    room.run(0, &format!("{fvis} --preset clear --out at/default"));
    assert_same_files(&room.at("at/all"), &room.at("at/default"));
    assert_ne!(activations[1], activations[2]);
    let (_, said) = room.run(
        2,
        &format!("fvis --arch {ARCH} --layer conv_proj --channels 2 --positions class --data photos"),
    );
    assert!(said.contains("--positions class: "), "{said}");
    let (_, said) = room.run(2, &format!("{fvis} --resolution 96 --out never"));
    assert!(said.contains("--resolution 96: vit_demo takes images of 64 x 64 pixels only"), "{said}");
    let (_, said) = room.run(2, &format!("{fvis} --schedule coarse-to-fine --out never"));
    assert!(said.contains("begins at half the size"), "{said}");

    fs::rename(room.at("photos/class0"), room.at("photos/n02099601")).unwrap();
    let class = format!("fvis --arch {ARCH} --layer heads.head --class 207 --data photos {few}");
    room.run(0, &format!("{class} --method none --out classes"));
}

#[test]
fn heat_maps_show_the_grid_over_the_image() {
    let room = Room::new(1, 1);
    let image = "photos/class0/photo000.png";
    room.run(0, &format!("attribute {image} --arch {ARCH} --layer {LAYER} --channel 3 --out heat"));
    let found = Weights::open(&room.at("heat/relevance.safetensors")).unwrap();
    let tokens = found.tensor("encoder.layers.encoder_layer_0").unwrap();
    assert_eq!(tokens.shape, [1, 1 + GRID * GRID, 64]);
    assert_eq!(found.tensor("conv_proj").unwrap().shape, [1, 64, GRID, GRID]);
    assert_eq!(found.tensor("input").unwrap().shape, [1, 3, 64, 64]);
    for picture in ["heatmap.png", "heatmap_encoder.layers.encoder_layer_0.png"] {
        assert_eq!(image::image_dimensions(room.at("heat").join(picture)).unwrap(), (64, 64));
    }
    assert!(!room.at("heat/heatmap_conv_proj.png").exists());
    let relevance = |folder: &str| fs::read(room.at(folder).join("relevance.safetensors")).unwrap();
    for positions in ["all", "grid", "class"] {
        let line =
            format!("attribute {image} --arch {ARCH} --layer {LAYER} --channel 3 --positions {positions}");
        room.run(0, &format!("{line} --out heat-{positions}"));
    }
    assert_eq!(relevance("heat-all"), relevance("heat"));
    assert_ne!(relevance("heat-grid"), relevance("heat-class"));
    // They are results, not images.
    let (_, said) = room.run(1, &format!("select-images --arch {ARCH} --data heat --dry-run --out x"));
    assert!(said.contains("no images under `heat`") && said.contains("results of neuron"), "{said}");
}

#[test]
fn activations_are_sequences_as_in_pytorch() {
    let room = Room::new(1, 2);
    let images = "photos/class0/photo000.png photos/class0/photo001.png";
    let shape = |more: &str| {
        room.run(
            0,
            &format!(
                "activations {images} --arch {ARCH} --layer {LAYER} --out a.safetensors --overwrite {more}"
            ),
        );
        let saved = Weights::open(&room.at("a.safetensors")).unwrap();
        (saved.tensor(LAYER).unwrap().shape.clone(), saved.metadata().get("positions").cloned())
    };
    assert_eq!(shape(""), (vec![2, 65, 64], None));
    assert_eq!(shape("--positions grid"), (vec![2, 64, 8, 8], Some("grid".to_owned())));
    assert_eq!(shape("--positions class"), (vec![2, 64], Some("class".to_owned())));
    assert_eq!(shape("--reduce max --positions grid").0, [2, 64]);
    room.run(0, &format!("activations {images} --arch {ARCH} --layer heads.head --top 3"));
    let (_, said) = room
        .run(2, &format!("activations {images} --arch {ARCH} --layer conv_proj --positions class --top 3"));
    assert!(said.contains("--positions class: conv_proj has no class token"), "{said}");
}

#[test]
fn layers_are_listed_with_tokens_and_cells() {
    let room = Room::new(1, 1);
    let (table, _) = room.run(0, &format!("layers --arch {ARCH}"));
    assert!(table.starts_with("vit_demo takes 64 x 64 pixels only\n"), "{table}");
    let line = table.lines().find(|line| line.starts_with(&format!("{LAYER} "))).unwrap();
    assert!(line.contains("1 + 8 x 8") && line.contains("cell of 8 px"), "{line}");
    let (listed, _) = support::expecting(0, &mut neuron(&["layers", "--arch", "vit_b_16", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed["input_px"].as_u64(), &listed["takes_only_that"]), (Some(224), &Value::Bool(true)));
    let layers = listed["layers"].as_array().unwrap();
    let block = layers.iter().find(|layer| layer["name"] == "encoder.layers.encoder_layer_5").unwrap();
    let numbers = ["channels", "extra", "height", "width"].map(|key| block[key].as_u64().unwrap());
    assert_eq!(numbers, [768, 1, 14, 14]);
    assert_eq!(block["cell"], serde_json::json!({ "stride_px": 16, "start_px": 0, "size_px": 16 }));
}

#[test]
fn mistyped_names_are_told_with_those_that_were_meant() {
    let room = Room::new(1, 1);
    let (_, said) = room
        .run(2, &format!("select-images --arch {ARCH} --data photos --out x --layer encoder_layer_1.mpl.0"));
    let meant = "encoder.layers.encoder_layer_1.mlp.0, ";
    assert!(said.contains(meant) && said.contains("`neuron layers` lists all"), "{said}");
    let (_, said) = room.run(2, "select-images --arch vit_demo_ --data photos --out x");
    assert!(
        said.contains("the nearest names are vit_demo, ")
            && said.contains("`neuron layers --help` lists all"),
        "{said}"
    );
    let (said, _) = room.run(0, "layers --help");
    let names = said.split_once("Architectures: ").expect("a list").1;
    let names: Vec<&str> = names.split([',', ';']).map(str::trim).collect();
    let known = neuron_model::Architecture::names();
    known.for_each(|name| assert!(names.contains(&name), "{name} of {names:?}"));
}

#[test]
fn weights_that_crop_to_another_size_are_told_which_fits() {
    let room = Room::new(1, 1);
    let weights = Weights::open(&room.at("random.safetensors")).unwrap();
    let tensors =
        || weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect::<Vec<_>>();
    let mut metadata = weights.metadata().clone();
    metadata.insert("crop".to_owned(), "48".to_owned());
    Weights::from_tensors(tensors(), metadata.clone()).save(&room.at("wrong.safetensors")).unwrap();
    let line = format!("select-images --arch {ARCH} --data photos --out x --weights");
    let (_, said) = room.run(1, &format!("{line} wrong.safetensors"));
    assert!(said.contains("64 x 64 pixels only") && said.contains("crop=64"), "{said}");
    let (_, said) = room.run(1, &format!("{line} random.safetensors --crop 48"));
    assert!(said.contains("64 x 64 pixels only") && said.contains("pass --crop 64"), "{said}");
    room.run(0, &format!("{line} wrong.safetensors --resize 64 --crop 64 --dry-run"));
    // Where nobody says a size, it is the network's.
    metadata.retain(|key, _| key != "crop" && key != "resize");
    Weights::from_tensors(tensors(), metadata).save(&room.at("silent.safetensors")).unwrap();
    let (_, said) = room.run(0, &format!("{line} silent.safetensors"));
    assert!(said.contains("resize 64, crop 64"), "{said}");
}

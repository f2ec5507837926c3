//! `neuron eval` through the real binary, on the demo's networks and pictures.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use neuron_demo::{Class, Dataset, Existing};
use serde_json::{Value, json};

use crate::support::{ARCH, Noise, expecting, neuron};

/// Pictures of each class that are drawn: the last is nobody's reference.
const PER_CLASS: usize = 5;

/// The units of the tests, by their classes.
const UNITS: [Class; 3] = [Class::Hearts, Class::Bricks, Class::Checks];

/// A folder with drawn photos, and lists of the references of some units of the last layer.
struct Setup(tempfile::TempDir);

impl Setup {
    fn new() -> Self {
        let setup = Self(tempfile::tempdir().unwrap());
        let dataset = Dataset { per_class: PER_CLASS, seed: 5, existing: Existing::Keep };
        dataset.write(&setup.path("photos"), &mut |_| ControlFlow::Continue(())).unwrap();
        for class in UNITS {
            let lines = (0..PER_CLASS - 1).map(|index| photo(class, index) + "\n").collect::<String>();
            let folder = setup.path("lists").join(class.number().to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("topk_files.txt"), lines).unwrap();
        }
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command without a unit's layer and without data.
    fn bare(&self, line: &str) -> Command {
        let mut command = neuron(&["eval"]);
        command.args(line.split_whitespace()).current_dir(self.0.path());
        command.arg("--weights").arg(weights("demo.safetensors"));
        command
    }

    /// The command for pictures without records.
    fn command(&self, line: &str) -> Command {
        let mut command = self.bare(line);
        command.args(["--arch", ARCH, "--layer", "fc", "--topk-dir", "lists", "--data", "photos"]);
        command
    }

    /// Runs it, which must exit with `code`; returns stdout and stderr.
    fn run(&self, code: i32, line: &str) -> (String, String) {
        expecting(code, &mut self.command(line))
    }

    fn json(&self, code: i32, line: &str) -> Value {
        let (stdout, _) = self.run(code, &format!("{line} --json"));
        serde_json::from_str(&stdout).unwrap()
    }

    /// Copies a photo of each unit into a set.
    fn photos(&self, set: &str, index: usize) {
        fs::create_dir_all(self.path(set)).unwrap();
        for class in UNITS {
            let to = self.path(set).join(format!("x_unit{}.png", class.number()));
            fs::copy(self.path(&photo(class, index)), to).unwrap();
        }
    }

    /// Draws a picture of noise for each unit.
    fn noise(&self, set: &str, side: u32) {
        fs::create_dir_all(self.path(set)).unwrap();
        for class in UNITS {
            let mut noise = Noise::new(class.number() as u64 + 1);
            let mut value = || (255.0 * noise.next()) as u8;
            let picture =
                image::RgbImage::from_fn(side, side, |_, _| image::Rgb([value(), value(), value()]));
            picture.save(self.path(set).join(format!("x_unit{}.png", class.number()))).unwrap();
        }
    }

    /// Writes what `fvis` writes beside a picture.
    fn record(&self, picture: &str, class: Class, change: impl FnOnce(&mut Value)) {
        let references: Vec<String> = (0..PER_CLASS - 1).map(|index| photo(class, index)).collect();
        let mut record = json!({
            "neuron_version": "0.1.0",
            "arch": ARCH,
            "weights_sha256": null,
            "layer": "fc",
            "channel": class.number(),
            "references": references,
            "references_are": "class",
            "finished": true,
        });
        change(&mut record);
        fs::write(self.path(picture).with_extension("json"), record.to_string()).unwrap();
    }
}

/// A drawn photo, as lists name it.
fn photo(class: Class, index: usize) -> String {
    format!("photos/{class}/{class}-{index:03}.png")
}

/// A file of the repository's weights.
fn weights(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights").join(name)
}

/// The mean of a measure over the units of a set.
fn mean(report: &Value, set: usize, measure: &str) -> f64 {
    let value = &report["sets"][set]["measures"][measure]["mean"];
    value.as_f64().unwrap_or_else(|| panic!("{measure} of {set}: {value}"))
}

#[test]
fn references_are_perfect_pictures_of_their_units_and_noise_is_none() {
    let setup = Setup::new();
    setup.photos("own", 0);
    setup.photos("held_out", PER_CLASS - 1);
    setup.noise("noise", 96);
    let report = setup.json(0, "own held_out noise");
    let [own, held_out, noise] = [0, 1, 2];
    assert_eq!(report["sets"][2]["set"], "noise");
    assert_eq!(report["evaluation"]["population"], json!({ "are": "data", "images": 100 }));
    for set in [own, held_out] {
        assert_eq!(mean(&report, set, "rank_is_1"), 1.0);
        assert_eq!(mean(&report, set, "retrieval_rank_is_1"), 1.0);
        assert_eq!(mean(&report, set, "retrieval_rank"), 1.0);
        let ratio = mean(&report, set, "activation_ratio");
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
        assert!(mean(&report, set, "auc") > 0.94, "5 of 100 images in general are the unit's");
        assert!(mean(&report, set, "mad") > 2.0);
        let ratio = mean(&report, set, "noise_ratio");
        assert!((0.2..3.0).contains(&ratio), "{ratio}");
    }
    assert!(mean(&report, noise, "noise") > 0.75 && mean(&report, noise, "noise_ratio") > 3.0);
    assert!(mean(&report, noise, "rank_is_1") < 0.5);
    for measure in ["activation_ratio", "cosine", "auc", "mad", "z_score"] {
        assert!(mean(&report, noise, measure) < mean(&report, held_out, measure), "{measure}");
    }
    // At the deepest layer, references are like one another, and one of them is the more so.
    let layers = report["sets"][own]["units"][0]["layers"].as_object().unwrap();
    let deepest = layers.keys().next_back().unwrap();
    let deepest = format!("similarity.{deepest}");
    assert!(mean(&report, own, &deepest) > 0.9);
    assert!(mean(&report, noise, &deepest) < 0.3);
    // Shares have an interval at every number of units, and it is Wilson's: 3 of 3.
    let interval = &report["sets"][own]["measures"]["rank_is_1"]["interval"];
    let lower = interval["lower"].as_f64().unwrap();
    assert!((lower - 0.4385).abs() < 1e-4 && interval["upper"] == 1.0, "{interval}");
}

#[test]
fn two_sets_are_columns_and_units_are_lines() {
    let setup = Setup::new();
    setup.photos("a", 4);
    setup.noise("b", 96);
    let (stdout, _) = setup.run(0, "a b --per-unit");
    let (summary, units) = stdout.split_once("\n\n").unwrap();
    let cells = |text: &str, name: &str| -> Vec<String> {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{text}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(cells(summary, "measure"), ["measure", "a", "b"]);
    assert_eq!(cells(summary, "units"), ["units", "3", "3"]);
    assert!(cells(summary, "rank_is_1")[1].starts_with("1.00 [0.439, 1.00]"), "{summary}");
    assert!(!summary.contains("witness"), "{summary}");
    assert_eq!(units.lines().count(), 1 + 2 * UNITS.len(), "{units}");
    let called = format!("fc:{} (hearts)", Class::Hearts.number());
    assert_eq!(units.lines().filter(|line| line.starts_with(&called)).count(), 2, "{units}");
}

#[test]
fn seeds_of_a_unit_are_told_together() {
    let setup = Setup::new();
    setup.photos("a", 4);
    let hearts = Class::Hearts.number();
    fs::copy(
        setup.path("a").join(format!("x_unit{hearts}.png")),
        setup.path(&format!("a/x_unit{hearts}_copy1.png")),
    )
    .unwrap();
    for part in ["masked", "step20"] {
        fs::write(setup.path(&format!("a/x_unit{hearts}_{part}.png")), "no picture").unwrap();
    }
    let report = setup.json(0, "a");
    assert_eq!(report["sets"][0]["pictures"], 4);
    let unit = report["sets"][0]["units"].as_array().unwrap().iter().find(|unit| unit["channel"] == hearts);
    assert_eq!(unit.unwrap()["pictures"].as_array().unwrap().len(), 2);
    let alone = setup.json(0, &format!("a/x_unit{hearts}.png"));
    let value = |report: &Value| report["measures"]["activation_ratio"].clone();
    assert_eq!(value(unit.unwrap()), value(&alone["sets"][0]["units"][0]), "twice the same picture");
    // A unit alone has no other to be told from, and its mean no interval.
    assert_eq!(alone["sets"][0]["set"], "files");
    assert_eq!(alone["sets"][0]["measures"]["retrieval_rank"], Value::Null);
    assert_eq!(alone["sets"][0]["measures"]["activation_ratio"]["interval"], Value::Null);
}

#[test]
fn a_witness_recognises_photos_and_not_noise() {
    let setup = Setup::new();
    setup.photos("a", 4);
    setup.noise("b", 96);
    let witness = weights("densenet_demo.safetensors");
    let line = format!("a b --witness-arch densenet_demo --witness-weights {}", witness.display());
    let report = setup.json(0, &line);
    assert_eq!(report["evaluation"]["witness"]["arch"], "densenet_demo");
    assert_eq!((mean(&report, 0, "witness_top5"), mean(&report, 0, "witness_retrieval_rank")), (1.0, 1.0));
    assert!(mean(&report, 1, "witness_top5") < 1.0);
    assert!(mean(&report, 1, "witness_cosine") < mean(&report, 0, "witness_cosine"));
    // Of drawn hearts, bricks and checks, each is a class: all units count, with either set.
    for set in [0, 1] {
        assert!(mean(&report, set, "witness_top5_references") > 0.9);
        let class_like = &report["sets"][set]["measures"]["witness_top5_class_like"];
        assert_eq!(class_like["units"], UNITS.len());
        assert_eq!(class_like["mean"], mean(&report, set, "witness_top5"));
    }
    let class = &report["sets"][0]["units"].as_array().unwrap();
    assert!(class.iter().any(|unit| unit["witness_class"].as_str().unwrap().contains("hearts")));
    let same = format!("a --witness-arch {ARCH} --witness-weights {}", weights("demo.safetensors").display());
    assert!(setup.run(2, &same).1.contains("no independent witness"));
    assert!(setup.run(2, "a --witness-weights x").1.contains("--witness-arch"));
}

#[test]
fn a_unit_whose_references_are_of_many_classes_is_not_class_like() {
    let setup = Setup::new();
    setup.photos("a", 4);
    // One image of each class: the one that stands for them is among the five strongest of few others.
    let hearts = Class::Hearts.number().to_string();
    let mixed: String = Class::ALL.into_iter().map(|class| photo(class, 0) + "\n").collect();
    fs::write(setup.path("lists").join(hearts).join("topk_files.txt"), mixed).unwrap();
    let witness = weights("densenet_demo.safetensors");
    let line = format!("a --witness-arch densenet_demo --witness-weights {}", witness.display());
    let report = setup.json(0, &line);
    let measures = |class: Class| {
        let units = report["sets"][0]["units"].as_array().unwrap();
        let unit = units.iter().find(|unit| unit["channel"] == class.number()).unwrap();
        unit["measures"].clone()
    };
    assert!(measures(Class::Hearts)["witness_top5_references"].as_f64().unwrap() < 0.5);
    assert_eq!(measures(Class::Hearts)["witness_top5_class_like"], Value::Null);
    assert_eq!(measures(Class::Bricks)["witness_top5_class_like"], 1.0);
    assert_eq!(report["sets"][0]["measures"]["witness_top5_class_like"]["units"], UNITS.len() - 1);
    assert_eq!(report["sets"][0]["measures"]["witness_top5"]["units"], UNITS.len());
}

#[test]
fn records_say_the_unit_and_its_references() {
    let setup = Setup::new();
    fs::create_dir(setup.path("a")).unwrap();
    for class in UNITS {
        let picture = format!("a/{class}.png");
        fs::copy(setup.path(&photo(class, 4)), setup.path(&picture)).unwrap();
        setup.record(&picture, class, |_| {});
    }
    let by_records = |more: &str| expecting(0, &mut setup.bare(&format!("a --json {more}")));
    let (stdout, stderr) = by_records("--data photos");
    assert!(!stderr.contains("note:"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    setup.photos("b", 4);
    let by_names = setup.json(0, "b");
    assert_eq!(report["sets"][0]["measures"], by_names["sets"][0]["measures"]);
    // Pictures of a unit's facets have parts of its references: it is compared with all of them.
    let facet = setup.path("a/hearts_facet0.png");
    fs::copy(setup.path("a/hearts.png"), &facet).unwrap();
    setup.record("a/hearts_facet0.png", Class::Hearts, |record| {
        record["references"].as_array_mut().unwrap().truncate(2);
    });
    let (stdout, stderr) = by_records("--data photos");
    assert!(stderr.contains("compared with all 4 of them"), "{stderr}");
    let faceted: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(faceted["sets"][0]["pictures"], 4);
    assert_eq!(faceted["sets"][0]["measures"]["cosine"], report["sets"][0]["measures"]["cosine"]);
    fs::remove_file(facet.with_extension("json")).unwrap();
    fs::remove_file(facet).unwrap();
    // Without data, the references of the other units stand for images in general.
    let (stdout, stderr) = by_records("");
    assert!(stderr.contains("the references of the other units stand for images in general"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["evaluation"]["population"]["images"], 12);
    assert_eq!((mean(&report, 0, "auc"), mean(&report, 0, "retrieval_rank")), (1.0, 1.0));
    // The photos move.
    fs::rename(setup.path("photos"), setup.path("moved")).unwrap();
    let (stdout, _) = by_records("--data moved");
    let moved: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(moved["sets"][0]["measures"], by_names["sets"][0]["measures"]);
    let (_, stderr) = expecting(1, &mut setup.bare("a"));
    assert!(
        stderr.contains("none of the images of the records of fc:") && stderr.contains("--data"),
        "{stderr}"
    );
}

#[test]
fn what_fvis_writes_is_read() {
    let setup = Setup::new();
    let (hearts, bricks) = (Class::Hearts.number(), Class::Bricks.number());
    let channels = format!("{hearts},{bricks}");
    let mut fvis =
        neuron(&["fvis", "--arch", ARCH, "--layer", "fc", "--channels", &channels, "--topk-dir", "lists"]);
    fvis.args([
        "--data",
        "photos",
        "--steps",
        "3",
        "--save-every",
        "2",
        "--resolution",
        "96",
        "--out",
        "made",
    ]);
    fvis.arg("--weights").arg(weights("demo.safetensors")).current_dir(setup.path(""));
    expecting(0, &mut fvis);
    let (stdout, stderr) = expecting(0, &mut setup.bare("made --data photos --json"));
    assert!(!stderr.contains("note:") && !stderr.contains("skipped"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let units = report["sets"][0]["units"].as_array().unwrap();
    assert_eq!((units.len(), &report["sets"][0]["pictures"]), (2, &json!(2)));
    for unit in units {
        assert_eq!(unit["references"], PER_CLASS - 1);
        let record = Path::new(unit["pictures"][0].as_str().unwrap()).with_extension("json");
        let record: Value = serde_json::from_slice(&fs::read(setup.path("").join(record)).unwrap()).unwrap();
        // The picture's file has bytes in place of floats.
        let z_score = |value: &Value| value.as_f64().unwrap();
        let (now, then) = (z_score(&unit["measures"]["z_score"]), z_score(&record["activation"]["z_score"]));
        assert!((now - then).abs() < 0.1, "{now} and {then}");
    }
}

#[test]
fn pictures_of_any_size_are_resized_as_images_are() {
    let setup = Setup::new();
    setup.noise("a", 150);
    let (_, stderr) = setup.run(0, "a");
    assert!(stderr.contains("3 of 3 pictures are not of the network's 96 x 96 pixels"), "{stderr}");
    let hearts = Class::Hearts.number();
    setup.run(0, &format!("photos/hearts/hearts-004.png --channels {hearts} --population 3"));
}

#[test]
fn any_layer_of_any_network_can_be_evaluated() {
    let setup = Setup::new();
    setup.photos("a", 4);
    for (arch, file, layer) in [
        (ARCH, "demo.safetensors", "layer2.0.conv1"),
        ("densenet_demo", "densenet_demo.safetensors", "classifier"),
    ] {
        let mut command =
            neuron(&["eval", "a", "--arch", arch, "--layer", layer, "--topk-dir", "lists", "--json"]);
        command.arg("--weights").arg(weights(file)).current_dir(setup.path(""));
        let (stdout, _) = expecting(0, &mut command);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["sets"][0]["units"].as_array().unwrap().len(), UNITS.len(), "{arch}");
        assert_eq!(report["sets"][0]["units"][0]["layer"], layer);
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes_whatever_the_threads() {
    let setup = Setup::new();
    setup.photos("a", 4);
    setup.noise("b", 96);
    for ending in ["tsv", "json"] {
        let files = [1, 2, 3].map(|threads| {
            let out = format!("out{threads}.{ending}");
            let (stdout, _) = setup.run(0, &format!("a b --threads {threads} --out {out}"));
            (stdout, fs::read(setup.path(&out)).unwrap())
        });
        assert!(files[0] == files[1] && files[0] == files[2], "{ending}");
    }
    let tsv = fs::read_to_string(setup.path("out1.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = tsv.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines[0], ["set", "unit", "measure", "value", "lower", "upper", "count"]);
    assert!(lines.iter().all(|line| line.len() == 7));
    assert!(lines.iter().any(|line| line[..3] == ["b", "all", "noise"] && line[6] == "3"));
    // stdout and the file hold the same report.
    let (stdout, _) = setup.run(0, "a b --json");
    assert_eq!(stdout, fs::read_to_string(setup.path("out1.json")).unwrap());
    let (_, stderr) = setup.run(1, "a --out out1.tsv");
    assert!(stderr.contains("--overwrite"), "{stderr}");
    setup.run(0, "a --out out1.tsv --overwrite");
    let (_, stderr) = setup.run(2, "a --out out.csv");
    assert!(stderr.contains(".tsv or .json"), "{stderr}");
}

#[test]
fn a_plan_writes_nothing() {
    let setup = Setup::new();
    setup.photos("a", 4);
    let (stdout, _) = setup.run(0, "a --dry-run --out x.tsv");
    assert!(stdout.contains("pictures    3") && stdout.contains("12 references, 100 in general"), "{stdout}");
    assert!(stdout.contains("forward     115 passes"), "{stdout}");
    assert!(!setup.path("x.tsv").exists());
    let plan = setup.json(0, "a --dry-run");
    assert_eq!((&plan["command"], &plan["forwards"]), (&json!("eval"), &json!(115)));
}

#[test]
fn what_cannot_be_measured_is_skipped_counted_and_told() {
    let setup = Setup::new();
    setup.photos("a", 4);
    let hearts = Class::Hearts.number();
    fs::write(setup.path(&format!("a/y_unit{hearts}.png")), b"\x89PNG\r\n\x1a\n broken").unwrap();
    fs::copy(setup.path(&photo(Class::Hearts, 0)), setup.path("a/nobody.png")).unwrap();
    fs::copy(setup.path(&photo(Class::Hearts, 0)), setup.path("a/z_unit99999.png")).unwrap();
    fs::copy(setup.path(&photo(Class::Bricks, 0)), setup.path("a/other.png")).unwrap();
    setup.record("a/other.png", Class::Bricks, |record| record["arch"] = "resnet18".into());
    fs::copy(setup.path(&photo(Class::Bricks, 0)), setup.path("a/torn.png")).unwrap();
    fs::write(setup.path("a/torn.json"), "{\"neuron_version\"").unwrap();
    fs::copy(setup.path(&photo(Class::Bricks, 0)), setup.path("a/early.png")).unwrap();
    fs::write(setup.path("a/early.json"), "{\"neuron_version\": \"0.1.0\", \"references_are\": \"images\"}")
        .unwrap();
    let report = setup.json(3, "a");
    let reasons = report["skipped"].as_array().unwrap();
    let reason = |name: &str| {
        let found = reasons.iter().find(|skipped| skipped["image"].as_str().unwrap().ends_with(name));
        found.unwrap_or_else(|| panic!("{name}: {reasons:?}"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reasons.len(), 6);
    assert!(reason("nobody.png").contains("--channels"));
    assert!(reason("z_unit99999.png").contains("99999"));
    assert!(reason("other.png").contains("--arch resnet18"));
    assert!(reason("torn.png").contains("torn.json cannot be used"));
    assert!(reason("early.png").contains("has not ended"));
    assert_eq!(report["sets"][0]["pictures"], 3);
    let (_, stderr) = setup.run(1, "a --strict");
    assert!(stderr.contains("error: a/"), "{stderr}");
}

#[test]
fn wrong_inputs_are_told_with_a_way_out() {
    let setup = Setup::new();
    setup.photos("a", 4);
    let (_, stderr) = expecting(2, setup.bare("photos/hearts").args(["--arch", ARCH]));
    assert!(stderr.contains("no picture is left") && stderr.contains("--layer"), "{stderr}");
    assert!(setup.run(1, "none").1.contains("there is no picture or folder none"));
    fs::create_dir(setup.path("empty")).unwrap();
    assert!(setup.run(1, "empty").1.contains("holds no pictures"));
    assert!(setup.run(2, "").1.contains("PATH"));
    fs::copy(setup.path(&photo(Class::Hearts, 0)), setup.path("x_masked.png")).unwrap();
    assert!(setup.run(2, "x_masked.png").1.contains("no picture of its own"));
    let (_, stderr) = setup.run(2, "photos/hearts/hearts-000.png --channels 20");
    assert!(stderr.contains("channel 20") && stderr.contains("fc"), "{stderr}");
    // A unit without a list, and a list whose images are gone.
    let (_, stderr) = setup.run(1, "photos/hearts/hearts-000.png --channels 2");
    assert!(stderr.contains("no reference images") && stderr.contains("--topk-dir"), "{stderr}");
    let folder = setup.path("lists/2");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("topk_files.txt"), "photos/gone.png\n").unwrap();
    let (_, stderr) = setup.run(1, "photos/hearts/hearts-000.png --channels 2");
    assert!(stderr.contains("none of the images of lists/2/topk_files.txt can be read"), "{stderr}");
    // The references of a record that are patches are known to their lists only.
    fs::copy(setup.path(&photo(Class::Hearts, 4)), setup.path("p.png")).unwrap();
    setup.record("p.png", Class::Hearts, |record| record["references_are"] = "patches".into());
    let (_, stderr) = expecting(2, &mut setup.bare("p.png --data photos"));
    assert!(stderr.contains("are patches") && stderr.contains("--topk-dir"), "{stderr}");
}

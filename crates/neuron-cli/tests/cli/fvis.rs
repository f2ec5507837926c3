//! `neuron fvis` through the real binary: on a small network with drawn photos, and against the reference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use neuron_model::Weights;
use neuron_model::weights::WeightTensor;
use serde_json::Value;

use crate::support::{ARCH, Room, assert_same_files, expecting, files, neuron, reference};

/// A folder with weights, photos and lists of references for three units, in which commands run.
struct Setup(Room);

impl Setup {
    fn new() -> Self {
        let setup = Self(Room::new(2, 3));
        for (channel, photos) in [(3, &[0, 1, 2][..]), (5, &[2, 0, 1]), (9, &[1])] {
            let lines = photos.iter().map(|photo| format!("photos/class1/photo{photo:03}.png\n"));
            setup.list(channel, &lines.collect::<String>());
        }
        setup
    }

    fn list(&self, channel: usize, lines: &str) {
        let unit = self.path("lists").join(channel.to_string());
        fs::create_dir_all(&unit).unwrap();
        fs::write(unit.join("topk_files.txt"), lines).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn command(&self, out: &str, more: &[&str]) -> Command {
        let mut command = neuron(&["fvis", "--arch", ARCH, "--weights", "random.safetensors"]);
        command.args([
            "--layer",
            "layer4_0",
            "--topk-dir",
            "lists",
            "--data",
            "photos",
            "--resolution",
            "64",
        ]);
        command.args(["--num-real-img", "3", "--epochs", "6", "--jitter", "4", "--exp-name", "x"]);
        command.args(["--folder-name", out]).args(more).current_dir(self.path(""));
        command
    }

    /// Runs the command, which must exit with `code`; returns stdout and stderr.
    fn run(&self, code: i32, out: &str, more: &[&str]) -> (String, String) {
        expecting(code, &mut self.command(out, more))
    }

    fn record(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }
}

/// The numbers of a JSON array.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn a_run_writes_the_picture_and_all_that_belongs_to_it() {
    let setup = Setup::new();
    let (stdout, stderr) = setup.run(0, "out", &["--channel", "3", "--save-every", "4", "--json"]);
    let names: Vec<_> = files(&setup.path("out")).into_keys().collect();
    let expected = ["x.json", "x.png", "x_loss.svg", "x_masked.png", "x_step4.png"].map(PathBuf::from);
    assert_eq!(names, expected);
    assert!(stderr.contains("layer4.0:3: loss"), "{stderr}");

    let picture = image::open(setup.path("out/x.png")).unwrap();
    assert_eq!((picture.width(), picture.height(), picture.color()), (64, 64, image::ColorType::Rgb8));
    let masked = image::open(setup.path("out/x_masked.png")).unwrap();
    assert_eq!(masked.color(), image::ColorType::Rgba8);

    let record = setup.record("out/x.json");
    assert_eq!((&record["layer"], &record["channel"]), (&Value::from("layer4.0"), &Value::from(3)));
    assert_eq!((&record["steps"], &record["finished"]), (&Value::from(6), &Value::from(true)));
    let loss = numbers(&record["loss"]);
    assert_eq!(loss.len(), 6);
    // Every total is the weighted sum of its terms.
    for (step, loss) in loss.iter().enumerate() {
        let terms = record["terms"].as_object().unwrap();
        let term = |(name, values): (&String, &Value)| {
            record["weights"][name].as_f64().unwrap() * numbers(values)[step]
        };
        let sum: f64 = terms.iter().map(term).sum();
        assert!((sum - loss).abs() <= 1e-12 * loss.abs(), "step {step}: {sum} and {loss}");
    }
    let activations = numbers(&record["activations"]);
    assert_eq!(activations.len(), 6);
    let silent = activations.iter().filter(|activation| **activation == 0.0).count();
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary["pictures"][0]["activation"], record["activation"]);
    assert_eq!(summary["pictures"][0]["silent_steps"], Value::from(silent));
    assert_eq!(stderr.contains("the unit was silent"), silent > 0, "{stderr}");
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes_whatever_the_threads() {
    let setup = Setup::new();
    let units = ["--channels", "3,5"];
    setup.run(0, "whole", &[&units[..], &["--threads", "1"]].concat());
    setup.run(0, "parts", &[&units[..], &["--stop-after", "2", "--threads", "2"]].concat());
    assert!(setup.path("parts/x.checkpoint").is_file());
    assert_eq!(setup.record("parts/x_unit3.json")["finished"], Value::from(false));
    let (_, stderr) = setup.run(1, "parts", &units);
    assert!(stderr.contains("--resume"), "{stderr}");
    let (_, stderr) = setup.run(1, "parts", &["--channels", "3,9", "--resume"]);
    assert!(stderr.contains("channels: [3,5] -> [3,9]"), "{stderr}");
    setup.run(0, "parts", &[&units[..], &["--resume", "--threads", "3"]].concat());
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
}

#[test]
fn a_unit_is_the_same_alone_and_in_company() {
    let setup = Setup::new();
    for method in ["LRP", "LRPRestricted", "GuidedBackprop", "none"] {
        let (alone, together) = (format!("alone-{method}"), format!("together-{method}"));
        setup.run(0, &alone, &["--channel", "5", "--method", method]);
        setup.run(0, &together, &["--channels", "3,5,9", "--method", method]);
        for suffix in [".png", "_masked.png", ".json", "_loss.svg"] {
            let alone = fs::read(setup.path(&alone).join(format!("x{suffix}"))).unwrap();
            let together = fs::read(setup.path(&together).join(format!("x_unit5{suffix}"))).unwrap();
            assert!(alone == together, "{method} {suffix}");
        }
    }
}

#[test]
fn tasks_that_share_a_folder_make_the_pictures_of_one_run() {
    let setup = Setup::new();
    let all = ["--channels", "9,3,5", "--save-every", "4"];
    setup.run(0, "whole", &all);
    let shard = |shard: &'static str| [&all[..], &["--shard", shard, "--resume"]].concat();
    // One task stops before its end, and the others come and go meanwhile.
    setup.run(0, "parts", &[&shard("2/3")[..], &["--stop-after", "2"]].concat());
    assert!(setup.path("parts/x.shard-2-of-3.checkpoint").is_file());
    setup.run(0, "parts", &shard("1/3"));
    setup.run(0, "parts", &shard("3/3"));
    let (_, stderr) = setup.run(0, "parts", &shard("2/3"));
    assert!(stderr.contains("resumed after 2 steps"), "{stderr}");
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
    // Replacing one part leaves the others' pictures alone, and another number of tasks makes the same.
    let again = [&all[..], &["--shard", "1/2", "--overwrite"]].concat();
    setup.run(0, "parts", &again);
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
    let (_, stderr) = setup.run(0, "parts", &[&all[..], &["--resume"]].concat());
    assert!(stderr.contains("already complete"), "{stderr}");
}

#[test]
fn a_task_is_told_its_part_by_its_scheduler() {
    let setup = Setup::new();
    setup.run(0, "whole", &["--channels", "3,5"]);
    for index in ["0", "1", "2"] {
        let mut task = setup.command("parts", &["--channels", "3,5", "--shard", "auto/3"]);
        let (_, stderr) = expecting(0, task.env("JOB_COMPLETION_INDEX", index));
        assert_eq!(stderr.contains("there are more parts than units"), index == "0", "{stderr}");
    }
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
    let (_, stderr) = setup.run(2, "none", &["--channels", "3,5", "--shard", "auto"]);
    assert!(stderr.contains("SLURM_ARRAY_TASK_ID") && stderr.contains("JOB_COMPLETION_INDEX"), "{stderr}");
}

#[test]
fn clear_pictures_go_on_to_the_same_bytes() {
    let setup = Setup::new();
    let clear = ["--channels", "3,5", "--preset", "clear"];
    setup.run(0, "whole", &[&clear[..], &["--threads", "1"]].concat());
    setup.run(0, "parts", &[&clear[..], &["--stop-after", "2"]].concat());
    let (_, stderr) = setup.run(0, "parts", &[&clear[..], &["--resume", "--threads", "3"]].concat());
    assert!(stderr.contains("resumed after 2 steps"), "{stderr}");
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
    let settings = &setup.record("whole/x_unit3.json")["settings"];
    assert_eq!(settings["parametrisation"], "spectrum");
    assert_eq!(settings["priors"]["tv_l2"], 2e-5);
    assert_eq!(settings["transforms"]["rotation_deg"], 5.0, "{settings}");
    assert!(settings["activation"]["weight"].as_f64().unwrap() > 0.0, "{settings}");
    assert_eq!(settings["method"], "none", "{settings}");
    // What is typed comes before what the preset says.
    setup.run(0, "own", &["--channels", "3", "--preset", "clear", "--lr", "0.5", "--activation", "0"]);
    let settings = &setup.record("own/x.json")["settings"];
    assert_eq!((&settings["learning_rate"], &settings["activation"]), (&Value::from(0.5), &Value::Null));
    // The same name with other settings is another run.
    let (_, stderr) = setup.run(1, "whole", &["--channels", "3,5", "--resume"]);
    assert!(stderr.contains("other settings") && stderr.contains("parametrisation"), "{stderr}");
}

#[test]
fn clear_pictures_match_the_nearest_layer_as_well() {
    let setup = Setup::new();
    let layers = |out: &str, layer: &str, more: &[&str]| {
        let flags = ["--channels", "3", "--preset", "clear", "--steps", "1", "--exp-name", "x", "--out", out];
        let mut command = neuron(&["fvis", "--arch", ARCH, "--weights", "random.safetensors"]);
        command.args(["--topk-dir", "lists", "--data", "photos", "--resolution", "64", "--layer", layer]);
        expecting(0, command.args(flags).args(more).current_dir(setup.path("")));
        setup.record(&format!("{out}/x.json"))["settings"]["layer_weights"].clone()
    };
    let usual = serde_json::json!([0.1, 1.0, 1.0, 1.0, 0.0]);
    // The block below is one of the usual layers.
    let by_name = serde_json::json!({ "conv1": 0.1, "layer1": 1.0, "layer2": 1.0, "layer3": 1.0 });
    assert_eq!(layers("block", "layer4.0", &[]), by_name);
    assert_eq!(setup.record("block/x.json")["settings"]["plain_layer"], "layer3");
    let within =
        serde_json::json!({ "conv1": 0.1, "layer1": 1.0, "layer2": 1.0, "layer3": 1.0, "layer4.0.bn1": 1.0 });
    assert_eq!(layers("within", "layer4.0.bn2", &[]), within);
    assert_eq!(layers("without", "layer4.0.bn2", &["--nearest-layer", "0"]), usual);
    assert_eq!(layers("weights", "layer4.0.bn2", &["--layer-weights", "0.1,1,1,1,0"]), usual);
    let named = layers("named", "layer4.0.bn2", &["--layers", "layer2", "--nearest-layer", "0.5"]);
    assert_eq!(named, serde_json::json!({ "layer2": 1.0, "layer4.0.bn1": 0.5 }));
    // All features of that layer count, also at the end.
    layers("finished", "layer4.0.bn2", &["--finish", "1"]);
    assert_eq!(setup.record("finished/x.json")["settings"]["plain_layer"], "layer4.0.bn1");
    let (_, stderr) = setup.run(2, "none", &["--channels", "3", "--nearest-layer", "-1"]);
    assert!(stderr.contains("expected a number of at least 0"), "{stderr}");
    // Where no features are matched, there is none.
    assert_eq!(layers("activation", "layer4.0.bn2", &["--objective", "activation"]), usual);
}

#[test]
fn pictures_finished_by_relevance_go_on_to_the_same_bytes() {
    let setup = Setup::new();
    // The last two steps of six; the run is stopped between them.
    let finished = ["--channels", "3,5", "--preset", "clear", "--finish", "0.3"];
    setup.run(0, "whole", &finished);
    setup.run(0, "parts", &[&finished[..], &["--stop-after", "5"]].concat());
    setup.run(0, "parts", &[&finished[..], &["--resume", "--threads", "1"]].concat());
    assert_same_files(&setup.path("whole"), &setup.path("parts"));
    let settings = &setup.record("whole/x_unit3.json")["settings"];
    assert_eq!(settings["method"], "none");
    assert_eq!(settings["finish"], serde_json::json!({"steps": 2, "method": "LRP"}));
    setup.run(0, "unfinished", &[&finished[..4], &["--finish", "0"]].concat());
    let picture = |folder: &str| fs::read(setup.path(&format!("{folder}/x_unit3.png"))).unwrap();
    assert!(picture("whole") != picture("unfinished"));
    assert!(setup.record("unfinished/x_unit3.json")["settings"].get("finish").is_none());
}

#[test]
fn the_last_half_of_clear_pictures_is_finished_by_relevance() {
    let setup = Setup::new();
    let finish = |out: &str, more: &[&str]| {
        setup.run(0, out, &[&["--channels", "3", "--preset", "clear", "--steps", "4"], more].concat());
        setup.record(&format!("{out}/x.json"))["settings"]["finish"]["steps"].clone()
    };
    assert_eq!(finish("usual", &[]), 2);
    assert_eq!(finish("own", &["--finish", "0.25"]), 1);
    // Where relevance counts from the first step on, nothing would hold the thing together, no features are matched, or
    // the unit may be below 0.
    for (out, more) in [
        ("relevant", ["--method", "LRP"]),
        ("loose", ["--nearest-layer", "0"]),
        ("activation", ["--objective", "activation"]),
        ("signed", ["--layer", "layer4.0.bn2"]),
    ] {
        assert_eq!(finish(out, &more), Value::Null, "{out}");
    }
    let (_, stderr) = setup.run(2, "refused", &["--channels", "3", "--finish", "0.5"]);
    assert!(stderr.contains("--method LRP weighs the features"), "{stderr}");
}

#[test]
fn every_objective_makes_a_picture_with_its_record() {
    let setup = Setup::new();
    for (objective, made_of, more) in [
        ("activation", "spectrum", &[][..]),
        ("maco", "phases", &[]),
        ("accentuation", "spectrum", &["--start", "photos/class1/photo001.png"]),
        ("vital", "pyramid", &["--parametrisation", "pyramid"]),
    ] {
        let flags = [&["--channels", "3", "--objective", objective], more].concat();
        setup.run(0, objective, &flags);
        let record = setup.record(&format!("{objective}/x.json"));
        assert_eq!(record["settings"]["parametrisation"], made_of, "{objective}");
        let (loss, terms) = (numbers(&record["loss"]), record["terms"].as_object().unwrap());
        for (step, loss) in loss.iter().enumerate() {
            let term = |(name, values): (&String, &Value)| {
                record["weights"][name].as_f64().unwrap() * numbers(values)[step]
            };
            let sum: f64 = terms.iter().map(term).sum();
            assert!((sum - loss).abs() <= 1e-9 * loss.abs().max(1.0), "{objective}: {sum} and {loss}");
        }
    }
    let (_, stderr) = setup.run(2, "none", &["--channels", "3", "--objective", "accentuation"]);
    assert!(stderr.contains("--start"), "{stderr}");
    let (_, stderr) = setup.run(2, "none", &["--channels", "3", "--scale", "5-1"]);
    assert!(stderr.contains("--scale is 5 to 1; expected"), "{stderr}");
}

#[test]
fn starts_magnitudes_and_masks_are_chosen_and_recorded() {
    let setup = Setup::new();
    let bytes = |name: &str| fs::read(setup.path(name)).unwrap();
    let clear = ["--channels", "3", "--preset", "clear"];
    for start in ["noise", "natural", "reference"] {
        setup.run(0, start, &[&clear[..], &["--start", start]].concat());
        let from = &setup.record(&format!("{start}/x.json"))["settings"]["start_from"];
        assert_eq!(from.as_str().unwrap_or("noise"), start);
    }
    assert!(
        bytes("natural/x.png") != bytes("reference/x.png") && bytes("natural/x.png") != bytes("noise/x.png")
    );

    // By another mask, the picture stays what it is.
    setup.run(0, "masked", &[&clear[..], &["--mask", "relevance"]].concat());
    assert!(bytes("masked/x.png") == bytes("noise/x.png"));
    assert!(bytes("masked/x_masked.png") != bytes("noise/x_masked.png"));
    assert_eq!(setup.record("masked/x.json")["inputs"]["mask"], "relevance");

    let maco = ["--channels", "3", "--objective", "maco"];
    setup.run(0, "measured", &maco);
    setup.run(0, "falling", &[&maco[..], &["--magnitudes", "1/f"]].concat());
    assert!(bytes("measured/x.png") != bytes("falling/x.png"));
    for (folder, of) in [("measured", "data"), ("falling", "1/f")] {
        assert_eq!(setup.record(&format!("{folder}/x.json"))["magnitudes"], of);
    }
    setup.run(0, "parts", &[&maco[..], &["--stop-after", "2"]].concat());
    setup.run(0, "parts", &[&maco[..], &["--resume"]].concat());
    assert_same_files(&setup.path("measured"), &setup.path("parts"));
    // The magnitudes of other images are other magnitudes.
    setup.run(0, "parts2", &[&maco[..], &["--stop-after", "2"]].concat());
    fs::remove_file(setup.path("photos/class0/photo000.png")).unwrap();
    let (_, stderr) = setup.run(1, "parts2", &[&maco[..], &["--resume"]].concat());
    assert!(stderr.contains("population"), "{stderr}");
}

#[test]
fn facets_have_pictures_of_their_own() {
    let setup = Setup::new();
    let (_, stderr) = setup.run(0, "two", &["--channels", "3,9", "--facets", "2"]);
    assert!(stderr.contains("layer4.0:3: 2 facets of 2, 1 references"), "{stderr}");
    assert!(stderr.contains("layer4.0:9: one facet of 1 references"), "{stderr}");
    let names: Vec<String> =
        files(&setup.path("two")).into_keys().map(|name| name.display().to_string()).collect();
    for name in ["x_unit3_facet0.png", "x_unit3_facet1.json", "x_unit3_facets.png", "x_unit9_facet0.png"] {
        assert!(names.contains(&name.to_owned()), "{name} is not among {names:?}");
    }
    let sheet = image::open(setup.path("two/x_unit3_facets.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (128, 64));
    let (first, second) = (setup.record("two/x_unit3_facet0.json"), setup.record("two/x_unit3_facet1.json"));
    assert_eq!(
        (first["references"].as_array().unwrap().len(), &second["facet"]["number"]),
        (2, &Value::from(1))
    );
    // Three references are too few to fall into groups.
    let (_, stderr) = setup.run(0, "auto", &["--channels", "3", "--facets", "auto"]);
    assert!(stderr.contains("one facet of 3 references"), "{stderr}");
    let (_, stderr) = setup.run(2, "auto", &["--channels", "3", "--facets", "0"]);
    assert!(stderr.contains("expected auto or a number"), "{stderr}");
}

#[test]
fn the_best_copy_is_kept() {
    let setup = Setup::new();
    setup.run(0, "all", &["--channels", "3", "--copies", "3"]);
    let best = ["--channels", "3", "--copies", "3", "--keep-best"];
    setup.run(0, "best", &best);
    let names: Vec<_> = files(&setup.path("best")).into_keys().collect();
    assert_eq!(names, ["x.json", "x.png", "x_loss.svg", "x_masked.png"].map(PathBuf::from));
    let kept = setup.record("best/x.json");
    let rank = |record: &Value| record["activation"]["rank"].as_u64().unwrap();
    let ranks: Vec<u64> = (0..3).map(|copy| rank(&setup.record(&format!("all/x_copy{copy}.json")))).collect();
    assert_eq!(rank(&kept), *ranks.iter().min().unwrap());
    let copy = kept["copy"].as_u64().unwrap();
    assert_eq!(
        fs::read(setup.path("best/x.png")).unwrap(),
        fs::read(setup.path(&format!("all/x_copy{copy}.png"))).unwrap()
    );
    let (_, stderr) = setup.run(0, "best", &[&best[..], &["--resume"]].concat());
    assert!(stderr.contains("already complete"), "{stderr}");
}

#[test]
fn an_interrupted_run_leaves_its_picture_and_goes_on() {
    let setup = Setup::new();
    let many = ["--channel", "3", "--epochs", "100000"];
    let mut child = setup
        .command("out", &[&many[..], &["--save-every", "3"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !setup.path("out/x_step3.png").exists() {
        assert!(Instant::now() < deadline, "no picture after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));

    assert!(setup.path("out/x.png").is_file() && setup.path("out/x.checkpoint").is_file());
    let steps = setup.record("out/x.json")["steps"].as_u64().unwrap();
    let next = (steps + 2).to_string();
    setup.run(0, "out", &[&many[..], &["--resume", "--stop-after", &next]].concat());
    setup.run(0, "whole", &[&many[..], &["--stop-after", &next]].concat());
    let same = |name: &str| {
        fs::read(setup.path("out").join(name)).unwrap() == fs::read(setup.path("whole").join(name)).unwrap()
    };
    for name in ["x.png", "x.json", "x_masked.png", "x_loss.svg", "x.checkpoint"] {
        assert!(same(name), "{name}");
    }
}

#[test]
fn pictures_of_a_run_that_was_killed_early_are_no_images() {
    let setup = Setup::new();
    let endless = ["--channels", "3,5", "--epochs", "100000", "--save-every", "1"];
    let mut child =
        setup.command("out", &endless).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !setup.path("out/x_unit5_step1.png").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!setup.path("out/x.checkpoint").exists());
    let scan = [
        "select-images",
        "--arch",
        ARCH,
        "--weights",
        "random.safetensors",
        "--channels",
        "0",
        "--data",
        ".",
    ];
    let scan = [&scan[..], &["--out", "lists"]].concat();
    let (_, stderr) = expecting(0, neuron(&scan).current_dir(setup.path("")));
    assert!(stderr.contains("pictures of results, such as `out/x_unit3_step1.png`"), "{stderr}");
    let list =
        fs::read_to_string(setup.path(&format!("lists/{ARCH}/neuron_layer4/0/files_all.txt"))).unwrap();
    assert!(!list.contains("out/") && list.lines().count() == 6, "{list}");

    // What the kill left is no picture: the run begins anew, and ends with the bytes of any other.
    let short = ["--channels", "3,5", "--save-every", "1"];
    setup.run(0, "whole", &short);
    setup.run(0, "out", &[&short[..], &["--overwrite"]].concat());
    assert_same_files(&setup.path("whole"), &setup.path("out"));
}

#[test]
fn lists_are_used_as_they_are() {
    let setup = Setup::new();
    let (_, stderr) = setup.run(0, "short", &["--channel", "9"]);
    assert!(stderr.contains("1 references instead of 3"), "{stderr}");
    setup.list(7, "photos/class0/gone.png\nphotos/class0/photo000.png\n");
    let (_, stderr) = setup.run(3, "skipped", &["--channel", "7"]);
    assert!(stderr.contains("gone.png"), "{stderr}");
    assert_eq!(
        setup.record("skipped/x.json")["references"],
        serde_json::json!(["photos/class0/photo000.png"])
    );
    setup.run(1, "strict", &["--channel", "7", "--strict"]);
    // One list repeats itself, another leads nowhere, and one is empty.
    setup.list(8, &"photos/class0/photo000.png\n".repeat(3));
    let (_, stderr) = setup.run(0, "repeated", &["--channel", "8"]);
    assert!(stderr.contains("1 references instead of 3"), "{stderr}");
    setup.list(6, "gone/a.png\ngone/b.png\n");
    let (_, stderr) = setup.run(1, "gone", &["--channel", "6"]);
    let told = stderr.lines().last().unwrap();
    assert!(
        told.contains("gone/a.png") && told.contains("and 1 more") && told.contains("--data"),
        "{stderr}"
    );
    setup.list(6, "\n");
    let (_, stderr) = setup.run(1, "gone", &["--channel", "6"]);
    assert!(stderr.contains("lists/6/topk_files.txt names no image"), "{stderr}");
    assert!(!setup.path("gone").exists());

    // What baseline wrote is found as well, the longest list first.
    for (k, photo) in [(2, 0), (30, 1)] {
        let folder = setup.path("lists/11").join(format!("top{k}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("topk_files.txt"), format!("photos/class0/photo{photo:03}.png\n")).unwrap();
    }
    setup.run(0, "baseline", &["--channel", "11"]);
    assert_eq!(
        setup.record("baseline/x.json")["references"],
        serde_json::json!(["photos/class0/photo001.png"])
    );
}

#[test]
fn a_unit_that_may_be_below_zero_is_never_silent() {
    let setup = Setup::new();
    // Driven far below zero on every image, before the ReLU and after it.
    let weights = Weights::open(&setup.path("random.safetensors")).unwrap();
    let tensors = weights.iter().map(|(name, tensor)| {
        let mut data = tensor.data.to_vec();
        if name == "layer4.0.bn2.bias" {
            data.fill(-50.0);
        }
        (name.to_owned(), WeightTensor::new(tensor.shape.clone(), data))
    });
    let low = Weights::from_tensors(tensors.collect::<Vec<_>>(), weights.metadata().clone());
    low.save(&setup.path("low.safetensors")).unwrap();
    let layer = |layer: &'static str| ["--channel", "3", "--weights", "low.safetensors", "--layer", layer];

    let (stdout, stderr) = setup.run(0, "before", &[&layer("layer4.0.bn2")[..], &["--json"]].concat());
    let told = stderr.lines().find(|line| line.contains("layer4.0.bn2:3")).unwrap();
    assert!(told.contains("activation -") && told.contains("(its references': -"), "{stderr}");
    assert!(!told.contains('%') && !stderr.contains("silent"), "{stderr}");
    let record = setup.record("before/x.json");
    assert!(record["activation"]["max"]["value"].as_f64().unwrap() < 0.0, "{record}");
    assert!(record["activation"]["max"]["ratio"].is_null() && record["silent_steps"].is_null(), "{record}");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert!(summary["pictures"][0]["silent_steps"].is_null(), "{summary}");

    let (_, stderr) = setup.run(0, "after", &layer("layer4.0"));
    assert!(stderr.contains("in 6 of these steps, the unit was silent"), "{stderr}");
    assert!(stderr.contains("silent, and only the priors changed the picture"), "{stderr}");
    let (_, stderr) = setup.run(0, "plain", &[&layer("layer4.0")[..], &["--method", "none"]].concat());
    assert!(stderr.contains("in 6 of these steps, the unit was silent\n"), "{stderr}");
    assert_eq!(setup.record("plain/x.json")["settings"]["method"], "none");
    assert_eq!(setup.record("after/x.json")["silent_steps"], Value::from(6));
    assert!(setup.record("after/x.json")["activation"]["max"]["ratio"].is_null());

    for (layer, says) in [("layer4.0.bn2", "below 0"), ("layer4.0", "silent")] {
        let mut command =
            neuron(&["attribute", "photos/class0/photo000.png", "--arch", ARCH, "--channel", "3"]);
        command.args(["--weights", "low.safetensors", "--layer", layer, "--out", says]);
        let (_, stderr) = expecting(0, command.current_dir(setup.path("")));
        assert!(stderr.contains(says) && stderr.contains(layer), "{stderr}");
        assert_eq!(stderr.contains("silent"), says == "silent", "{stderr}");
    }
}

#[test]
fn mistakes_are_named() {
    let setup = Setup::new();
    for (code, flags, expected) in [
        (1, &["--channel", "4"][..], "neuron extract-patches"),
        (2, &["--channel", "128"], "0 to 127"),
        (2, &["--channel", "3", "--layer", "layer5"], "layer5"),
        (2, &["--channel", "3", "--layer", "conv1"], "conv1"),
        (2, &["--channel", "3", "--method", "LRPx"], "LRP, LRPRestricted, GuidedBackprop, none"),
        (2, &["--channel", "3", "--layer-weights", "1,1"], "5 numbers"),
        (2, &["--channel", "3", "--layer-weights", "layer9=1"], "layer9"),
        (2, &["--channel", "3", "--layer-weights", "layer1=1,layer1.0=1"], "the same values"),
        (2, &["--channel", "3", "--lr", "-1"], "--lr is -1; expected a finite number of at least 0"),
        (2, &["--channel", "3", "--lr", "nan"], "--lr is NaN; expected"),
        (2, &["--channel", "3", "--feat-dist", "inf"], "--feat-dist is inf; expected"),
        (2, &["--channel", "3", "--epochs", "0"], "--steps is 0; expected at least 1"),
        (2, &["--channel", "3", "--finish", "1.5"], "expected a share of the steps, 0 to 1"),
        (
            2,
            &["--channel", "3", "--finish", "0.2"],
            "--method LRP weighs the features by relevance from the first step on",
        ),
        (
            2,
            &["--channel", "3", "--objective", "maco", "--finish", "0.2"],
            "weighs the features that --objective vital matches, and no other",
        ),
        (2, &["--channel", "3", "--setting-id", "7"], "invalid value '7' for '--schedule"),
        (1, &["--channel", "3", "--start", "none.safetensors"], "none.safetensors"),
        (1, &["--channel", "3", "--start", "random.safetensors"], "init"),
    ] {
        let (_, stderr) = setup.run(code, "out", flags);
        assert!(stderr.contains(expected), "{flags:?}: {stderr}");
    }
    assert!(!setup.path("out").exists());
    let (stdout, _) = setup.run(0, "out", &["--channel", "3", "--dry-run", "--json"]);
    assert!(serde_json::from_str::<Value>(&stdout).is_ok(), "{stdout}");
    assert!(!setup.path("out").exists());
}

#[test]
fn layers_are_chosen_by_name_with_their_weights_in_order() {
    let setup = Setup::new();
    let unit = ["--channel", "3"];
    setup.run(
        0,
        "order",
        &[&unit[..], &["--layers", "layer3_0, conv1", "--layer-weights", "2,0.5"]].concat(),
    );
    let record = setup.record("order/x.json");
    assert_eq!(record["settings"]["layer_weights"], serde_json::json!({ "conv1": 0.5, "layer3.0": 2.0 }));
    let names: Vec<&String> = record["terms"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["conv1", "l2", "layer3.0", "tv_l1", "tv_l2"]);
    assert_eq!((&record["weights"]["conv1"], &record["weights"]["layer3.0"]), (&0.5.into(), &2.0.into()));
    // The same by names with numbers.
    let by_name = ["--layer-weights", "layer3.0=2,conv1=0.5"];
    setup.run(0, "name", &[&unit[..], &by_name].concat());
    assert_same_files(&setup.path("order"), &setup.path("name"));

    setup.run(0, "ones", &[&unit[..], &["--layers", "layer2.0.conv1,layer1"]].concat());
    let ones = &setup.record("ones/x.json")["settings"]["layer_weights"];
    assert_eq!(*ones, serde_json::json!({ "layer1": 1.0, "layer2.0.conv1": 1.0 }));

    for (flags, expected) in [
        (&["--layers", "conv1,layer1", "--layer-weights", "1"][..], "1 numbers, and --layers names 2"),
        (&["--layers", "conv1", "--layer-weights", "conv1=1"], "give --layer-weights numbers"),
        (&["--layers", "conv1,conv1"], "names conv1 twice"),
        (&["--layers", "layer3,layer3.0"], "the same values"),
        (&["--layers", "conv1,layer4"], "layer4 is not below layer4.0"),
        (&["--layers", "layer9"], "unknown layer layer9"),
        (&["--layers", "conv1", "--layer-weights", "0"], "no feature layer with a weight"),
        (&["--layers", ""], "unknown layer"),
    ] {
        let (_, stderr) = setup.run(2, "none", &[&unit[..], flags].concat());
        assert!(stderr.contains(expected), "{flags:?}: {stderr}");
    }
    assert!(!setup.path("none").exists());
}

#[test]
fn a_picture_can_be_the_start() {
    let setup = Setup::new();
    let more = ["--channel", "3", "--start", "photos/class0/photo000.png", "--epochs", "1", "--lr", "0"];
    setup.run(0, "out", &more);
    let drawn = image::open(setup.path("out/x.png")).unwrap().into_rgb8();
    let photo = image::open(setup.path("photos/class0/photo000.png")).unwrap().into_rgb8();
    let mean = |picture: &image::RgbImage| {
        picture.as_raw().iter().map(|level| f64::from(*level)).sum::<f64>() / picture.as_raw().len() as f64
    };
    assert!((mean(&drawn) - mean(&photo)).abs() < 8.0, "{} and {}", mean(&drawn), mean(&photo));
}

/// Twelve steps from the reference's own start and offsets, by flags alone.
fn replays_the_reference(method: &str) {
    let shared = reference::folder();
    let golden_file = shared.join(format!("goldens/fvis_{method}.safetensors"));
    let bytes = fs::read(&golden_file).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let references: Vec<String> = serde_json::from_str(&metadata["references"]).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("lists/1935");
    fs::create_dir_all(&unit).unwrap();
    // Whole paths, and no data folder: what images in general do to the unit is not asked here.
    let photos = shared.join("imagenet-sample/train");
    let lines = references.iter().map(|name| format!("{}\n", photos.join(name).display()));
    fs::write(unit.join("topk_files.txt"), lines.collect::<String>()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut command = neuron(&["fvis", "--layer", "layer4_2", "--channel", "1935", "--topk-dir", "lists"]);
    command.args(["--weights", &text(&shared.join("weights/resnet50-v1.safetensors"))]);
    command.args(["--start", &text(&golden_file), "--stop-after", "12", "--num-real-img", "8"]);
    command.args(["--method", method, "--exp-name", "x"]).current_dir(folder.path());
    expecting(0, &mut command);

    let record = fs::read(folder.path().join("images/x.json")).unwrap();
    let loss = numbers(&serde_json::from_slice::<Value>(&record).unwrap()["loss"]);
    let want = golden.tensor("loss").unwrap();
    let want: Vec<f64> = match want.dtype() {
        safetensors::Dtype::F64 => {
            want.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
        }
        _ => want
            .data()
            .chunks_exact(4)
            .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
            .collect(),
    };
    assert_eq!(loss.len(), want.len());
    for (step, (found, want)) in loss.iter().zip(&want).enumerate() {
        let tolerance = if step == 0 { 1e-3 } else { 1e-2 };
        assert!((found - want).abs() < tolerance * want, "step {step}: {found} instead of {want}");
    }
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_lrp_is_replayed() {
    replays_the_reference("LRP");
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_restricted_lrp_is_replayed() {
    replays_the_reference("LRPRestricted");
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_guided_backprop_is_replayed() {
    replays_the_reference("GuidedBackprop");
}

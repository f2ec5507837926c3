//! Units chosen by the classes they stand for: `--class` of `fvis` and `attribute`, through the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use neuron_model::Weights;
use serde_json::{Value, json};

use crate::support::{ARCH, Room, assert_same_files, expecting, files, neuron};

/// A folder with weights of 1000 unnamed outputs, which are taken for ImageNet's, and photos of two of its classes: one
/// folder is called by a WordNet id, the other by a name.
struct Setup(Room);

impl Setup {
    fn new() -> Self {
        let setup = Self(Room::new(2, 3));
        setup.rename("class0", "n02099601");
        setup.rename("class1", "Goldfish");
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn rename(&self, from: &str, to: &str) {
        let photos = self.path("photos");
        fs::rename(photos.join(from), photos.join(to)).unwrap();
    }

    /// The weights in the repository, whose twenty outputs have names; `labels` in place of these.
    fn named_weights(&self, labels: Option<&str>) {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
        let weights = Weights::open(&demo).unwrap();
        let mut metadata = weights.metadata().clone();
        if let Some(labels) = labels {
            metadata.insert("labels".to_owned(), labels.to_owned());
        }
        self.save(&weights, metadata, |_| true, "named.safetensors");
    }

    fn save(
        &self,
        weights: &Weights,
        metadata: BTreeMap<String, String>,
        keep: impl Fn(&str) -> bool,
        name: &str,
    ) {
        let tensors = weights.iter().filter(|(name, _)| keep(name));
        let tensors: Vec<_> = tensors.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        Weights::from_tensors(tensors, metadata).save(&self.path(name)).unwrap();
    }

    /// Runs `fvis`, which must exit with `code`; returns stdout and stderr.
    fn fvis(&self, code: i32, out: &str, more: &[&str]) -> (String, String) {
        let weights = if self.path("named.safetensors").exists() { "named" } else { "random" };
        let weights = format!("{weights}.safetensors");
        let mut command = neuron(&["fvis", "--arch", ARCH, "--weights", &weights, "--out", out]);
        command.args(["--resolution", "64", "--num-real-img", "3", "--steps", "3", "--jitter", "4"]);
        // Last, so that `--data` can be another.
        expecting(code, command.args(["--data", "photos"]).args(more).current_dir(self.path("")))
    }

    fn record(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }
}

#[test]
fn a_class_is_chosen_by_name_id_or_index_and_compared_with_its_folder() {
    let setup = Setup::new();
    let (stdout, stderr) = setup.fvis(0, "name", &["--class", "golden retriever", "--json"]);
    let stem = format!("{ARCH}_fc_unit207");
    let names: Vec<String> =
        files(&setup.path("name")).into_keys().map(|name| name.display().to_string()).collect();
    let expected = [".json", ".png", "_loss.svg", "_masked.png"].map(|suffix| format!("{stem}{suffix}"));
    assert_eq!(names, expected);
    let told =
        "fc:207 (golden retriever): the references are images of the class: 3 are in n02099601 of photos";
    assert!(stderr.contains(told), "{stderr}");

    let record = setup.record(&format!("name/{stem}.json"));
    let photos = [0, 1, 2].map(|photo| format!("photos/n02099601/photo{photo:03}.png"));
    assert_eq!(record["references"], json!(photos));
    assert_eq!(
        (&record["references_are"], &record["inputs"]["references_are"]),
        (&json!("class"), &json!("class"))
    );
    assert_eq!((&record["layer"], &record["channel"]), (&json!("fc"), &json!(207)));
    assert_eq!(record["class"], "golden retriever");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(summary["pictures"][0]["class"], "golden retriever");

    // However it is called, it is the same run.
    for (out, typed) in [("id", "n02099601"), ("index", "207"), ("loose", "Golden_Retriever")] {
        setup.fvis(0, out, &["--class", typed]);
        assert_same_files(&setup.path("name"), &setup.path(out));
    }
    setup.fvis(0, "layer", &["--layer", "fc", "--class", "207"]);
    setup.fvis(0, "channel", &["--layer", "fc", "--channels", "207", "--references", "class"]);
    assert_same_files(&setup.path("name"), &setup.path("layer"));
    assert_same_files(&setup.path("name"), &setup.path("channel"));
    let (_, stderr) =
        setup.fvis(0, "name", &["--layer", "fc", "--channels", "207", "--references", "class", "--resume"]);
    assert!(stderr.contains("already complete"), "{stderr}");
}

#[test]
fn classes_side_by_side_are_as_alone_whatever_their_references() {
    let setup = Setup::new();
    // The third class has no folder, but a list.
    setup.0.run(0, "select-images --layer fc --channels 3 --topk-images 2 --data photos --batch-size 4");
    let (_, stderr) =
        setup.fvis(0, "together", &["--class", "golden retriever,goldfish,tiger shark", "--method", "none"]);
    assert!(stderr.contains("images of the class: 3 are in Goldfish of photos"), "{stderr}");
    let told = format!(
        "photos has no folder n01491361, tiger shark or 3: the references are the images of {ARCH}/neuron_fc/3/files_all.txt"
    );
    assert!(stderr.contains(&told), "{stderr}");
    for (typed, unit, kind) in [("n02099601", 207, "class"), ("1", 1, "class"), ("tiger shark", 3, "images")]
    {
        setup.fvis(0, "alone", &["--class", typed, "--method", "none"]);
        for suffix in [".png", "_masked.png", ".json", "_loss.svg"] {
            let name = format!("{ARCH}_fc_unit{unit}{suffix}");
            let same = ["alone", "together"].map(|out| fs::read(setup.path(out).join(&name)).unwrap());
            assert!(same[0] == same[1], "{name}");
        }
        let record = setup.record(&format!("alone/{ARCH}_fc_unit{unit}.json"));
        assert_eq!(record["references_are"], kind, "{typed}");
    }
    // A run that is stopped goes on, and one for other references does not.
    let units = ["--class", "1,3", "--method", "none"];
    setup.fvis(0, "parts", &[&units[..], &["--stop-after", "1"]].concat());
    let checkpoint = setup.path(&format!("parts/{ARCH}_fc_units1,3.checkpoint"));
    assert!(checkpoint.is_file());
    let (_, stderr) = setup.fvis(1, "parts", &[&units[..], &["--resume", "--num-real-img", "1"]].concat());
    assert!(stderr.contains("references[0]"), "{stderr}");
    setup.fvis(0, "parts", &[&units[..], &["--resume"]].concat());
    assert!(!checkpoint.exists());
    for unit in [1, 3] {
        let name = format!("{ARCH}_fc_unit{unit}.json");
        assert!(
            fs::read(setup.path("parts").join(&name)).unwrap()
                == fs::read(setup.path("alone").join(&name)).unwrap()
        );
    }
}

#[test]
fn names_of_the_weights_are_the_names_of_the_classes() {
    let setup = Setup::new();
    setup.named_weights(None);
    setup.rename("n02099601", "stripes_falling");
    setup.rename("Goldfish", "7");
    setup.fvis(0, "out", &["--class", "Stripes Falling,honeycomb"]);
    let record = |unit: usize| setup.record(&format!("out/{ARCH}_fc_unit{unit}.json"));
    assert_eq!(record(13)["class"], "stripes-falling");
    assert_eq!(record(13)["references"][0], "photos/stripes_falling/photo000.png");
    assert_eq!(record(7)["class"], "honeycomb");
    assert_eq!(record(7)["references"][0], "photos/7/photo000.png");
    let (_, stderr) = setup.fvis(2, "none", &["--class", "golden retriever"]);
    assert!(stderr.contains("unknown class") && stderr.contains("0 to 19"), "{stderr}");

    // A list names classes by the folders of its images.
    fs::write(setup.path("list.txt"), "photos/7/photo001.png\nphotos/stripes_falling/photo000.png\n")
        .unwrap();
    setup.fvis(0, "listed", &["--class", "honeycomb", "--data", "list.txt"]);
    let record = setup.record(&format!("listed/{ARCH}_fc_unit7.json"));
    assert_eq!(record["references"], json!(["photos/7/photo001.png"]));

    let two: Vec<String> = (0..20).map(|class| format!("kind {}", class / 2)).collect();
    setup.named_weights(Some(&json!(two).to_string()));
    let (_, stderr) = setup.fvis(2, "none", &["--class", "kind 3"]);
    assert!(stderr.contains("names several classes: 6 (kind 3), 7 (kind 3); give an index"), "{stderr}");
    let (_, stderr) = setup.fvis(1, "none", &["--class", "8"]);
    assert!(stderr.contains("photos has no folder 8"), "a name of two classes is no folder's: {stderr}");
    setup.named_weights(Some("[\"one\"]"));
    let (_, stderr) = setup.fvis(1, "none", &["--class", "one"]);
    assert!(stderr.contains("name 1 classes, but the classifier has 20"), "{stderr}");
    assert!(!setup.path("none").exists());
}

#[test]
fn mistakes_tell_the_way_out() {
    let setup = Setup::new();
    let list = format!("{ARCH}/neuron_fc/3/topk_files.txt");
    for (code, flags, expected) in [
        (2, &["--class", "goldn retriever"][..], &["nearest names are golden retriever, "][..]),
        (2, &["--class", "crane"], &["134 (crane, n02012849), 517 (crane, n03126707)", "give an index"]),
        (2, &["--class", "maillot"], &["638 (maillot, n03710637), 639 (maillot, n03710721)"]),
        (2, &["--class", "1000"], &["0 to 999"]),
        (2, &["--class", ""], &["unknown class"]),
        (2, &["--class", "1", "--channels", "1"], &["cannot be used with"]),
        (2, &["--class", "1", "--layer", "layer4"], &["a unit of the last layer, fc", "layer4"]),
        (2, &["--class", "1", "--layer", "layer5"], &["unknown layer layer5"]),
        (
            2,
            &["--layer", "layer4", "--channels", "1", "--references", "class"],
            &["layer4 stand for no classes"],
        ),
        (
            1,
            &["--class", "3"],
            &[
                "photos has no folder n01491361, tiger shark or 3",
                &list,
                "files_all.txt",
                "neuron select-images --arch resnet10_demo --layer fc --channels 3",
                "--data",
            ],
        ),
        (
            1,
            &["--class", "3", "--references", "class"],
            &["photos has no folder n01491361, tiger shark or 3", "--data"],
        ),
        (
            1,
            &["--class", "3", "--references", "images"],
            &["no reference images for fc:3 (tiger shark): neither", &list],
        ),
        (1, &["--class", "3", "--references", "patches"], &["neuron extract-patches", &list]),
        (1, &["--class", "3", "--data", "gone"], &["gone", "--data"]),
    ] {
        let (_, stderr) = setup.fvis(code, "out", flags);
        for expected in expected {
            assert!(stderr.contains(expected), "{flags:?}: {expected:?} is not in {stderr}");
        }
    }
    // Without any data.
    let plain = ["fvis", "--arch", ARCH, "--weights", "random.safetensors", "--out", "out", "--class", "3"];
    for (code, flags, expected) in [
        (1, &[][..], "without --data there are no images of the class"),
        (2, &["--references", "class"], "pass --data DIR"),
    ] {
        let mut command = neuron(&plain);
        let (_, stderr) = expecting(code, command.args(flags).current_dir(setup.path("")));
        assert!(stderr.contains(expected), "{stderr}");
    }
    // Without a classifier.
    let weights = Weights::open(&setup.path("random.safetensors")).unwrap();
    setup.save(&weights, weights.metadata().clone(), |name| !name.starts_with("fc."), "named.safetensors");
    let (_, stderr) = setup.fvis(2, "out", &["--class", "3"]);
    assert!(stderr.contains("fc.weight"), "{stderr}");
    assert!(!setup.path("out").exists());
}

#[test]
fn a_class_whose_images_cannot_all_be_read_is_used_as_far_as_it_goes() {
    let setup = Setup::new();
    fs::write(setup.path("photos/Goldfish/photo000.png"), b"no picture").unwrap();
    let (stdout, _) = setup.fvis(0, "out", &["--class", "goldfish", "--dry-run", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["images"], 3);
    assert!(!setup.path("out").exists());
    let (_, stderr) = setup.fvis(3, "out", &["--class", "goldfish"]);
    assert!(stderr.contains("skipped photos/Goldfish/photo000.png"), "{stderr}");
    assert!(stderr.contains("2 references instead of 3: Goldfish has no more"), "{stderr}");
    setup.fvis(1, "strict", &["--class", "goldfish", "--strict"]);
    for photo in [1, 2] {
        fs::write(setup.path(&format!("photos/Goldfish/photo{photo:03}.png")), b"no picture").unwrap();
    }
    let (_, stderr) = setup.fvis(1, "none", &["--class", "goldfish"]);
    assert!(stderr.contains("none of the images of Goldfish can be read"), "{stderr}");
}

#[test]
fn an_attribution_to_a_class_is_that_to_its_unit() {
    let setup = Setup::new();
    let line = "attribute photos/Goldfish/photo000.png --method Saliency";
    let said = setup.0.run(0, &format!("{line} --class tiger_shark --out name --at layer4"));
    assert!(said.contains("fc:3 (tiger shark) reaches"), "{said}");
    setup.0.run(0, &format!("{line} --layer fc --channel 3 --out unit --at layer4"));
    assert_same_files(&setup.path("name"), &setup.path("unit"));
    for (more, expected) in [
        ("--class crane", "give an index"),
        ("--class 3 --channel 3", "cannot be used with"),
        ("--class 3 --layer layer4", "a unit of the last layer"),
        ("--layer layer4", "--channel"),
        ("--channel 3", "--layer"),
    ] {
        let said = setup.0.run(2, &format!("{line} --out none {more}"));
        assert!(said.contains(expected), "{more}: {said}");
    }
    assert!(!setup.path("none").exists());
}

//! Torchvision's networks against what PyTorch computes with the same weights and images, both by a rule.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Instant;

use flate2::read::GzDecoder;
use neuron_model::{Architecture, ChannelsFirst, Graph, Keep, Network, Tap, TapInfo, View, Weights};
use rules::designs::{known, representatives};
use rules::golden::{Golden, folder};
use rules::{fnv1a64, image, splitmix64, tensor};
use serde::Deserialize;

fn is_known(name: &str) -> bool {
    Architecture::from_name(name).is_ok()
}

#[test]
fn hashes_and_random_numbers_are_those_of_the_rule() {
    assert_eq!(fnv1a64(b"conv1.weight"), 0x69a2_9a2c_ee47_d254);
    assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
    assert_eq!(splitmix64(1), 0x910a_2dec_8902_5cc1);
}

#[test]
fn tensors_are_those_of_the_rule() {
    let weight = tensor("conv1.weight", &[64, 3, 7, 7], 6.0);
    assert_eq!(weight[..3], [0.018_213_026, -0.171_800_79, 0.185_875_7]);
    assert_eq!(weight.last(), Some(&-0.073_509_64));
    let sum: f64 = weight.iter().map(|value| f64::from(*value)).sum();
    assert!((sum - 0.900_059_57).abs() < 1e-6, "{sum}");

    let scale = tensor("bn1.weight", &[64], 6.0);
    assert_eq!(scale[..3], [0.860_204, 0.960_28, 0.781_491_3]);
    assert_eq!(scale.last(), Some(&0.856_430_53));
    assert_eq!(tensor("bn1.bias", &[64], 6.0)[..2], [-0.131_121_52, -0.177_438_36]);
    assert_eq!(tensor("bn1.running_var", &[64], 6.0)[..2], [1.142_307_5, 0.984_806_7]);
}

/// The parts that threads make are one tensor.
#[test]
fn long_tensors_are_those_of_the_rule() {
    let long = tensor("classifier.0.weight", &[300, 1021], 6.0);
    let start = fnv1a64(b"classifier.0.weight");
    let bound = (6.0f64 / 1021.0).sqrt() as f32;
    for at in [0, 65_535, 65_536, 153_149, 153_150, 306_299] {
        let u = (splitmix64(start.wrapping_add(at as u64)) >> 40) as f32 / (1u64 << 24) as f32;
        assert_eq!(long[at], (2.0 * u - 1.0) * bound, "{at}");
    }
}

#[test]
fn images_are_those_of_the_rule() {
    let pixels = image(1, 0, [160, 192]);
    let plane = 160 * 192;
    assert_eq!(pixels[..4], [112, 108, 108, 106]);
    assert_eq!(pixels[plane..][..4], [84, 84, 86, 86]);
    assert_eq!(pixels[2 * plane..][..4], [84, 78, 76, 72]);
    assert_eq!([1, 2, 3].map(|end| pixels[end * plane - 1]), [56, 72, 206]);
    assert_eq!(fnv1a64(&pixels), 0xf12f_2e5c_b547_6348);
    assert_eq!(fnv1a64(&image(1, 0, [224, 224])), 0xc4ce_1e00_6428_b0ae);
}

/// What an architecture's file says of a tap.
#[derive(Deserialize)]
struct TapOfFile {
    name: String,
    channel_step: usize,
}

/// Greatest value and mean of every map, `[items, channels]`, and the largest |value| of all.
#[derive(Default)]
struct Reduced {
    max: Vec<f64>,
    mean: Vec<f64>,
}

impl Reduced {
    fn add(&mut self, first_item: usize, map: View<'_>) {
        let channels = map.channels;
        let len = (first_item + map.batch) * channels;
        self.max.resize(self.max.len().max(len), f64::NEG_INFINITY);
        self.mean.resize(self.mean.len().max(len), 0.0);
        let positions = (map.item_len() / channels) as f64;
        for (item, values) in (first_item..).zip(map.data.chunks_exact(map.item_len())) {
            let (max, mean) = (&mut self.max[item * channels..], &mut self.mean[item * channels..]);
            for vector in values.chunks_exact(channels) {
                for ((value, max), mean) in vector.iter().zip(&mut *max).zip(&mut *mean) {
                    // A NaN stays one.
                    *max = if f64::from(*value) <= *max { *max } else { f64::from(*value) };
                    *mean += f64::from(*value) / positions;
                }
            }
        }
    }
}

/// Every `step`-th channel.
fn every(step: usize, channels: usize, values: &[f64]) -> Vec<f64> {
    values.chunks_exact(channels).flat_map(|item| item.iter().step_by(step).copied()).collect()
}

/// What some taps are for some images.
fn reduced(network: &Network, taps: &[Tap], images: &ChannelsFirst<'_>) -> Vec<Reduced> {
    let mut all: Vec<Reduced> = taps.iter().map(|_| Reduced::default()).collect();
    let mut session = network.session(taps, Keep::Taps).expect("the taps are the network's");
    session
        .run(images, &mut |tapped| all[tapped.tap].add(tapped.first_item, tapped.map))
        .unwrap_or_else(|error| panic!("{}: {error}", network.name()));
    all
}

/// The value at the end of a network, by one of its names.
fn logits(graph: &Graph) -> Tap {
    graph.taps().max_by_key(|tap| tap.node).expect("a network has modules")
}

/// The largest difference that is allowed, relative to the largest of the values compared. Where PyTorch's own f32 is
/// further than usual from f64 it is wider.
fn tolerance(golden: &Golden) -> f64 {
    let noise: BTreeMap<String, f64> = golden.find("f32_noise").unwrap_or_default();
    if noise.values().any(|noise| *noise > 1e-5) { 5e-4 } else { 1e-4 }
}

/// Holds one network against its file, prints the error of every tap, and tells which are too large.
fn compare(name: &str) -> Vec<String> {
    let (start, golden) = (Instant::now(), Golden::open(name));
    let network = golden.network();
    let graph = network.graph();
    let (taps, size): (Vec<TapOfFile>, [usize; 2]) = (golden.get("taps"), golden.get("size"));
    assert_eq!(parameters(name, graph), golden.get::<usize>("parameters"), "{name}: parameters");
    let hashes: Vec<String> = golden.get("images_fnv1a64");
    let first: Vec<&TapOfFile> = taps.iter().collect();
    let mut failures = at_size(&network, &golden, ("", &first), (size, &hashes));
    if let Some(size) = golden.get::<Option<[usize; 2]>>("second_size") {
        let names: Vec<String> = golden.get("second_taps");
        let second: Vec<&TapOfFile> = taps.iter().filter(|tap| names.contains(&tap.name)).collect();
        assert_eq!(second.len(), names.len(), "{name}: taps of the second size");
        let hashes = [golden.text("second_image_fnv1a64").to_owned()];
        failures.extend(at_size(&network, &golden, ("second.", &second), (size, &hashes)));
    }
    println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    failures
}

/// Those of the auxiliary head of Inception v3, which is there for training alone.
const INCEPTION_AUXILIARY: usize = 3_326_696;

/// As torch counts them: without the running means and variances of norms.
fn parameters(name: &str, graph: &Graph) -> usize {
    let tensors = graph.expected_tensors().into_iter();
    let learned = tensors.filter(|(name, _)| !name.contains(".running_"));
    let run: usize = learned.map(|(_, shape)| shape.iter().product::<usize>()).sum();
    if name == "inception_v3" { run + INCEPTION_AUXILIARY } else { run }
}

fn at_size(
    network: &Network,
    golden: &Golden,
    (prefix, taps): (&str, &[&TapOfFile]),
    (size, hashes): ([usize; 2], &[String]),
) -> Vec<String> {
    let (name, mut failures) = (network.name(), Vec::new());
    let mut found = Vec::new();
    for tap in taps {
        match network.tap(&tap.name) {
            Ok(own) => found.push((*tap, own)),
            Err(error) => failures.push(format!("{name} {}: {error}", tap.name)),
        }
    }
    let logits = logits(network.graph());
    let own: Vec<Tap> = found.iter().map(|(_, tap)| tap.clone()).chain([logits.clone()]).collect();
    let pixels = golden.images(size, hashes);
    let reduced = reduced(network, &own, &ChannelsFirst::new(&pixels, size[0], size[1]));

    let mut check = |what: String, found: &[f64]| {
        let (error, allowed) = (golden.tensor(&format!("{prefix}{what}")).error(found), tolerance(golden));
        println!("{name} {prefix}{what}: {error:.1e}");
        if error.is_nan() || error > allowed {
            failures.push(format!("{name} {prefix}{what}: relative error {error:.1e} above {allowed:.0e}"));
        }
    };
    for ((tap, own), reduced) in found.iter().zip(&reduced) {
        let channels = network.channels(own);
        check(format!("{}.max", tap.name), &every(tap.channel_step, channels, &reduced.max));
        check(format!("{}.mean", tap.name), &every(tap.channel_step, channels, &reduced.mean));
    }
    check("logits".to_owned(), &reduced.last().expect("the logits are tapped").max);
    failures
}

/// The networks that have a file of reference data.
fn recorded() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).expect("the folder of the reference data");
    let names = files.map(|file| file.expect("an entry").file_name().into_string().expect("a plain name"));
    let stem = |name: String| name.strip_suffix(".safetensors").map(str::to_owned);
    let of_network = |name: &String| !name.starts_with("gradients_") && !name.starts_with("lrp_");
    names.filter_map(stem).filter(of_network).collect()
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} too far from PyTorch:\n{}", failures.len(), failures.join("\n"));
}

/// One member of every design, at its own size and at one whose height is not its width.
#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_a_member_of_every_design_agrees_with_pytorch() {
    let wanted = representatives();
    assert!(wanted.len() > 1, "{wanted:?}");
    report(&wanted.into_iter().flat_map(compare).collect::<Vec<_>>());
}

/// Its gates amplify every error: a mean of a large map decides about whole channels, 45 times on the way to the logits.
#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_gates_keep_their_digits() {
    report(&compare("efficientnet_b6"));
}

/// Minutes to an hour: `scripts/architectures.sh` runs it. `NEURON_ARCHITECTURES` may name some, divided by commas.
#[test]
#[ignore = "needs NEURON_SHARED, and an hour"]
fn sweep_every_network_agrees_with_pytorch() {
    let chosen = std::env::var("NEURON_ARCHITECTURES").ok();
    let chosen: Option<BTreeSet<&str>> = chosen.as_ref().map(|names| names.split(',').collect());
    let recorded = recorded();
    let (both, unknown): (Vec<&str>, Vec<&str>) =
        recorded.iter().map(String::as_str).partition(|name| is_known(name));
    println!("not known here, not compared: {}", unknown.join(" "));
    let without: Vec<&str> = known().filter(|name| !recorded.contains(*name)).collect();
    println!("known here, not recorded: {}", without.join(" "));
    let wanted: Vec<&str> = match chosen {
        None => both,
        Some(chosen) => chosen.into_iter().collect(),
    };
    assert!(!wanted.is_empty(), "no network to compare");
    let failures: Vec<String> = wanted.iter().flat_map(|name| compare(name)).collect();
    println!("{} networks compared", wanted.len());
    report(&failures);
}

/// A module of torchvision's: name, shape for one image (none if it is not run), layout, type.
#[derive(Deserialize)]
struct Module(String, Option<Vec<usize>>, Option<String>, String);

impl Module {
    /// Channels, height and width; of tokens, their number as the width of one line. `None` for modules that do not run, or
    /// whose output is cut into windows.
    fn dims(&self) -> Option<[usize; 3]> {
        match (self.1.as_deref()?, self.2.as_deref()?) {
            (&[_, channels, height, width], "NCHW") | (&[_, height, width, channels], "NHWC") => {
                Some([channels, height, width])
            }
            (&[_, tokens, channels], "tokens") => Some([channels, 1, tokens]),
            (&[_, channels], "vector") => Some([channels, 1, 1]),
            (_, "other") => None,
            (shape, layout) => panic!("{} ({}) is {shape:?}, {layout}", self.0, self.3),
        }
    }
}

/// As [`Module::dims`].
fn dims(info: &TapInfo) -> [usize; 3] {
    match info.extra {
        0 => [info.channels, info.height, info.width],
        extra => [info.channels, 1, extra + info.height * info.width],
    }
}

fn modules() -> BTreeMap<String, Vec<Module>> {
    let file = std::fs::File::open(folder().join("modules.json.gz")).expect("the list of modules");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("a gzip file");
    serde_json::from_str(&text).expect("modules by network")
}

/// The image size of a network's modules: that of its file, else one of the usual sizes at which its first module has
/// the listed shape.
fn size_of(name: &str, graph: &Graph, modules: &[Module]) -> usize {
    if recorded().contains(name) {
        return Golden::open(name).get::<[usize; 2]>("size")[0];
    }
    let first =
        modules.iter().find_map(|module| Some((&module.0, module.dims()?))).expect("a module with a shape");
    let fits = |size: &usize| {
        // A table of positions takes one size only.
        let infos = graph.tap_infos(*size, *size).unwrap_or_default();
        let info = infos.iter().find(|info| info.name == *first.0);
        info.is_some_and(|info| dims(info) == first.1)
    };
    [224, 384, 518].into_iter().find(fits).unwrap_or_else(|| panic!("{name}: at no usual size as listed"))
}

/// What is wrong with the taps of one network.
fn differences(name: &str, modules: &[Module]) -> Vec<String> {
    let graph = Architecture::from_name(name).expect("a known network").graph(&Weights::default());
    let size = size_of(name, &graph, modules);
    let infos = graph.tap_infos(size, size).expect("its own size");
    let mut failures = Vec::new();
    for module in modules {
        let Some(want) = module.dims() else { continue };
        let at = format!("{name} {} ({})", module.0, module.3);
        match infos.iter().find(|info| info.name == module.0) {
            None => failures.push(format!("{at}: no tap")),
            Some(info) => {
                let found = dims(info);
                if found != want {
                    failures.push(format!("{at}: {found:?} instead of {want:?}"));
                }
            }
        }
    }
    let names: BTreeMap<&str, bool> =
        modules.iter().map(|module| (module.0.as_str(), module.1.is_some())).collect();
    for info in &infos {
        match names.get(info.name.as_str()) {
            Some(true) => {}
            Some(false) => failures.push(format!("{name} {}: a tap, and not run by torchvision", info.name)),
            None => failures.push(format!("{name} {}: a tap, and no module of torchvision", info.name)),
        }
    }
    let twice = infos.len() - infos.iter().map(|info| &info.name).collect::<BTreeSet<_>>().len();
    if twice > 0 {
        failures.push(format!("{name}: {twice} names of taps are taken twice"));
    }
    println!("{name}: {} modules, {} taps at {size}", modules.len(), infos.len());
    failures
}

/// Every module on the way to the logits is a tap of that name, of the same shape, and there is no other.
#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_taps_are_torchvisions_modules() {
    let all = modules();
    let unknown: Vec<&str> = all.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
    println!("not known here: {}", unknown.join(" "));
    let mut failures = Vec::new();
    for name in known() {
        match all.get(name) {
            Some(modules) => failures.extend(differences(name, modules)),
            None => failures.push(format!("{name}: not in torchvision's list")),
        }
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

//! The image towers of CLIP and DINOv2, and timm's vision transformers, against what PyTorch computes with the same weights
//! and the same image, both by a rule: `scripts/tower-goldens.py` made the file.

#[allow(dead_code, reason = "other tests use the rest")]
mod rules;

use std::collections::BTreeMap;
use std::path::Path;

use neuron_model::weights::WeightTensor;
use neuron_model::{
    Architecture, BackwardPass, ChannelsFirst, Composite, Keep, Network, Session, Tap, View, Weights,
};
use rules::golden::Golden;
use serde::Deserialize;

/// What the file says of a network.
#[derive(Deserialize)]
struct Recorded {
    mean: [f32; 3],
    std: [f32; 3],
    /// Of every tap, how many channels are left out behind each.
    taps: BTreeMap<String, usize>,
}

fn golden() -> Golden {
    Golden::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/towers.safetensors"))
}

/// Greatest value and mean of every `step`-th channel over all positions.
fn reduced(map: View<'_>, step: usize) -> [Vec<f64>; 2] {
    let positions = map.data.len() / map.channels;
    let channels = || (0..map.channels).step_by(step);
    let of = |channel: usize| map.data.iter().skip(channel).step_by(map.channels).map(|v| f64::from(*v));
    let max = channels().map(|channel| of(channel).fold(f64::NEG_INFINITY, f64::max));
    let mean = channels().map(|channel| of(channel).sum::<f64>() / positions as f64);
    [max.collect(), mean.collect()]
}

/// Holds a network against what the file has under a name. `own` is a tap's name here, if it has one.
fn compare(recorded: &str, network: &Network, own: impl Fn(&str) -> Option<String>) {
    let golden = golden();
    let networks: BTreeMap<String, Recorded> = golden.get("networks");
    let Recorded { mean, std, taps } = &networks[recorded];
    let size: usize = golden.get("size");
    let pixels = rules::normalised(&rules::image(1, 0, [size; 2]), *mean, *std);
    let taps: Vec<(&String, &usize, String)> =
        taps.iter().filter_map(|(tap, step)| Some((tap, step, own(tap)?))).collect();
    let found: Vec<Tap> = taps.iter().map(|(.., own)| network.tap(own).unwrap()).collect();
    let mut session = network.session(&found, Keep::Taps).unwrap();
    let mut failures = Vec::new();
    session
        .run(&ChannelsFirst::new(&pixels, size, size), &mut |tapped| {
            let (tap, step, _) = taps[tapped.tap];
            for (what, found) in ["max", "mean"].into_iter().zip(reduced(tapped.map, *step)) {
                let error = golden.tensor(&format!("{recorded}/{tap}.{what}")).error(&found);
                println!("{recorded} {tap}.{what}: {error:.1e}");
                if error.is_nan() || error > 1e-4 {
                    failures.push(format!("{recorded} {tap}.{what}: relative error {error:.1e}"));
                }
            }
        })
        .unwrap();
    assert!(failures.is_empty(), "too far from PyTorch:\n{}", failures.join("\n"));
}

/// As it is.
fn same(tap: &str) -> Option<String> {
    Some(tap.to_owned())
}

/// Weights by the rule, in the spelling that has this tensor.
fn by_rule(name: &str, marker: &str, metadata: &[(&str, &str)]) -> Weights {
    let metadata: BTreeMap<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let marker = [(marker.to_owned(), WeightTensor::new([1], vec![0.0]))];
    // What such weights lack is what would be there without any.
    let marked = Weights::from_tensors(marker, metadata.clone());
    let graph = Architecture::from_name(name).unwrap().graph(&marked);
    let absent = graph.absent().iter().flat_map(|absent| absent.tensors.clone());
    let tensors = graph.expected_tensors().into_iter().chain(absent).map(|(name, shape)| {
        let data = rules::tensor(&name, &shape, 6.0);
        (name, WeightTensor::new(shape, data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), metadata)
}

fn network(name: &str, weights: Weights) -> Network {
    Network::new(name, weights, 2).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The same weights under other names; queries, keys and values become one tensor, and what `is_turned` changes rows and
/// columns.
fn respelled(
    weights: &Weights,
    other: impl Fn(&str) -> String,
    [query, joint]: [&str; 2],
    is_turned: impl Fn(&str) -> bool,
) -> Weights {
    let tensor = |name: &str| weights.tensor(name).unwrap_or_else(|| panic!("no {name}"));
    let mut tensors = Vec::new();
    for (name, own) in weights.iter() {
        let [key, value] = [("query", "key", "value"), ("q_proj", "k_proj", "v_proj")]
            .into_iter()
            .find(|(first, ..)| query.ends_with(first))
            .map(|(first, key, value)| [key, value].map(|other| query.replace(first, other)))
            .unwrap();
        if name.contains(&key) || name.contains(&value) {
            continue;
        }
        let mut found = own.clone();
        if name.contains(query) {
            let parts = [query, &key, &value].map(|part| tensor(&name.replace(query, part)));
            found.shape[0] *= 3;
            found.data = parts.iter().flat_map(|part| part.data.iter().copied()).collect();
        }
        if is_turned(name) {
            let (rows, columns) = (own.shape[0], own.shape[1]);
            found.data = (0..rows * columns).map(|at| own.data[at % rows * columns + at / rows]).collect();
            found.shape = vec![columns, rows];
        }
        tensors.push((other(&name.replace(query, joint)), found));
    }
    Weights::from_tensors(tensors, weights.metadata().clone())
}

#[test]
fn deit_agrees_with_timm() {
    let name = "deit_tiny_patch16_224";
    compare(name, &network(name, by_rule(name, "cls_token", &[])), same);
}

#[test]
#[ignore = "seconds"]
fn sweep_vit_agrees_with_timm() {
    let name = "vit_small_patch16_224";
    compare(name, &network(name, by_rule(name, "cls_token", &[])), same);
}

/// DINOv2 with the names of transformers.
fn dinov2(name: &str) -> Weights {
    by_rule(name, "embeddings.cls_token", &[])
}

/// The same with the names of its authors.
fn by_its_authors(weights: &Weights) -> Weights {
    respelled(weights, authors, ["attention.attention.query", "attn.qkv"], |_| false)
}

/// The authors' name of what transformers calls so.
fn authors(name: &str) -> String {
    let pairs = [
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("embeddings.", ""),
        ("encoder.layer.", "blocks."),
        ("attention.output.dense", "attn.proj"),
        (".attention", ".attn"),
        ("layer_scale1.lambda1", "ls1.gamma"),
        ("layer_scale2.lambda1", "ls2.gamma"),
        ("layer_scale", "ls"),
        ("layernorm", "norm"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours))
}

/// At 224 pixels, with the table of 518.
#[test]
#[ignore = "seconds"]
fn sweep_dinov2_agrees_with_transformers() {
    let name = "dinov2_vits14";
    compare(name, &network(name, dinov2(name)), same);
}

#[test]
#[ignore = "seconds"]
fn sweep_dinov2_with_registers_agrees_with_transformers_in_both_spellings() {
    let name = "dinov2_vits14_reg";
    let weights = dinov2(name);
    let own = |tap: &str| Some(authors(tap)).filter(|_| tap != "embeddings" && !tap.ends_with(".key"));
    compare(name, &network(name, by_its_authors(&weights)), own);
    compare(name, &network(name, weights), same);
}

/// Its authors enlarge the table by a scale that is a little more than the quotient of the sizes.
#[test]
#[ignore = "seconds"]
fn sweep_dinov2_enlarges_its_table_as_its_authors_do() {
    let name = "dinov2_vits14";
    let own = |tap: &str| Some(authors(tap)).filter(|_| tap != "embeddings" && !tap.ends_with(".key"));
    compare("dinov2_vits14:authors", &network(name, by_its_authors(&dinov2(name))), own);
}

const CLIP: &str = "clip_vit_b_32";

fn clip(metadata: &[(&str, &str)]) -> Weights {
    by_rule(CLIP, "vision_model.embeddings.patch_embedding.weight", metadata)
}

/// OpenAI's name of what transformers calls so.
fn openais(name: &str) -> String {
    let pairs = [
        ("vision_model.embeddings.patch_embedding", "visual.conv1"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.embeddings", "visual"),
        ("vision_model.pre_layrnorm", "visual.ln_pre"),
        ("vision_model.post_layernorm", "visual.ln_post"),
        ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
        ("visual_projection.weight", "visual.proj"),
        ("visual_projection", "visual"),
        ("self_attn", "attn"),
        ("layer_norm", "ln_"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
        ("mlp.activation_fn", "mlp.gelu"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours))
}

fn by_openai(weights: &Weights) -> Weights {
    let joined = |name: &str| openais(name).replace("in_proj_.", "in_proj_");
    respelled(weights, joined, ["self_attn.q_proj", "self_attn.in_proj_"], |name| {
        name == "visual_projection.weight"
    })
}

#[test]
#[ignore = "seconds"]
fn sweep_clip_agrees_with_transformers_in_both_spellings() {
    let weights = clip(&[]);
    let own = |tap: &str| {
        Some(openais(tap)).filter(|_| tap != "vision_model.embeddings" && !tap.ends_with("k_proj"))
    };
    compare(CLIP, &network(CLIP, by_openai(&weights)), own);
    compare(CLIP, &network(CLIP, weights), same);
}

#[test]
#[ignore = "seconds"]
fn sweep_clip_with_plain_gelu_agrees_with_transformers() {
    compare("clip_vit_b_32:gelu", &network(CLIP, clip(&[("activation", "gelu")])), same);
}

/// Other tensors of a network's file, added to its own.
fn with(weights: &Weights, more: &[(&str, &[usize])]) -> Weights {
    let more = more.iter().map(|(name, shape)| {
        let tensor = WeightTensor::new(shape.to_vec(), vec![0.5; shape.iter().product()]);
        ((*name).to_owned(), tensor)
    });
    let own = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    Weights::from_tensors(own.chain(more).collect::<Vec<_>>(), weights.metadata().clone())
}

/// Weights of zeros: what a file holds matters, not what it computes.
fn zeros(name: &str) -> Weights {
    let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len = shape.iter().product();
        (name, WeightTensor::new(shape, vec![0.0; len]))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new())
}

#[test]
fn what_files_hold_beside_a_tower_is_not_used_and_what_belongs_to_another_is_refused() {
    let text: [(&str, &[usize]); 4] = [
        ("logit_scale", &[]),
        ("text_model.embeddings.token_embedding.weight", &[7, 3]),
        ("text_model.encoder.layers.0.layer_norm1.weight", &[3]),
        ("text_projection.weight", &[512, 3]),
    ];
    let clip = zeros(CLIP);
    let architecture = |name: &str| Architecture::from_name(name).unwrap();
    assert_eq!(architecture(CLIP).fit(&with(&clip, &text)).unwrap().unused, text.map(|(name, _)| name));
    let text: [(&str, &[usize]); 4] = [
        ("ln_final.weight", &[3]),
        ("positional_embedding", &[7, 3]),
        ("text_projection", &[3, 512]),
        ("transformer.resblocks.0.ln_1.weight", &[3]),
    ];
    assert_eq!(
        architecture(CLIP).fit(&with(&by_openai(&clip), &text)).unwrap().unused,
        text.map(|(name, _)| name)
    );

    let small = zeros("dinov2_vits14");
    let masked = with(&small, &[("mask_token", &[1, 384])]);
    assert_eq!(architecture("dinov2_vits14").fit(&masked).unwrap().unused, ["mask_token"]);
    let with_registers = with(&masked, &[("register_tokens", &[1, 4, 384])]);
    let error = architecture("dinov2_vits14").fit(&with_registers).unwrap_err().to_string();
    assert!(error.contains("unexpected: register_tokens") && error.contains("dinov2_vits14_reg"), "{error}");
    let fit = architecture("dinov2_vits14_reg").fit(&with_registers).unwrap();
    assert_eq!(fit.unused, ["mask_token"]);
}

#[test]
fn a_tower_without_its_projection_ends_below_it() {
    let clip = zeros(CLIP);
    let kept = clip.iter().filter(|(name, _)| *name != "visual_projection.weight");
    let kept = kept.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect::<Vec<_>>();
    let graph = Architecture::from_name(CLIP)
        .unwrap()
        .fit(&Weights::from_tensors(kept, BTreeMap::new()))
        .unwrap()
        .graph;
    graph.tap("vision_model.post_layernorm").unwrap();
    let error = graph.tap("visual_projection").unwrap_err().to_string();
    assert!(error.contains("the weights hold no visual_projection.weight"), "{error}");
}

/// Whoever named the tensors: a file opens, and the layers that are used by default are there.
#[test]
#[ignore = "seconds"]
fn sweep_files_open_in_either_spelling_and_have_the_usual_layers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let hugging_face = with(&zeros(CLIP), &[("text_model.final_layer_norm.weight", &[3])]);
    for (weights, own) in [
        (by_openai(&zeros(CLIP)), "visual.transformer.resblocks.11"),
        (hugging_face, "vision_model.encoder.layers.11"),
    ] {
        weights.save(&path).unwrap();
        let architecture = Architecture::from_name(CLIP).unwrap();
        let opened = architecture.open(&path, None).unwrap();
        assert!(opened.origin().prefix.is_empty());
        let graph = architecture.fit(&opened).unwrap().graph;
        let own = graph.tap(own).unwrap();
        assert!(graph.taps().any(|tap| tap == own));
        assert_eq!(graph.tap(architecture.target_layer()).unwrap().node, own.node);
        for (layer, _) in architecture.feature_layers() {
            graph.tap(layer).unwrap();
        }
    }
}

/// By their tables of positions; DINOv2's becomes that of any size.
#[test]
fn some_towers_take_one_size() {
    for (name, only) in [
        ("clip_vit_b_32", Some([224; 2])),
        ("clip_vit_l_14_336", Some([336; 2])),
        ("deit_tiny_patch16_224", Some([224; 2])),
        ("dinov2_vits14", None),
        ("dinov2_vits14_reg", None),
    ] {
        assert_eq!(
            Architecture::from_name(name).unwrap().graph(&Weights::default()).image_size(),
            only,
            "{name}"
        );
    }
}

/// A network of each design here, with weights of the rule, its blocks from the image upwards, and the size of an image.
fn designs() -> Vec<(Network, Vec<String>, [usize; 2])> {
    let blocks = |prefix: &str| [0, 2, 5, 11].map(|block| format!("{prefix}.{block}")).to_vec();
    let dinov2 = "dinov2_vits14_reg";
    vec![
        (network(dinov2, by_rule(dinov2, "cls_token", &[])), blocks("blocks"), [42, 70]),
        (network("clip_vit_b_32", clip(&[])), blocks("vision_model.encoder.layers"), [224, 224]),
        (
            network("deit_tiny_patch16_224", by_rule("deit_tiny_patch16_224", "cls_token", &[])),
            blocks("blocks"),
            [224, 224],
        ),
    ]
}

fn image([height, width]: [usize; 2]) -> Vec<f32> {
    rules::normalised(&rules::image(3, 0, [height, width]), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
}

/// What flows in at the last block arrives at the blocks below. Of what class tokens are given nothing arrives at the pixels.
#[test]
fn relevance_is_conserved_in_towers() {
    const CHANNEL: usize = 5;
    for (network, blocks, size) in designs() {
        let name = network.architecture().unwrap().name();
        let (image, target) = (image(size), network.tap(&blocks[3]).unwrap());
        let mut wanted: Vec<Tap> = blocks[..3].iter().map(|block| network.tap(block).unwrap()).collect();
        wanted.push(network.graph().image_tap());
        let mut session = network.session(std::slice::from_ref(&target), Keep::Relevance).unwrap();
        session.run(&ChannelsFirst::new(&image, size[0], size[1]), &mut |_| {}).unwrap();
        let map = session.map(&target).unwrap();
        let unit: Vec<f32> =
            map.data.iter().skip(CHANNEL).step_by(map.channels).map(|v| v.max(0.0)).collect();
        let total: f64 = unit.iter().map(|value| f64::from(*value)).sum();
        assert!(total > 0.0, "{name}: the unit speaks");
        let (channels, mut pass) = (map.channels, BackwardPass::new());
        pass.seed(&session, &target, |signal| {
            signal.iter_mut().skip(CHANNEL).step_by(channels).zip(&unit).for_each(|(to, from)| *to = *from);
        });
        pass.run(&session, &Composite::z_plus(network.pixel_range()), &wanted).unwrap();
        for (tap, least) in wanted.iter().zip([0.99, 0.99, 0.99, 0.5]) {
            let signal = pass.signal(tap).unwrap();
            let share = signal.iter().map(|value| f64::from(*value)).sum::<f64>() / total;
            println!("{name} {}: {share:.5} of the relevance", tap.name);
            assert!((least..1.0001).contains(&share), "{name} {}: {share} of the relevance", tap.name);
            assert!(signal.iter().all(|value| *value >= 0.0), "{name} {}: a sign against it", tap.name);
        }
    }
}

/// Gradients of a tower's last block, with registers, layer scales, an enlarged table or other activations on the way,
/// against the difference of two passes; of one on a grid that is no square.
#[test]
fn gradients_agree_with_finite_differences() {
    for (network, blocks, size) in designs() {
        gradient_agrees(&network, &blocks[3], size);
    }
}

fn gradient_agrees(network: &Network, block: &str, [height, width]: [usize; 2]) {
    let name = network.architecture().unwrap().name();
    let image = image([height, width]);
    let target = network.tap(block).unwrap();
    let channels = network.channels(&target);
    let mut session = network.session(std::slice::from_ref(&target), Keep::Gradient).unwrap();
    let channel = 5;
    let unit = |pixels: &[f32], session: &mut Session| {
        session.run(&ChannelsFirst::new(pixels, height, width), &mut |_| {}).unwrap();
        let map = session.map(&target).unwrap();
        map.data.iter().skip(channel).step_by(map.channels).map(|v| f64::from(*v)).sum::<f64>()
    };
    unit(&image, &mut session);
    let mut pass = BackwardPass::new();
    pass.seed(&session, &target, |signal| {
        signal.iter_mut().skip(channel).step_by(channels).for_each(|signal| *signal = 1.0);
    });
    let at = network.graph().image_tap();
    pass.run(&session, &Composite::gradient(), std::slice::from_ref(&at)).unwrap();
    // `[height, width, 3]` to planes.
    let signal = pass.signal(&at).unwrap();
    let plane = height * width;
    let gradient: Vec<f32> = (0..3 * plane).map(|to| signal[to % plane * 3 + to / plane]).collect();
    let square: f64 = gradient.iter().map(|value| f64::from(*value).powi(2)).sum();
    let step = 0.05 / square.sqrt();
    let moved = |sign: f64| -> Vec<f32> {
        let by = |(pixel, slope): (&f32, &f32)| (f64::from(*pixel) + sign * step * f64::from(*slope)) as f32;
        image.iter().zip(&gradient).map(by).collect()
    };
    let difference = (unit(&moved(1.0), &mut session) - unit(&moved(-1.0), &mut session)) / (2.0 * step);
    let error = (difference / square - 1.0).abs();
    println!("{name}: {error:.1e}");
    assert!(error < 1e-3, "{name}: {difference} instead of {square}");
}

//! How to run again what a manifest or a record describes, by today's names of the flags.

mod schedule;

use std::path::Path;

use serde_json::Value;

use crate::channels;
use crate::command_line::CommandLine;

/// The line of a run whose results lie in `folder`; `None` for what is no run of a command that is known.
///
/// Defaults are left out where the commands have had them all along. Weights are not named: their path is not part of
/// what decides a result, their hash is.
pub(crate) fn command_line(scan: &Value, folder: &Path) -> Option<CommandLine> {
    let above = |folders| folder.ancestors().nth(folders);
    let out = match scan.get("command").and_then(Value::as_str)? {
        // <out>/<arch>/neuron_<layer>
        "select-images" => above(2),
        // <out>/<arch>/neuron_<layer>/<channel>/top<k>
        "baseline" => above(4),
        _ => Some(folder),
    };
    into(scan, out)
}

/// The line of a run whose `--out` was that folder; `None` for what is no run of a command that is known.
pub(crate) fn into(scan: &Value, out: Option<&Path>) -> Option<CommandLine> {
    let settings = scan.get("settings").unwrap_or(&Value::Null);
    let line = match scan.get("command").and_then(Value::as_str)? {
        "select-images" => select_images(settings, out),
        "extract-patches" => extract_patches(settings),
        "baseline" => baseline(settings, out),
        "fvis" => fvis(scan, out),
        _ => return None,
    };
    Some(line.computed_as(scan))
}

fn select_images(settings: &Value, out: Option<&Path>) -> CommandLine {
    let layers = settings.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let typed: Vec<&str> =
        layers.iter().filter_map(|layer| layer.get("typed").and_then(Value::as_str)).collect();
    CommandLine::new("select-images")
        .json("--arch", settings.get("arch"))
        .json("--data", settings.get("data"))
        .flag("--layer", &typed.join(","))
        .json("--topk-images", settings.get("topk_images"))
        .flag_if("--channels", channels(layers).as_deref())
        .split(settings)
        .json("--positions", settings.get("positions"))
        .results_in(out)
}

/// The channels of all layers; `None` for all channels, as only then those of one layer are not those of another.
fn channels(layers: &[Value]) -> Option<String> {
    let mut of_layers = layers.iter().map(|layer| layer.get("channels").and_then(Value::as_array));
    let first = of_layers.next()??;
    let channels: Vec<usize> = first.iter().filter_map(number).collect();
    of_layers.all(|others| others == Some(first)).then(|| channels::as_typed(&channels))
}

fn extract_patches(settings: &Value) -> CommandLine {
    let method = settings.get("method").filter(|method| *method != "sliding");
    CommandLine::new("extract-patches")
        .json("--arch", settings.get("arch"))
        .json("--data", settings.get("data"))
        .json("--layer", settings.get("layer"))
        .json("--channels", settings.get("channels"))
        .json("--method", method)
        .json("--positions", settings.get("positions"))
        .json("--patch-size", settings.pointer("/boxes/size_px"))
        .json("--topk-patches", settings.get("topk_patches"))
        .json("--out", settings.get("save_dir"))
        .drawing(settings)
}

fn baseline(settings: &Value, out: Option<&Path>) -> CommandLine {
    CommandLine::new("baseline")
        .json("--arch", settings.get("arch"))
        .json("--data", settings.get("data"))
        .json("--layer", settings.get("typed_layer"))
        .json("--channels", settings.get("channels"))
        .json("--positions", settings.get("positions"))
        .json("--patch-size", settings.pointer("/boxes/size_px"))
        .json("--topk-patches", settings.get("topk_patches"))
        .split(settings)
        .drawing(settings)
        .results_in(out)
}

fn fvis(record: &Value, out: Option<&Path>) -> CommandLine {
    let at = |pointer: &str| record.pointer(pointer);
    let finished = at("/finished") == Some(&Value::Bool(true));
    let references = at("/references").and_then(Value::as_array).map(|all| all.len().to_string());
    let nearest = at("/settings/plain_layer").and_then(Value::as_str);
    let weights = at("/settings/layer_weights").and_then(|weights| layer_weights(weights, nearest));
    let nearest_weight = nearest.and_then(|name| at("/settings/layer_weights")?.get(name));
    let line = CommandLine::new("fvis")
        .json("--arch", at("/arch"))
        .json("--layer", at("/layer"))
        .json("--channels", at("/channel"))
        .json("--method", at("/settings/method"));
    let line = schedule::with_schedule(line, at("/settings/schedule").unwrap_or(&Value::Null))
        .json("--stop-after", at("/steps").filter(|_| !finished))
        .flag_if("--num-real-img", references.as_deref())
        .json("--references", at("/references_are"))
        .json("--resolution", at("/settings/size/0"))
        .flag_if("--layer-weights", weights.as_deref())
        .json("--nearest-layer", nearest_weight);
    let plain = [
        ("--lr", "/settings/learning_rate"),
        ("--feat-dist", "/settings/feature_weight"),
        ("--tv-l1", "/settings/priors/tv_l1"),
        ("--tv-l2", "/settings/priors/tv_l2"),
        ("--l2", "/settings/priors/l2"),
        ("--copies", "/settings/copies"),
        ("--seed", "/seed"),
        ("--start", "/start"),
    ];
    let line = plain.iter().fold(line, |line, (flag, pointer)| line.json(flag, at(pointer)));
    let line = beyond_published(record, line);
    line.switch("--do-flip", at("/settings/mirror") == Some(&Value::Bool(true)))
        .flag_if("--out", out.map(Path::to_string_lossy).as_deref())
}

/// With what the published method does not know: a record holds it only where it was used.
fn beyond_published(record: &Value, line: CommandLine) -> CommandLine {
    let at = |pointer: &str| record.pointer(pointer);
    let range = |range: &Value| Some(format!("{}-{}", range.get(0)?, range.get(1)?));
    let share = |steps: &Value| {
        let phases = at("/settings/schedule/phases")?.as_array()?;
        let all: f64 = phases.iter().filter_map(|phase| phase.get("steps")?.as_f64()).sum();
        Some((steps.as_f64()? / all).to_string())
    };
    let goal = at("/settings/activation").map(|term| match term.get("goal") {
        None | Some(Value::Null) => "inf".to_owned(),
        Some(goal) => goal.to_string(),
    });
    line.json("--objective", at("/settings/aim"))
        .json("--parametrisation", at("/settings/parametrisation"))
        .json("--activation", at("/settings/activation/weight"))
        .flag_if("--activation-goal", goal.as_deref())
        .json("--specificity", at("/settings/activation/specificity"))
        .flag_if("--scale", at("/settings/transforms/scale").and_then(range).as_deref())
        .json("--rotation", at("/settings/transforms/rotation_deg"))
        .flag_if("--finish", at("/settings/finish/steps").and_then(share).as_deref())
        .json("--start", at("/settings/start_from"))
        .json("--positions", at("/settings/positions"))
        .json("--magnitudes", at("/magnitudes"))
        .json("--mask", at("/inputs/mask"))
}

/// Weights of feature layers as they are typed: numbers in the family's order, or names with theirs, but for the nearest.
fn layer_weights(recorded: &Value, nearest: Option<&str>) -> Option<String> {
    let parts: Vec<String> = match recorded {
        Value::Array(numbers) => numbers.iter().map(Value::to_string).collect(),
        Value::Object(named) => {
            let typed = named.iter().filter(|(layer, _)| nearest != Some(layer.as_str()));
            typed.map(|(layer, weight)| format!("{layer}={weight}")).collect()
        }
        _ => return None,
    };
    // The nearest may be the only one.
    (!parts.is_empty()).then(|| parts.join(","))
}

fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

impl CommandLine {
    /// With a flag and a value of the manifest; nothing where it is absent.
    fn json(self, flag: &str, value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => self,
            Some(Value::String(text)) => self.flag(flag, text),
            Some(other) => self.flag(flag, &other.to_string()),
        }
    }

    /// With what decides the numbers beside the settings, where it is not the usual.
    fn computed_as(self, scan: &Value) -> Self {
        // Such as `cpu bf16`: what computed, and how precisely.
        let precision =
            scan.get("device").and_then(Value::as_str).and_then(|device| device.split(' ').nth(1));
        self.flag_if("--precision", precision.filter(|precision| *precision != "f32"))
            .json("--weights-key", scan.get("weights_key"))
            .json("--max-pixels", scan.get("max_pixels"))
    }

    fn split(self, settings: &Value) -> Self {
        let split = settings.get("split").filter(|split| *split != "train");
        self.json("--split", split).json("--split-n", settings.get("split_n"))
    }

    fn drawing(self, settings: &Value) -> Self {
        let is_set = |key| settings.pointer(key) == Some(&Value::Bool(true));
        self.json("--grid-columns", settings.pointer("/drawing/columns"))
            .switch("--captions", is_set("/drawing/captions"))
            .switch("--save-patches", is_set("/drawing/save_patches"))
    }

    fn results_in(self, folder: Option<&Path>) -> Self {
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        self.flag_if("--out", folder.map(|folder| folder.to_string_lossy()).as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Subcommand};
    use neuron_fvis::{Phase, Preset, Schedule};
    use serde_json::json;

    use super::*;
    use crate::commands::Command;
    use crate::global::Global;

    /// The line of a run, which the command line's own parser must take.
    fn line(scan: &Value, folder: &str) -> String {
        let line = command_line(scan, Path::new(folder)).unwrap();
        let parser = Global::augment_args(Command::augment_subcommands(clap::Command::new("neuron")));
        parser.try_get_matches_from(line.words()).unwrap_or_else(|error| panic!("{line}:\n{error}"));
        line.to_string()
    }

    #[test]
    fn weights_of_layers_are_typed_as_they_were() {
        let named = json!({"layer3.0": 0.5, "conv1": 1.0});
        assert_eq!(layer_weights(&json!([0.1, 1.0, 0.0]), None).unwrap(), "0.1,1.0,0.0");
        assert_eq!(layer_weights(&named, None).unwrap(), "conv1=1.0,layer3.0=0.5");
        assert_eq!(layer_weights(&named, Some("layer3.0")).unwrap(), "conv1=1.0");
        assert_eq!(layer_weights(&json!({"layer3.0": 0.5}), Some("layer3.0")), None);
        assert_eq!(layer_weights(&json!(null), None), None);
    }

    #[test]
    fn a_scan_can_be_run_again() {
        let scan = json!({ "command": "select-images", "settings": {
            "arch": "resnet50", "data": "my photos", "topk_images": 50, "split": "val", "split_n": null,
            "layers": [{ "typed": "layer4_2", "channels": [0, 1, 2, 7] }],
        }});
        let as_usual = "neuron select-images --arch resnet50 --data 'my photos' --layer layer4_2 --topk-images 50 \
                        --channels '0-2,7' --split val --out runs";
        let run = |scan: &Value| line(scan, "runs/resnet50/neuron_layer4_2");
        assert_eq!(run(&scan), as_usual);
        let mut other = scan;
        other["device"] = "cpu f32".into();
        assert_eq!(run(&other), as_usual);
        other["device"] = "cpu-vdpbf16ps bf16".into();
        other["max_pixels"] = 9.into();
        assert_eq!(run(&other), format!("{as_usual} --precision bf16 --max-pixels 9"));
    }

    #[test]
    fn all_channels_of_several_layers_are_all_again() {
        let of = |second: &[usize]| {
            json!({ "command": "select-images", "settings": { "data": "d", "layers": [
                { "typed": "a", "channels": [0, 1] }, { "typed": "b", "channels": second },
            ]}})
        };
        assert_eq!(
            line(&of(&[0, 1]), "o/a/l"),
            "neuron select-images --data d --layer 'a,b' --channels 0-1 --out o"
        );
        assert_eq!(line(&of(&[0, 1, 2]), "o/a/l"), "neuron select-images --data d --layer 'a,b' --out o");
    }

    #[test]
    fn patches_can_be_found_again() {
        let drawing = json!({ "columns": 4, "at_most": null, "captions": true, "save_patches": true });
        let of = |command: &str| {
            json!({ "command": command, "settings": {
                "arch": "resnet50", "data": "d", "layer": "layer4", "typed_layer": "layer4", "channels": "0-3",
                "method": "receptive-field", "boxes": { "size_px": 32 }, "topk_patches": 9, "save_dir": "s",
                "split": "train", "split_n": 5, "drawing": drawing,
            }})
        };
        assert_eq!(
            line(&of("extract-patches"), "s/3"),
            "neuron extract-patches --arch resnet50 --data d --layer layer4 --channels 0-3 --method receptive-field \
             --patch-size 32 --topk-patches 9 --out s --grid-columns 4 --captions --save-patches"
        );
        assert_eq!(
            line(&of("baseline"), "o/resnet50/neuron_layer4/3/top9"),
            "neuron baseline --arch resnet50 --data d --layer layer4 --channels 0-3 --patch-size 32 --topk-patches 9 \
             --split-n 5 --grid-columns 4 --captions --save-patches --out o"
        );
    }

    #[test]
    fn a_picture_can_be_made_again() {
        let of = |schedule: Schedule, finished: bool| {
            json!({
                "command": "fvis", "arch": "resnet50", "layer": "layer4.2", "channel": 7, "seed": 3, "steps": 5,
                "finished": finished, "references_are": "patches", "references": ["a", "b"], "start": "s.png",
                "settings": {
                    "method": "LRP", "layer_weights": [0.1, 1.0, 1.0, 1.0, 0.0], "size": [64, 64], "copies": 2, "mirror": true,
                    "schedule": schedule, "learning_rate": 0.5, "feature_weight": 1.0,
                    "priors": { "tv_l1": 0.0, "tv_l2": 3e-7, "l2": 3e-7 },
                },
            })
        };
        let preset = |preset, steps, jitter| Schedule::preset(preset, steps, jitter).unwrap();
        let single = line(&of(preset(Preset::Single, 9, 4), false), "images");
        for part in [
            "--channels 7",
            "--schedule single --steps 9 --jitter 4",
            "--stop-after 5",
            "--copies 2",
            "--out images",
        ] {
            assert!(single.contains(part), "{part}: {single}");
        }
        assert!(!single.contains("--finish") && !single.contains("--parametrisation"), "{single}");
        let mut clear = of(preset(Preset::Single, 500, 30), true);
        clear["start"] = Value::Null;
        for (key, value) in [
            ("method", json!("none")),
            ("layer_weights", json!({ "conv1": 0.1, "layer3": 1.0, "layer4.1": 1.0 })),
            ("plain_layer", json!("layer4.1")),
            ("finish", json!({ "steps": 150, "method": "LRP" })),
            ("activation", json!({ "weight": 1.0, "goal": 1.4, "specificity": 1.0 })),
            ("parametrisation", json!("spectrum")),
            ("transforms", json!({ "scale": [0.9, 1.1], "rotation_deg": 5.0 })),
            ("start_from", json!("natural")),
            ("positions", json!("grid")),
        ] {
            clear["settings"][key] = value;
        }
        clear["inputs"]["mask"] = json!("relevance");
        let clear = line(&clear, "images");
        for part in [
            "--layer-weights 'conv1=0.1,layer3=1.0' --nearest-layer 1.0",
            "--parametrisation spectrum --activation 1.0 --activation-goal 1.4 --specificity 1.0",
            "--scale 0.9-1.1 --rotation 5.0 --finish 0.3 --start natural --positions grid --mask relevance",
        ] {
            assert!(clear.contains(part), "{part}: {clear}");
        }
        let unclamped = line(&of(preset(Preset::Unclamped, 1, 4), true), "images");
        assert!(unclamped.contains("--schedule unclamped") && !unclamped.contains("--steps"), "{unclamped}");
        let two = line(&of(preset(Preset::CoarseToFine, 1, 30), true), "images");
        assert!(two.contains("--schedule coarse-to-fine --jitter 30"), "{two}");
        let own = Schedule::new(vec![Phase::new(100, 4, 7), Phase::new(150, 2, 15)]).unwrap();
        let own = line(&of(own, true), "images");
        assert!(own.contains("--phases '4:100,2:150' --jitter 30") && !own.contains("--schedule"), "{own}");
    }

    #[test]
    fn what_is_no_run_has_no_line() {
        for scan in [json!(null), json!({}), json!({ "command": 3 }), json!({ "command": "unknown" })] {
            assert!(command_line(&scan, Path::new("")).is_none(), "{scan}");
        }
    }
}

//! How to run again what a manifest describes.

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// A command line that a shell understands.
pub(crate) struct CommandLine(Vec<String>);

impl CommandLine {
    /// The line of a run with this manifest, whose results lie in `folder`.
    ///
    /// Defaults are left out where the commands have had them all along. Weights are not named: their path is not
    /// part of what decides a result, their hash is.
    pub(crate) fn of(command: &str, scan: &Value, folder: &Path) -> Self {
        let settings = scan.get("settings").unwrap_or(&Value::Null);
        let line = Self(vec!["neuron".to_owned(), command.to_owned()]).flag("--arch", settings.get("arch"));
        match command {
            "select-images" => line.select_images(settings, folder),
            "extract-patches" => line.extract_patches(settings),
            "baseline" => line.baseline(settings, folder),
            "fvis" => line.fvis(scan, folder),
            _ => line,
        }
    }

    fn select_images(self, settings: &Value, folder: &Path) -> Self {
        let layers = settings.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let typed: Vec<&str> =
            layers.iter().filter_map(|layer| layer.get("typed").and_then(Value::as_str)).collect();
        let channels = layers.first().and_then(|layer| layer.get("channels")).and_then(ranges);
        self.flag("--data", settings.get("data"))
            .text("--target-layer", &typed.join(","))
            .flag("--topk-images", settings.get("topk_images"))
            .text_if("--channels", channels.as_deref())
            .split(settings)
            .results_in(folder.parent().and_then(Path::parent))
    }

    fn extract_patches(self, settings: &Value) -> Self {
        let boxes = settings.get("boxes").unwrap_or(&Value::Null);
        let method = settings.get("method").filter(|method| *method != "sliding");
        self.flag("--data", settings.get("data"))
            .flag("--target-layer", settings.get("layer"))
            .flag("--channels", settings.get("channels"))
            .flag("--method", method)
            .flag("--patch-size", boxes.get("size_px"))
            .flag("--topk-patches", settings.get("topk_patches"))
            .flag("--save-dir", settings.get("save_dir"))
            .drawing(settings)
    }

    fn baseline(self, settings: &Value, folder: &Path) -> Self {
        let boxes = settings.get("boxes").unwrap_or(&Value::Null);
        // <out>/<arch>/neuron_<layer>/<channel>/top<k>
        self.flag("--data", settings.get("data"))
            .flag("--target-layer", settings.get("typed_layer"))
            .flag("--chs", settings.get("channels"))
            .flag("--patch-size", boxes.get("size_px"))
            .flag("--topk-patches", settings.get("topk_patches"))
            .split(settings)
            .drawing(settings)
            .results_in(folder.ancestors().nth(4))
    }

    fn fvis(self, record: &Value, folder: &Path) -> Self {
        let at = |pointer: &str| record.pointer(pointer);
        let phase = |key: &str| at("/settings/schedule/phases/0").and_then(|phase| phase.get(key));
        let phases = at("/settings/schedule/phases").and_then(Value::as_array).map_or(0, Vec::len);
        let setting = match (phases, phase("clamp")) {
            (2.., _) => "0",
            (_, Some(Value::Bool(false))) => "2",
            _ => "1",
        };
        let epochs = phase("steps").filter(|_| setting == "1");
        let finished = at("/finished") == Some(&Value::Bool(true));
        let references = at("/references").and_then(Value::as_array).map(|all| all.len().to_string());
        let weights = at("/settings/layer_weights").and_then(Value::as_array);
        let weights = weights.map(|all| all.iter().map(Value::to_string).collect::<Vec<_>>().join(","));
        let mut line = Self(vec!["neuron".to_owned(), "fvis".to_owned()])
            .flag("--arch", at("/arch"))
            .flag("--layer", at("/layer"))
            .flag("--channel", at("/channel"))
            .flag("--method", at("/settings/method"))
            .text("--setting-id", setting)
            .flag("--epochs", epochs)
            .flag("--stop-after", at("/steps").filter(|_| !finished))
            .text_if("--num-real-img", references.as_deref())
            .flag("--references", at("/references_are"))
            .flag("--resolution", at("/settings/size/0"))
            .text_if("--layer-weights", weights.as_deref())
            .flag("--jitter", phase("jitter_px"));
        for (flag, pointer) in [
            ("--lr", "/settings/learning_rate"),
            ("--feat-dist", "/settings/feature_weight"),
            ("--tv-l1", "/settings/priors/tv_l1"),
            ("--tv-l2", "/settings/priors/tv_l2"),
            ("--l2", "/settings/priors/l2"),
            ("--bs", "/settings/copies"),
            ("--seed", "/seed"),
            ("--start", "/start"),
        ] {
            line = line.flag(flag, at(pointer));
        }
        if at("/settings/mirror") == Some(&Value::Bool(true)) {
            line.0.push("--do-flip".to_owned());
        }
        line.text("--folder-name", &folder.to_string_lossy())
    }

    fn split(self, settings: &Value) -> Self {
        let split = settings.get("split").filter(|split| *split != "train");
        self.flag("--split", split).flag("--split-n", settings.get("split_n"))
    }

    fn drawing(mut self, settings: &Value) -> Self {
        let drawing = settings.get("drawing").unwrap_or(&Value::Null);
        self = self.flag("--grid-columns", drawing.get("columns"));
        for (flag, key) in [("--captions", "captions"), ("--save-patches", "save_patches")] {
            if drawing.get(key) == Some(&Value::Bool(true)) {
                self.0.push(flag.to_owned());
            }
        }
        self
    }

    fn results_in(self, folder: Option<&Path>) -> Self {
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        self.text_if("--out", folder.map(|folder| folder.to_string_lossy()).as_deref())
    }

    /// A flag with a value of the manifest; nothing where it is absent.
    fn flag(self, flag: &str, value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => self,
            Some(Value::String(text)) => self.text(flag, text),
            Some(other) => self.text(flag, &other.to_string()),
        }
    }

    fn text_if(self, flag: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(flag, value),
            None => self,
        }
    }

    fn text(mut self, flag: &str, value: &str) -> Self {
        self.0.extend([flag.to_owned(), value.to_owned()]);
        self
    }
}

/// Channels as they are typed: `0-63,162`.
fn ranges(channels: &Value) -> Option<String> {
    let channels: Vec<u64> = channels.as_array()?.iter().filter_map(Value::as_u64).collect();
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for channel in channels {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == channel => *last = channel,
            _ => spans.push((channel, channel)),
        }
    }
    let span = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    Some(spans.iter().map(span).collect::<Vec<_>>().join(","))
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let separator = if at > 0 { " " } else { "" };
            // No shell can be told of a zero byte; no path or name holds one.
            let quoted = shlex::try_quote(word).unwrap_or_default();
            write!(f, "{separator}{quoted}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scan_can_be_run_again() {
        let scan = json!({ "settings": {
            "arch": "resnet50", "data": "my photos", "topk_images": 50, "split": "val", "split_n": null,
            "layers": [{ "typed": "layer4_2", "channels": [0, 1, 2, 7] }],
        }});
        let line = CommandLine::of("select-images", &scan, Path::new("runs/resnet50/neuron_layer4_2"));
        assert_eq!(
            line.to_string(),
            "neuron select-images --arch resnet50 --data 'my photos' --target-layer layer4_2 --topk-images 50 \
             --channels '0-2,7' --split val --out runs"
        );
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let scan = json!({ "settings": { "arch": "$(rm)", "data": "it's & \"more\"", "channels": "0-3" } });
        let line = CommandLine::of("extract-patches", &scan, Path::new("")).to_string();
        let words = shlex::split(&line).unwrap();
        let expected = [
            "neuron",
            "extract-patches",
            "--arch",
            "$(rm)",
            "--data",
            "it's & \"more\"",
            "--channels",
            "0-3",
        ];
        assert_eq!(words, expected);
    }
}

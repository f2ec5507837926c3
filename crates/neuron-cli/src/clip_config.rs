//! Which function the blocks of a CLIP compute, as a configuration says it: its weights are of no help, and OpenAI's were
//! trained with another one than OpenCLIP's.

use std::collections::BTreeMap;
use std::path::Path;

use neuron_model::{Architecture, Weights};
use serde_json::Value;

use crate::{input, preprocessing};

/// A configuration longer than this is something else.
const MAX_BYTES: u64 = 1 << 20;

/// The key of the metadata, and what it may say.
const KEY: &str = "activation";
const QUICK: &str = "quick_gelu";
const EXACT: &str = "gelu";

/// transformers' file, and OpenCLIP's.
const FILES: [&str; 2] = ["config.json", "open_clip_config.json"];

/// As metadata, what a file beside the weights, or beside what they lead to as a link, says; empty if none says anything.
pub(crate) fn beside(weights: &Path) -> BTreeMap<String, String> {
    let places = preprocessing::steps(weights);
    let paths = places.iter().flat_map(|place| FILES.map(|file| place.with_file_name(file)));
    let said = paths.filter(|path| path.is_file()).find_map(|path| {
        let value = serde_json::from_slice(&input::read(&path, MAX_BYTES).ok()?).ok()?;
        activation(&value)
    });
    said.map(metadata).unwrap_or_default()
}

/// What a configuration says, as metadata.
pub(crate) fn told(configuration: &Value) -> BTreeMap<String, String> {
    activation(configuration).map(metadata).unwrap_or_default()
}

/// One line where nothing says which function a CLIP computes.
pub(crate) fn assumed(architecture: &Architecture, weights: &Weights) -> Option<String> {
    let is_open = architecture.name().starts_with("clip_") && !weights.metadata().contains_key(KEY);
    is_open.then(|| {
        format!(
            "{KEY} not known, so {QUICK} is assumed, as in OpenAI's weights (to set {EXACT}, as in OpenCLIP's own: `neuron \
             weights convert` with --metadata {KEY}={EXACT})"
        )
    })
}

fn metadata(function: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(KEY.to_owned(), function.to_owned())])
}

/// The function; `None` of what is no CLIP, or does not say it.
fn activation(configuration: &Value) -> Option<&'static str> {
    // OpenCLIP says it only where it is OpenAI's.
    if let Some(open_clip) = configuration.get("model_cfg").filter(|model| model.get("vision_cfg").is_some())
    {
        let is_quick = open_clip.get("quick_gelu").and_then(Value::as_bool).unwrap_or(false);
        return Some(if is_quick { QUICK } else { EXACT });
    }
    let is_clip = configuration.get("model_type")?.as_str()?.starts_with("clip");
    let tower = configuration.get("vision_config").unwrap_or(configuration);
    let function = tower.get("hidden_act")?.as_str()?;
    [QUICK, EXACT].into_iter().find(|known| is_clip && *known == function)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_function_is_read_from_either_librarys_configuration() {
        let tower = |function: &str| json!({"model_type": "clip", "vision_config": {"hidden_act": function}});
        for (configuration, said) in [
            (tower("quick_gelu"), Some(QUICK)),
            (tower("gelu"), Some(EXACT)),
            (tower("relu"), None),
            (json!({"model_type": "clip"}), None),
            (json!({"model_type": "clip_vision_model", "hidden_act": "gelu"}), Some(EXACT)),
            (json!({"model_type": "resnet", "hidden_act": "gelu"}), None),
            (json!({"model_cfg": {"vision_cfg": {}}}), Some(EXACT)),
            (json!({"model_cfg": {"vision_cfg": {}, "quick_gelu": true}}), Some(QUICK)),
            (json!([1]), None),
        ] {
            assert_eq!(activation(&configuration), said, "{configuration}");
        }
    }

    #[test]
    fn it_is_found_beside_weights() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("w.safetensors");
        assert!(beside(&weights).is_empty());
        std::fs::write(folder.path().join("config.json"), "{ damaged").unwrap();
        std::fs::write(folder.path().join("open_clip_config.json"), r#"{"model_cfg": {"vision_cfg": {}}}"#)
            .unwrap();
        assert_eq!(beside(&weights)[KEY], EXACT);
    }
}

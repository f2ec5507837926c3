//! The preprocessing in the `open_clip_config.json` of a model of OpenCLIP.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::Problem;

/// What OpenCLIP takes where a configuration does not say: as OpenAI's models.
const MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
const SIDE: usize = 224;

#[derive(Deserialize)]
struct Configuration {
    model_cfg: Model,
    #[serde(default)]
    preprocess_cfg: Preprocess,
}

#[derive(Deserialize)]
struct Model {
    vision_cfg: Vision,
}

#[derive(Deserialize)]
struct Vision {
    image_size: Option<Size>,
}

#[derive(Default, Deserialize)]
struct Preprocess {
    size: Option<Size>,
    mean: Option<[f64; 3]>,
    std: Option<[f64; 3]>,
    interpolation: Option<String>,
    resize_mode: Option<String>,
}

/// Of a square, or height and width.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    Square(usize),
    Sides([usize; 2]),
}

/// Whether a configuration is OpenCLIP's.
pub(crate) fn is_open_clips(configuration: &Value) -> bool {
    configuration.pointer("/model_cfg/vision_cfg").is_some()
}

/// `crop`, `resize`, `interpolation`, `mean` and `std`.
pub(crate) fn metadata(configuration: &Value) -> Result<Option<BTreeMap<String, String>>, Problem> {
    let Configuration { model_cfg, preprocess_cfg } = Configuration::deserialize(configuration)?;
    let Preprocess { size, mean, std, interpolation, resize_mode } = preprocess_cfg;
    if let Some(mode) = resize_mode.filter(|mode| mode != "shortest") {
        return Err(Problem::Unsupported(format!("the resize mode {mode:?}")));
    }
    let side = match size.or(model_cfg.vision_cfg.image_size).unwrap_or(Size::Square(SIDE)) {
        Size::Square(side) => side,
        Size::Sides([height, width]) if height == width => height,
        Size::Sides([height, width]) => {
            return Err(Problem::Unsupported(format!("an input of {height} x {width}")));
        }
    };
    let list = |values: [f64; 3]| values.map(|value| value.to_string()).join(",");
    let pairs = [
        ("mean", list(mean.unwrap_or(MEAN))),
        ("std", list(std.unwrap_or(STD))),
        ("interpolation", interpolation.unwrap_or_else(|| "bicubic".to_owned())),
        ("resize", side.to_string()),
        ("crop", side.to_string()),
    ];
    Ok(Some(pairs.map(|(key, value)| (key.to_owned(), value)).into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_as_in_openais_models() {
        let own = json!({
            "model_cfg": {"vision_cfg": {"image_size": 336}},
            "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "shortest"},
        });
        let own = metadata(&own).unwrap().unwrap();
        let of = |key: &str| own[key].as_str();
        assert_eq!((of("resize"), of("crop"), of("interpolation")), ("336", "336", "bilinear"));
        assert_eq!((of("mean"), of("std")), ("0.5,0.5,0.5", "0.26862954,0.26130258,0.27577711"));
        let silent = metadata(&json!({"model_cfg": {"vision_cfg": {"layers": 12}}})).unwrap().unwrap();
        let of = |key: &str| silent[key].as_str();
        assert_eq!((of("crop"), of("interpolation")), ("224", "bicubic"));
        assert_eq!(of("mean"), "0.48145466,0.4578275,0.40821073");
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (vision, preprocess) in [
            (json!({"image_size": [224, 192]}), json!({})),
            (json!({"image_size": 224}), json!({"resize_mode": "squash"})),
            (json!({"image_size": 224}), json!({"resize_mode": "longest"})),
        ] {
            let configuration = json!({"model_cfg": {"vision_cfg": vision}, "preprocess_cfg": preprocess});
            assert!(matches!(metadata(&configuration), Err(Problem::Unsupported(_))), "{configuration}");
        }
        let wrong = json!({"model_cfg": {"vision_cfg": {"image_size": "large"}}});
        assert!(matches!(metadata(&wrong), Err(Problem::Type(_))));
    }
}

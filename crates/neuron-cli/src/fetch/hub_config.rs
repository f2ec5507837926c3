//! The configurations in a repository of the Hub as metadata of a weights file: timm's `config.json`, or transformers'
//! `preprocessor_config.json` beside its `config.json`.

use std::collections::BTreeMap;

use neuron_data::Preprocessing;
use serde::de::Error;
use serde_json::Value;

use super::error::FetchError;
use crate::clip_config;
use crate::preprocessing::{Problem, timm, transformers};

/// What a library reads preprocessing from.
type Reader = fn(&Value) -> Result<Option<BTreeMap<String, String>>, Problem>;

/// `crop`, `resize`, `interpolation`, `mean` and `std`, and `activation` where it is said.
///
/// `config` is the repository's `config.json`. If it is transformers', `processor` fetches what that says of images, with its
/// address.
pub(super) fn metadata(
    (config, url): (&[u8], &str),
    processor: impl FnOnce() -> Result<(Vec<u8>, String), FetchError>,
) -> Result<BTreeMap<String, String>, FetchError> {
    let configuration = value(config, url)?;
    if timm::is_timms(&configuration) || !transformers::is_model(&configuration) {
        return preprocessing(timm::metadata, &configuration, url);
    }
    let (json, url) = processor()?;
    let mut metadata = preprocessing(transformers::metadata, &value(&json, &url)?, &url)?;
    metadata.extend(clip_config::told(&configuration));
    Ok(metadata)
}

fn value(json: &[u8], url: &str) -> Result<Value, FetchError> {
    serde_json::from_slice(json).map_err(|source| FetchError::Config { url: url.to_owned(), source })
}

fn preprocessing(
    read: Reader,
    configuration: &Value,
    url: &str,
) -> Result<BTreeMap<String, String>, FetchError> {
    let wrong = |source| FetchError::Config { url: url.to_owned(), source };
    let metadata = read(configuration).map_err(|problem| match problem {
        Problem::Type(source) => wrong(source),
        Problem::Foreign => wrong(serde_json::Error::custom("it is another's")),
        Problem::Unsupported(what) => FetchError::UnsupportedConfig { url: url.to_owned(), what },
    })?;
    let metadata = metadata.unwrap_or_default();
    match Preprocessing::missing_from(&metadata).first() {
        None => Ok(metadata),
        Some(key) => Err(wrong(serde_json::Error::custom(format!("it does not specify {key}")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "architecture": "resnet50",
        "num_classes": 1000,
        "pretrained_cfg": {
            "tag": "tv_in1k", "input_size": [3, 224, 224], "fixed_input_size": false, "interpolation": "bilinear",
            "crop_pct": 0.875, "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]
        }
    }"#;

    /// Of timm, which needs no other file.
    fn metadata(config: &str) -> Result<BTreeMap<String, String>, FetchError> {
        super::metadata((config.as_bytes(), "u"), || panic!("timm has no other"))
    }

    #[test]
    fn what_transformers_says_is_in_two_files() {
        let config = r#"{"model_type": "clip", "vision_config": {"hidden_act": "quick_gelu"}}"#;
        let processor = r#"{"crop_size": 224, "size": 224, "resample": 3, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.25, 0.25, 0.25], "do_center_crop": true}"#;
        let found = super::metadata((config.as_bytes(), "c"), || Ok((processor.into(), "p".into()))).unwrap();
        let expected = [
            ("activation", "quick_gelu"),
            ("crop", "224"),
            ("interpolation", "bicubic"),
            ("mean", "0.5,0.5,0.5"),
            ("resize", "224"),
            ("std", "0.25,0.25,0.25"),
        ];
        assert!(found.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
        let error = super::metadata((config.as_bytes(), "c"), || Ok(("{}".into(), "p".into()))).unwrap_err();
        assert!(matches!(error, FetchError::Config { url, .. } if url == "p"));
    }

    #[test]
    fn the_preprocessing_is_read() {
        let metadata = metadata(CONFIG).unwrap();
        let expected = [
            ("crop", "224"),
            ("interpolation", "bilinear"),
            ("mean", "0.485,0.456,0.406"),
            ("resize", "256"),
            ("std", "0.229,0.224,0.225"),
        ];
        assert!(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let error = metadata(&CONFIG.replace("224, 224", "224, 192")).unwrap_err();
        assert_eq!(error.to_string(), "u asks for an input of 3 x 224 x 192, which is not supported");
    }

    #[test]
    fn what_does_not_say_everything_is_another_configuration() {
        for other in ["<html>".to_owned(), "{}".to_owned(), CONFIG.replace("\"mean\"", "\"median\"")] {
            assert!(matches!(metadata(&other), Err(FetchError::Config { .. })), "{other}");
        }
    }
}

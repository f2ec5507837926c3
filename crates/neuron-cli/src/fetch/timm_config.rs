//! The `config.json` of a timm model as metadata of a weights file.

use std::collections::BTreeMap;

use neuron_data::Preprocessing;
use serde::de::Error;

use super::error::FetchError;
use crate::preprocessing::Problem;
use crate::preprocessing::timm;

/// `crop`, `resize`, `interpolation`, `mean` and `std`.
pub(super) fn metadata(json: &[u8], url: &str) -> Result<BTreeMap<String, String>, FetchError> {
    let wrong = |source| FetchError::Config { url: url.to_owned(), source };
    let configuration = serde_json::from_slice(json).map_err(wrong)?;
    let metadata = timm::metadata(&configuration).map_err(|problem| match problem {
        Problem::Type(source) => wrong(source),
        Problem::Foreign => wrong(serde_json::Error::custom("it is not one of timm")),
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

    #[test]
    fn the_preprocessing_is_read() {
        let metadata = metadata(CONFIG.as_bytes(), "u").unwrap();
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
        let error = metadata(CONFIG.replace("224, 224", "224, 192").as_bytes(), "u").unwrap_err();
        assert_eq!(error.to_string(), "u asks for an input of 3 x 224 x 192, which is not supported");
    }

    #[test]
    fn what_does_not_say_everything_is_another_configuration() {
        for other in ["<html>".to_owned(), "{}".to_owned(), CONFIG.replace("\"mean\"", "\"median\"")] {
            assert!(matches!(metadata(other.as_bytes(), "u"), Err(FetchError::Config { .. })), "{other}");
        }
    }
}

//! The `config.json` of a timm model as metadata of a weights file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::HubError;

#[derive(Deserialize)]
struct Config {
    pretrained_cfg: PretrainedConfig,
}

#[derive(Deserialize)]
struct PretrainedConfig {
    /// Channels, height, width.
    input_size: [usize; 3],
    /// Side of the crop in units of the resized picture's shorter side.
    crop_pct: f64,
    interpolation: String,
    mean: [f64; 3],
    std: [f64; 3],
    #[serde(default = "center")]
    crop_mode: String,
}

fn center() -> String {
    "center".to_owned()
}

/// `crop`, `resize`, `interpolation`, `mean` and `std`.
pub(super) fn metadata(json: &[u8], url: &str) -> Result<BTreeMap<String, String>, HubError> {
    let config: Config =
        serde_json::from_slice(json).map_err(|source| HubError::Config { url: url.to_owned(), source })?;
    let PretrainedConfig { input_size, crop_pct, interpolation, mean, std, crop_mode } =
        config.pretrained_cfg;
    let unsupported = |what| HubError::UnsupportedConfig { url: url.to_owned(), what };
    let [channels, height, width] = input_size;
    if channels != 3 || height != width {
        return Err(unsupported(format!("an input of {channels} x {height} x {width}")));
    }
    if crop_mode != "center" {
        return Err(unsupported(format!("the crop mode {crop_mode:?}")));
    }
    if !(crop_pct > 0.0 && crop_pct <= 1.0) {
        return Err(unsupported(format!("a crop of {crop_pct} of the picture")));
    }
    let resize = (height as f64 / crop_pct).round() as usize;
    let list = |values: [f64; 3]| values.map(|value| value.to_string()).join(",");
    Ok([
        ("crop", height.to_string()),
        ("resize", resize.to_string()),
        ("interpolation", interpolation),
        ("mean", list(mean)),
        ("std", list(std)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into())
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
    fn the_resize_is_rounded() {
        let config = CONFIG.replace("0.875", "0.965").replace("224, 224", "176, 176");
        assert_eq!(metadata(config.as_bytes(), "u").unwrap()["resize"], "182");
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (from, to, said) in [
            ("224, 224", "224, 192", "an input of 3 x 224 x 192"),
            ("\"center\"", "\"squash\"", "the crop mode \"squash\""),
            ("0.875", "0", "a crop of 0 of the picture"),
        ] {
            let error = metadata(CONFIG.replace(from, to).as_bytes(), "u").unwrap_err();
            assert_eq!(error.to_string(), format!("u wants {said}, which is not supported"));
        }
        assert!(matches!(metadata(b"<html>", "u"), Err(HubError::Config { .. })));
    }
}

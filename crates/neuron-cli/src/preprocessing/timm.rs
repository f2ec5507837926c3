//! The preprocessing in the `config.json` of a timm model.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::Problem;

/// What timm crops where a configuration does not say.
const CROP_PCT: f64 = 0.875;

/// The keys by which a configuration is known to be timm's.
const KEYS: [&str; 5] = ["input_size", "crop_pct", "interpolation", "mean", "std"];

#[derive(Deserialize)]
struct Configuration {
    /// Channels, height, width.
    input_size: Option<[usize; 3]>,
    /// Side of the crop in units of the resized picture's shorter side.
    crop_pct: Option<f64>,
    interpolation: Option<String>,
    mean: Option<[f64; 3]>,
    std: Option<[f64; 3]>,
    crop_mode: Option<String>,
}

/// What timm calls its section of preprocessing.
const SECTIONS: [&str; 2] = ["pretrained_cfg", "default_cfg"];

fn section(configuration: &Value) -> Option<&Value> {
    let sections = SECTIONS.iter().filter_map(|name| configuration.get(name));
    sections.into_iter().find(|section: &&Value| section.is_object())
}

/// Whether a configuration is timm's: it has a section of timm's, or at its top what timm keeps there, all of it of
/// timm's types. `{"input_size": 224}` is somebody's own.
pub(crate) fn is_timms(configuration: &Value) -> bool {
    let has_one = ["input_size", "mean", "std"].iter().any(|key| configuration.get(key).is_some());
    let has_section = SECTIONS.iter().any(|name| configuration.get(name).is_some());
    has_section || has_one && Configuration::deserialize(configuration).is_ok()
}

/// `crop`, `resize`, `interpolation`, `mean` and `std`, as far as they are said; `None` if none of them is.
///
/// timm keeps them under `pretrained_cfg`, older versions of it at the top.
pub(crate) fn metadata(configuration: &Value) -> Result<Option<BTreeMap<String, String>>, Problem> {
    let section = section(configuration).unwrap_or(configuration);
    if !KEYS.iter().any(|key| section.get(key).is_some()) {
        return Ok(None);
    }
    let Configuration { input_size, crop_pct, interpolation, mean, std, crop_mode } =
        Configuration::deserialize(section)?;
    let unsupported = |what| Err(Problem::Unsupported(what));
    if let Some(mode) = crop_mode.filter(|mode| mode != "center") {
        return unsupported(format!("the crop mode {mode:?}"));
    }
    let list = |values: [f64; 3]| values.map(|value| value.to_string()).join(",");
    let mut pairs = vec![("interpolation", interpolation), ("mean", mean.map(list)), ("std", std.map(list))];
    if let Some([channels, height, width]) = input_size {
        if channels != 3 || height != width {
            return unsupported(format!("an input of {channels} x {height} x {width}"));
        }
        let crop_pct = crop_pct.unwrap_or(CROP_PCT);
        if !(crop_pct > 0.0 && crop_pct <= 1.0) {
            return unsupported(format!("a crop of {crop_pct} of the image"));
        }
        // Rounded down, as timm does: 224 pixels at 0.95 are cut from 235.
        let resize = (height as f64 / crop_pct).floor() as usize;
        pairs.extend([("crop", Some(height.to_string())), ("resize", Some(resize.to_string()))]);
    }
    Ok(Some(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_is_read_wherever_it_stands() {
        let values = json!({"mean": [0.5, 0.25, 0.125], "input_size": [3, 176, 176], "crop_pct": 0.965});
        let expected = [("crop", "176"), ("mean", "0.5,0.25,0.125"), ("resize", "182")];
        for configuration in [
            json!({"architecture": "resnet50", "pretrained_cfg": values}),
            json!({"default_cfg": values}),
            values.clone(),
        ] {
            let metadata = metadata(&configuration).unwrap().unwrap();
            assert!(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
        }
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        assert!(metadata(&json!({"pretrained_cfg": {"tag": "a1"}, "num_classes": 3})).unwrap().is_none());
        let size_alone = metadata(&json!({"input_size": [3, 224, 224]})).unwrap().unwrap();
        assert_eq!(size_alone["resize"], "256", "by timm's own default");
        assert!(!size_alone.contains_key("mean"));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (key, value, said) in [
            ("input_size", json!([3, 224, 192]), "an input of 3 x 224 x 192"),
            ("crop_mode", json!("border"), "the crop mode \"border\""),
            ("crop_pct", json!(0.0), "a crop of 0 of the image"),
        ] {
            let mut configuration = json!({"input_size": [3, 224, 224]});
            configuration[key] = value;
            let Err(Problem::Unsupported(what)) = metadata(&configuration) else { panic!("{said}") };
            assert_eq!(what, said);
        }
        assert!(matches!(metadata(&json!({"mean": [1, 2]})), Err(Problem::Type(_))));
    }
}

//! The preprocessing in the `preprocessor_config.json` of an image processor of transformers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::Problem;

/// The keys by which a configuration is known to be an image processor's.
const KEYS: [&str; 5] = ["image_mean", "image_std", "size", "crop_size", "resample"];

/// From this side on, processors with `crop_pct` squash pictures to a square instead of cutting one out.
const SQUASHED_FROM: usize = 384;

#[derive(Deserialize)]
struct Processor {
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    size: Option<Value>,
    crop_size: Option<Value>,
    crop_pct: Option<f64>,
    /// A filter of Pillow's.
    resample: Option<u32>,
    rescale_factor: Option<f64>,
    do_resize: Option<bool>,
    do_center_crop: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
}

/// Keys of the configuration of a model of transformers, which says nothing of pictures.
const MODEL_KEYS: [&str; 3] = ["model_type", "architectures", "transformers_version"];

/// Whether a `config.json` is that of a model of transformers.
pub(crate) fn is_model(configuration: &Value) -> bool {
    MODEL_KEYS.iter().any(|key| configuration.get(key).is_some())
}

/// `crop`, `resize`, `interpolation`, `mean` and `std`, as far as they are said; `None` for another's configuration.
pub(crate) fn metadata(configuration: &Value) -> Result<Option<BTreeMap<String, String>>, Problem> {
    if !KEYS.iter().any(|key| configuration.get(key).is_some()) {
        return Ok(None);
    }
    let processor = Processor::deserialize(configuration)?;
    let factor = processor.rescale_factor.unwrap_or(1.0 / 255.0);
    if processor.do_rescale == Some(false) || (factor * 255.0 - 1.0).abs() > 1e-6 {
        return Err(Problem::Unsupported("pixel values in a range other than 0 to 1".to_owned()));
    }
    let (mean, std) = if processor.do_normalize == Some(false) {
        (Some([0.0; 3]), Some([1.0; 3]))
    } else {
        (processor.image_mean, processor.image_std)
    };
    let list = |values: [f64; 3]| values.map(|value| value.to_string()).join(",");
    let (resize, crop) = sides(&processor)?;
    let pairs = [
        ("mean", mean.map(list)),
        ("std", std.map(list)),
        ("interpolation", interpolation(processor.resample)?),
        ("resize", resize.map(|side| side.to_string())),
        ("crop", crop.map(|side| side.to_string())),
    ];
    Ok(Some(pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()))
}

/// The shorter side after the resize, and the side of the square cut out of it.
fn sides(processor: &Processor) -> Result<(Option<usize>, Option<usize>), Problem> {
    let Some(size) = &processor.size else { return Ok((None, None)) };
    if processor.do_resize == Some(false) {
        return Err(Problem::Unsupported("images that are not resized".to_owned()));
    }
    let resize = side(size)?;
    if let Some(crop_pct) = processor.crop_pct {
        if resize >= SQUASHED_FROM || !(crop_pct > 0.0 && crop_pct <= 1.0) {
            return Err(Problem::Unsupported(format!("a crop of {crop_pct} at {resize} pixels")));
        }
        return Ok((Some((resize as f64 / crop_pct) as usize), Some(resize)));
    }
    match processor.crop_size.as_ref().filter(|_| processor.do_center_crop != Some(false)) {
        Some(crop) => Ok((Some(resize), Some(side(crop)?))),
        None => Ok((Some(resize), Some(resize))),
    }
}

/// A side of a square, or the shorter one of a picture: `224`, `{"shortest_edge": 224}`, or height and width.
fn side(size: &Value) -> Result<usize, Problem> {
    let of = |value: &Value| value.as_u64().and_then(|side| usize::try_from(side).ok());
    let named = |name: &str| size.get(name).and_then(of);
    let keys = size.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).count();
    match (of(size), named("shortest_edge"), named("height"), named("width")) {
        (Some(side), ..) => Ok(side),
        (_, Some(side), ..) if keys == 1 => Ok(side),
        (.., Some(height), Some(width)) if height == width => Ok(height),
        (.., Some(height), Some(width)) => {
            Err(Problem::Unsupported(format!("an input of {height} x {width}")))
        }
        _ => Err(Problem::Unsupported(format!("the size {size}"))),
    }
}

fn interpolation(resample: Option<u32>) -> Result<Option<String>, Problem> {
    match resample {
        None => Ok(None),
        Some(2) => Ok(Some("bilinear".to_owned())),
        Some(3) => Ok(Some("bicubic".to_owned())),
        Some(other) => Err(Problem::Unsupported(format!("Pillow's filter {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sides_of(processor: &Value) -> (String, String) {
        let metadata = metadata(processor).unwrap().unwrap();
        (metadata["resize"].clone(), metadata["crop"].clone())
    }

    #[test]
    fn sizes_are_read_in_every_form() {
        for (processor, resize, crop) in [
            (json!({"size": 224}), "224", "224"),
            (json!({"size": {"shortest_edge": 256}, "crop_size": 224}), "256", "224"),
            (json!({"size": {"height": 224, "width": 224}}), "224", "224"),
            (json!({"size": 256, "crop_size": {"height": 224, "width": 224}}), "256", "224"),
            (json!({"size": 256, "crop_size": 224, "do_center_crop": false}), "256", "256"),
            (json!({"size": {"shortest_edge": 224}, "crop_pct": 0.875}), "256", "224"),
        ] {
            assert_eq!(sides_of(&processor), (resize.to_owned(), crop.to_owned()), "{processor}");
        }
    }

    #[test]
    fn without_normalisation_levels_stay_as_they_are() {
        let metadata = metadata(&json!({"image_mean": [1, 1, 1], "do_normalize": false})).unwrap().unwrap();
        assert_eq!((metadata["mean"].as_str(), metadata["std"].as_str()), ("0,0,0", "1,1,1"));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for processor in [
            json!({"size": {"height": 224, "width": 192}}),
            json!({"size": 224, "do_resize": false}),
            json!({"size": 384, "crop_pct": 1.0}),
            json!({"size": 224, "do_rescale": false}),
            json!({"size": 224, "rescale_factor": 1}),
            json!({"resample": 0}),
            json!({"size": "big"}),
            json!({"size": {"longest_edge": 640}}),
            json!({"size": {"shortest_edge": 224, "longest_edge": 300}}),
            json!({"size": 224, "crop_size": [224, 224]}),
        ] {
            assert!(matches!(metadata(&processor), Err(Problem::Unsupported(_))), "{processor}");
        }
        assert!(metadata(&json!({"feature_extractor_type": "X"})).unwrap().is_none());
        assert!(matches!(metadata(&json!({"image_mean": "grey"})), Err(Problem::Type(_))));
        let Err(Problem::Unsupported(what)) = metadata(&json!({"size": {"longest_edge": 640}})) else {
            panic!()
        };
        assert_eq!(what, r#"the size {"longest_edge":640}"#);
    }
}

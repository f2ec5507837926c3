//! Errors of the libraries in the words of the command line: libraries name fields, the way out is a flag.

use std::error::Error;

use neuron_atlas::AtlasError;
use neuron_demo::DemoError;
use neuron_fvis::FvisError;
use neuron_model::{DeviceError, ModelError};

/// The flags that set what `fvis` calls by the names of its fields.
const FVIS: [(&str, &str); 14] = [
    ("aim", "--objective"),
    ("activation_weight", "--activation"),
    ("activation_goal", "--activation-goal"),
    ("specificity", "--specificity"),
    ("scale", "--scale"),
    ("rotation_deg", "--rotation"),
    ("jitter_px", "--jitter"),
    ("learning_rate", "--lr"),
    ("feature_weight", "--feat-dist"),
    ("tv_l1", "--tv-l1"),
    ("tv_l2", "--tv-l2"),
    ("l2", "--l2"),
    ("copies", "--copies"),
    ("steps", "--steps"),
];

/// What an error says, with the flags that it is about.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let known = error.downcast_ref().map(of_fvis);
    let known = known.or_else(|| error.downcast_ref().map(of_model));
    let known = known.or_else(|| error.downcast_ref().map(of_device));
    let known = known.or_else(|| error.downcast_ref().map(of_atlas));
    let known = known.or_else(|| error.downcast_ref().map(of_demo));
    known.unwrap_or_else(|| error.to_string())
}

/// Whether an error is about the value of a flag.
pub(crate) fn is_wrong_flag(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(FvisError::Setting { .. }))
}

fn of_fvis(error: &FvisError) -> String {
    match error {
        FvisError::Setting { setting, value, expected } => {
            let flag = FVIS.iter().find(|(name, _)| name == setting).map_or(*setting, |(_, flag)| flag);
            format!("{flag} is {value}; expected {expected}")
        }
        FvisError::StartNotFinite { .. } => format!("--start cannot be used: {error}"),
        FvisError::Model(error) => of_model(error),
        error => error.to_string(),
    }
}

fn of_model(error: &ModelError) -> String {
    match error {
        ModelError::Device { source } => of_device(source),
        ModelError::UnknownArchitecture { .. } => {
            format!(
                "{error}; `neuron layers --help` lists all, and a file with a network of your own is taken, too"
            )
        }
        ModelError::UnknownTap { .. } => format!("{error}; `neuron layers` lists all"),
        ModelError::Shape { .. } => format!("{error} (--resize and --crop set another size)"),
        error => error.to_string(),
    }
}

fn of_device(error: &DeviceError) -> String {
    match error {
        DeviceError::NotBuilt | DeviceError::NoLibrary { .. } | DeviceError::NoGpu { .. } => {
            format!("{error} (`--device cpu`)")
        }
        error => error.to_string(),
    }
}

fn of_atlas(error: &AtlasError) -> String {
    let way_out = match error {
        AtlasError::NoResults { .. } => {
            "run `neuron select-images`, `baseline` or `fvis` first, or name another folder"
        }
        AtlasError::Present { .. } => "pass --overwrite to replace it, or another --out",
        AtlasError::NotAnAtlas { .. } => "choose another --out",
        AtlasError::Skipped { .. } => {
            "pass --data DIR if images have moved, or leave out --strict to skip it"
        }
        error => return error.to_string(),
    };
    format!("{error}; {way_out}")
}

fn of_demo(error: &DemoError) -> String {
    match error {
        DemoError::Occupied { .. } => format!("{error} (--out, --overwrite)"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use neuron_fvis::{Preset, Schedule};

    use super::*;

    #[test]
    fn settings_are_told_by_their_flags() {
        let of_schedule = |steps, jitter| told(&Schedule::preset(Preset::Single, steps, jitter).unwrap_err());
        assert_eq!(of_schedule(1, 70_000), "--jitter is 70000; expected at most 65535");
        assert_eq!(of_schedule(0, 1), "--steps is 0; expected at least 1");
        let start = told(&FvisError::StartNotFinite { place: 3, value: f32::NAN });
        assert!(start.starts_with("--start"), "{start}");
    }

    #[test]
    fn the_way_out_is_a_flag() {
        assert!(told(&DeviceError::NotBuilt).ends_with("compute on the CPU (`--device cpu`)"));
        assert!(told(&AtlasError::Present { path: "site".into() }).contains("--overwrite"));
        assert!(told(&DemoError::Occupied { path: "a".into() }).contains("--overwrite"));
    }
}

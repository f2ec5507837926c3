//! How images become the input of a network: as the weights say, else as a configuration beside them says, else as for
//! ImageNet, which is reported.

mod beside;
mod error;
mod flags;
pub(crate) mod open_clip;
pub(crate) mod timm;
pub(crate) mod transformers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_data::Preprocessing;
use neuron_model::weights::LUMINANCE;
use neuron_model::{Graph, Weights};

use self::beside::Beside;
pub(crate) use self::beside::steps;
pub(crate) use self::error::Problem;
pub(crate) use self::flags::PreprocessingFlags;

/// A preprocessing and where it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) preprocessing: Preprocessing,
    /// What a configuration beside the weights says and their own metadata do not, as metadata.
    pub(crate) configured: BTreeMap<String, String>,
    /// That configuration.
    pub(crate) configuration: Option<PathBuf>,
    /// Names of configurations under which files of somebody's own lie beside the weights.
    pub(crate) others: BTreeSet<&'static str>,
    /// The keys that nothing says: they have their defaults.
    pub(crate) assumed: Vec<&'static str>,
    /// The keys that the network itself decides, because it takes images of one size only.
    pub(crate) by_network: Vec<&'static str>,
    /// Whether resize and crop are those of the image with which the network was exported.
    pub(crate) by_export: bool,
}

impl Known {
    /// The preprocessing that belongs to some weights.
    ///
    /// # Errors
    /// If what is said of it cannot be understood, or is not supported.
    pub(crate) fn of(weights: &Weights) -> anyhow::Result<Self> {
        let own = weights.metadata();
        let mut known = Self::default();
        let mut metadata = own.clone();
        if let Some(path) = weights.path().filter(|_| !Preprocessing::missing_from(own).is_empty()) {
            let Beside { configuration, others } = beside::read(path)?;
            known.others = others;
            if let Some((configuration, mut configured)) = configuration {
                leave_to_metadata(&mut configured, own);
                if !configured.is_empty() {
                    metadata.extend(configured.clone());
                    (known.configured, known.configuration) = (configured, Some(configuration));
                }
            }
        }
        known.assumed = Preprocessing::missing_from(&metadata);
        if weights.reads_luminance() {
            metadata.extend(of_grey(&known.assumed));
        }
        let read = Preprocessing::from_metadata(&metadata);
        known.preprocessing = match &known.configuration {
            None => read?,
            Some(configuration) => read.with_context(|| format!("with {}", configuration.display()))?,
        };
        Ok(known)
    }

    /// The same for a network that takes images of one size only: where nobody says another, it is the crop's.
    ///
    /// # Errors
    /// If the weights say another.
    pub(crate) fn fitted_to(mut self, graph: &Graph) -> anyhow::Result<Self> {
        let crop = self.preprocessing.crop;
        let only = graph.image_size().filter(|only| *only != [crop, crop]);
        let Some([height, width]) = only else { return Ok(self.sized_by_export(graph)) };
        let only = format!("the network takes images of {height} x {width} pixels only");
        if height != width {
            bail!("{only}, and crops are square");
        }
        if !self.assumed.contains(&"crop") {
            bail!(
                "{only}, and the preprocessing crops {crop} x {crop}: pass --crop {height}, or write crop={height} into \
                 the weights' metadata (`neuron weights convert` with --metadata)"
            );
        }
        self.preprocessing.crop = height;
        // Weights for other sizes than ImageNet's were tuned on the whole shorter side.
        let resize = self.preprocessing.resize;
        let resizes = self.assumed.contains(&"resize");
        self.preprocessing.resize = if resizes { height } else { resize.max(height) };
        let sides = ["resize", "crop"];
        (self.by_network, self.assumed) = self.assumed.into_iter().partition(|key| sides.contains(key));
        Ok(self)
    }

    /// The same for a network that was exported with images of a size: where nobody says another, it is the crop's.
    fn sized_by_export(mut self, graph: &Graph) -> Self {
        let usual = Preprocessing::default();
        let Some([height, width]) = graph.told_size() else { return self };
        if height != width || !["resize", "crop"].iter().all(|side| self.assumed.contains(side)) {
            return self;
        }
        // As much around it as the usual crop has; networks of small images (CIFAR's, MNIST's) see all of them.
        let is_small = height < usual.crop / 2;
        let resize = if is_small { height } else { (height * usual.resize).div_ceil(usual.crop) };
        (self.preprocessing.resize, self.preprocessing.crop) = (resize, height);
        self.assumed.retain(|key| !["resize", "crop"].contains(key));
        self.by_export = true;
        self
    }

    /// Where what the weights' own metadata do not say comes from; `None` if they say everything.
    pub(crate) fn sources(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(configuration) = &self.configuration {
            let keys: Vec<&str> = self.configured.keys().map(String::as_str).collect();
            parts.push(format!("{} from {}", keys.join(", "), configuration.display()));
        }
        if !self.by_network.is_empty() {
            let keys = self.by_network.join(", ");
            parts.push(format!("{keys} by the network, which takes images of one size only"));
        }
        if self.by_export {
            parts.push("resize, crop by the image with which it was exported".to_owned());
        }
        if !self.assumed.is_empty() {
            parts.push(format!(
                "{} not known, so ImageNet's are assumed (to set them: --resize, --crop, --interpolation, --mean, --std)",
                self.assumed.join(", ")
            ));
            let others = self.others.iter();
            parts.extend(
                others.map(|name| format!("{name} beside it is not one of timm, OpenCLIP or transformers")),
            );
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// One line on what the weights' own metadata do not say; `None` if they say everything.
    pub(crate) fn told(&self, weights: &Path) -> Option<String> {
        let sources = self.sources()?;
        let Preprocessing { resize, crop, interpolation, mean, std } = &self.preprocessing;
        let list = |values: &[f32; 3]| values.map(|value| value.to_string()).join(",");
        let (interpolation, mean, std) = (interpolation.name(), list(mean), list(std));
        Some(format!(
            "preprocessing of {}: {sources}: resize {resize}, crop {crop}, {interpolation}, mean {mean}, std {std}",
            weights.display()
        ))
    }
}

/// ImageNet's mean and deviation as those of the luminance, of what is assumed: a network of grey images has no other.
fn of_grey(assumed: &[&'static str]) -> impl Iterator<Item = (String, String)> {
    let usual = Preprocessing::default();
    let luminance =
        |colours: [f32; 3]| colours.iter().zip(LUMINANCE).map(|(colour, share)| colour * share).sum::<f32>();
    let values = [("mean", luminance(usual.mean)), ("std", luminance(usual.std))];
    let assumed = values.into_iter().filter(|(key, _)| assumed.contains(key));
    assumed.map(|(key, value)| (key.to_owned(), value.to_string()))
}

/// Takes out of a configuration what the weights' own metadata say better. Resize and crop belong together: the
/// parts of two pairs would be a third that nobody meant.
fn leave_to_metadata(configured: &mut BTreeMap<String, String>, own: &BTreeMap<String, String>) {
    let sides = ["resize", "crop"];
    let has_side = sides.iter().any(|side| own.contains_key(*side));
    configured.retain(|key, _| !(own.contains_key(key) || has_side && sides.contains(&key.as_str())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Weights in a folder with a configuration, opened from their file.
    fn weights(own: &[(&str, &str)], file: &str, configuration: &str) -> anyhow::Result<Known> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("w.safetensors");
        Weights::from_tensors([], metadata(own)).save(&path)?;
        std::fs::write(folder.path().join(file), configuration)?;
        Known::of(&Weights::open(&path)?)
    }

    const TIMM: &str =
        r#"{"pretrained_cfg": {"input_size": [3, 96, 96], "crop_pct": 0.75, "mean": [0.5, 0.5, 0.5]}}"#;

    #[test]
    fn what_the_metadata_say_wins_and_what_nothing_says_is_listed() {
        let known = weights(&[("mean", "0,0,0")], "config.json", TIMM).unwrap();
        assert_eq!(known.configured, metadata(&[("crop", "96"), ("resize", "128")]));
        assert_eq!(known.preprocessing.mean, [0.0; 3]);
        assert_eq!((known.preprocessing.resize, known.preprocessing.crop), (128, 96));
        assert_eq!(known.assumed, ["interpolation", "std"]);
    }

    #[test]
    fn the_configuration_of_openclip_is_found_under_its_name() {
        let open_clip =
            r#"{"model_cfg": {"vision_cfg": {"image_size": 336}}, "preprocess_cfg": {"std": [1, 1, 1]}}"#;
        let known = weights(&[], "open_clip_config.json", open_clip).unwrap();
        assert_eq!((known.preprocessing.resize, known.preprocessing.crop), (336, 336));
        assert_eq!((known.preprocessing.std, known.assumed.len()), ([1.0; 3], 0));
        let squashed = open_clip.replace(r#""std": [1, 1, 1]"#, r#""resize_mode": "squash""#);
        let error = format!("{:#}", weights(&[], "open_clip_config.json", &squashed).unwrap_err());
        assert!(error.contains("open_clip_config.json") && error.contains("squash"), "{error}");
    }

    #[test]
    fn one_side_in_the_metadata_is_not_mixed_with_the_other_of_a_configuration() {
        let known = weights(&[("crop", "224")], "config.json", TIMM).unwrap();
        assert_eq!((known.preprocessing.resize, known.preprocessing.crop), (256, 224));
        assert!(known.assumed.contains(&"resize"));
    }

    #[test]
    fn whole_metadata_need_no_configuration_and_say_nothing() {
        let all = [
            ("resize", "256"),
            ("crop", "224"),
            ("interpolation", "bilinear"),
            ("mean", "0,0,0"),
            ("std", "1,1,1"),
        ];
        let known = weights(&all, "config.json", "{ not JSON").unwrap();
        assert_eq!(known.told(Path::new("w")), None);
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_an_error_that_says_how_to_go_on() {
        for broken in [
            r#"{"pretrained_cfg": {"mean": [0.5,"#,
            r#"{"pretrained_cfg": {"mean": "grey"}}"#,
            r#"{"pretrained_cfg": {"crop_mode": "squash", "mean": [0, 0, 0]}}"#,
            r#"{"pretrained_cfg": {"interpolation": "random"}}"#,
            r#"{"pretrained_cfg": {"mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]}}"#,
        ] {
            let error = format!("{:#}", weights(&[], "config.json", broken).unwrap_err());
            assert!(error.contains("config.json") && error.contains("--metadata"), "{broken}: {error}");
            assert!(!error.contains("weights metadata"), "what is wrong is not in the weights: {error}");
        }
    }

    #[test]
    fn somebodys_own_configuration_is_passed_over_and_said() {
        for own in [
            "",
            "{ not JSON",
            r#"{"lr": 0.1, "input_size": 224}"#,
            r#"{"lr": NaN}"#,
            "{\"lr\": 0.1} // for now",
            r#"{"mean": "grey"}"#,
            r#"{"interpolation": "random", "epochs": 90}"#,
            r#"{"architecture": "mine", "std": 0.5}"#,
            r#"{"hidden_size": 768}"#,
            "[1, 2]",
        ] {
            let known = weights(&[], "config.json", own).unwrap();
            assert_eq!(known.assumed.len(), 5, "{own}");
            let told = known.told(Path::new("w")).unwrap();
            assert!(told.contains("ImageNet's are assumed"), "{own}: {told}");
            assert!(
                told.contains("config.json beside it is not one of timm, OpenCLIP or transformers"),
                "{own}: {told}"
            );
        }
    }

    #[test]
    fn a_configuration_of_theirs_that_says_nothing_of_pictures_is_not_called_anothers() {
        let theirs =
            [r#"{"pretrained_cfg": {"tag": "a1"}}"#, r#"{"model_type": "resnet", "architectures": ["X"]}"#];
        for theirs in theirs {
            let known = weights(&[], "config.json", theirs).unwrap();
            assert_eq!((known.assumed.len(), known.others.len()), (5, 0), "{theirs}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_configuration() {
        let known = weights(&[], "config.json", &format!("\u{feff}{TIMM}")).unwrap();
        assert_eq!(known.preprocessing.crop, 96);
    }

    #[test]
    fn the_configuration_of_an_image_processor_is_read() {
        let processor = r#"{"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "size": {"shortest_edge": 256},
            "crop_size": {"height": 224, "width": 224}, "resample": 3}"#;
        let known = weights(&[], "preprocessor_config.json", processor).unwrap();
        assert!(known.assumed.is_empty(), "{:?}", known.assumed);
        assert_eq!(known.preprocessing.interpolation.name(), "bicubic");
    }
}

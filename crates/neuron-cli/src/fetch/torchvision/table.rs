//! The weights of torchvision 0.29 as a table, `weights.tsv`: facts of its `torchvision.models`, a row for each set.
//!
//! Columns: network; name of the set; `default` for the set that torchvision takes if nobody names one; address, whose
//! file name ends in the first digits of the file's SHA-256; the preprocessing that the set was evaluated with; and what
//! nothing here reads yet: parameters, published top-1 accuracy, smallest image (height x width).

use std::collections::BTreeMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("weights.tsv");

static TABLE: LazyLock<Vec<Set>> =
    LazyLock::new(|| TEXT.lines().skip(1).map(|line| Set::of(line).expect("the table is whole")).collect());

/// One set of weights of a network.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Set {
    pub(in crate::fetch) arch: &'static str,
    /// torchvision's name of the set, such as `IMAGENET1K_V2`.
    pub(in crate::fetch) name: &'static str,
    /// Whether torchvision takes it if nobody names one.
    pub(in crate::fetch) is_default: bool,
    /// Of the file, at torchvision's own server.
    pub(in crate::fetch) url: &'static str,
    /// Metadata that say how images are prepared, and their values.
    preprocessing: [(&'static str, &'static str); 5],
}

/// The sets of a network, in torchvision's order; none if it does not have the network.
pub(in crate::fetch) fn sets(arch: &str) -> impl Iterator<Item = &'static Set> {
    TABLE.iter().filter(move |set| set.arch == arch)
}

/// Whether torchvision has the network.
pub(in crate::fetch) fn has(arch: &str) -> bool {
    sets(arch).next().is_some()
}

impl Set {
    /// `None` if the line has other columns.
    fn of(line: &'static str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[arch, name, default, url, resize, crop, interpolation, mean, std, ..] = fields.as_slice()
        else {
            return None;
        };
        let preprocessing = [
            ("resize", resize),
            ("crop", crop),
            ("interpolation", interpolation),
            ("mean", mean),
            ("std", std),
        ];
        Some(Self { arch, name, is_default: default == "default", url, preprocessing })
    }

    /// The address without its server; begins with a slash.
    pub(super) fn path(&self) -> &'static str {
        self.url.strip_prefix(super::ENDPOINT).unwrap_or(self.url)
    }

    /// The first digits of the file's SHA-256, in lower-case hex: eight or more.
    pub(super) fn hash(&self) -> &'static str {
        let (_, end) = self.url.rsplit_once('-').unwrap_or(("", self.url));
        end.split('.').next().unwrap_or(end)
    }

    /// The name of the set and its preprocessing, as a weights file's metadata.
    pub(in super::super) fn metadata(&self) -> BTreeMap<String, String> {
        let name = [("weights", self.name)];
        name.into_iter()
            .chain(self.preprocessing)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use neuron_data::{Interpolation, Preprocessing};
    use neuron_model::Architecture;

    use super::*;

    fn preprocessing(set: &Set) -> Preprocessing {
        Preprocessing::from_metadata(&set.metadata()).unwrap_or_else(|error| panic!("{set:?}: {error}"))
    }

    fn set(arch: &str, name: &str) -> &'static Set {
        sets(arch).find(|set| set.name == name).unwrap()
    }

    #[test]
    fn every_network_has_one_default_and_no_name_twice() {
        let archs: BTreeSet<_> = TABLE.iter().map(|set| set.arch).collect();
        assert_eq!((archs.len(), TABLE.len()), (80, TEXT.lines().count() - 1));
        for arch in archs {
            assert_eq!(sets(arch).filter(|set| set.is_default).count(), 1, "{arch}");
            let names: BTreeSet<_> = sets(arch).map(|set| set.name.to_lowercase()).collect();
            assert_eq!(names.len(), sets(arch).count(), "{arch}");
        }
    }

    #[test]
    fn every_known_network_but_those_of_the_demo_is_torchvisions_or_another_authors() {
        let is_anothers = |known: &Architecture| {
            known.hub_repository().is_some_and(|repository| !repository.ends_with(".tv_in1k"))
        };
        let others = Architecture::all().filter(|known| !has(known.name()) && !is_anothers(known));
        let others: Vec<_> = others.map(|known| known.name()).collect();
        assert_eq!(others, ["resnet10_demo", "densenet_demo", "vit_demo"]);
    }

    #[test]
    fn every_address_is_of_a_file_that_is_known_by_its_hash() {
        for set in &*TABLE {
            let hash = set.hash();
            let is_hex = hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hash.len() >= 8 && is_hex, "{hash} of {}", set.url);
            assert!(
                set.url.ends_with(&format!("-{hash}.pth")) && set.path().starts_with("/models/"),
                "{}",
                set.url
            );
        }
        let addresses: BTreeSet<_> = TABLE.iter().map(|set| set.url).collect();
        assert_eq!(addresses.len(), TABLE.len());
        assert_eq!(
            set("mnasnet0_5", "IMAGENET1K_V1").hash(),
            "3ffadce67e",
            "longer than eight, behind more dots"
        );
    }

    #[test]
    fn every_preprocessing_is_one_that_images_can_be_prepared_with() {
        for set in &*TABLE {
            let whole = preprocessing(set);
            assert!(Preprocessing::missing_from(&set.metadata()).is_empty() && whole.crop >= 224);
        }
        let sides = |arch, name| {
            let found = preprocessing(set(arch, name));
            (found.resize, found.crop, found.interpolation)
        };
        assert_eq!(sides("resnet50", "IMAGENET1K_V1"), (256, 224, Interpolation::Bilinear));
        assert_eq!(sides("resnet50", "IMAGENET1K_V2"), (232, 224, Interpolation::Bilinear));
        assert_eq!(sides("vit_h_14", "IMAGENET1K_SWAG_E2E_V1"), (518, 518, Interpolation::Bicubic));
        assert_eq!(sides("efficientnet_b1", "IMAGENET1K_V2"), (255, 240, Interpolation::Bilinear));
        let of_bytes = preprocessing(set("vgg16", "IMAGENET1K_FEATURES"));
        assert_eq!(of_bytes.std, [1.0 / 255.0; 3], "values of 0..255 less their mean");
        assert_eq!(preprocessing(set("efficientnet_v2_l", "IMAGENET1K_V1")).mean, [0.5; 3]);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        assert_eq!(Set::of("resnet50\tIMAGENET1K_V1\t\thttps://x/y.pth"), None);
    }
}

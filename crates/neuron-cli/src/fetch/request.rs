//! What can be asked for: `ARCH`, `ARCH:SET` or `ARCH:hf`.

use std::collections::BTreeMap;
use std::fmt;

use neuron_model::Architecture;

use super::torchvision::{self, Set};
use crate::outcome::WrongUsage;

/// The set of any network that the Hugging Face Hub has.
const HUB: &str = "hf";
/// Torchvision's own word for its default set.
const DEFAULT: &str = "default";

/// Weights of a network, and who has them.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) architecture: Architecture,
    pub(super) source: Source,
}

/// Who has them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// One of torchvision's own files.
    Torchvision(&'static Set),
    /// The Hugging Face Hub.
    Hub,
}

/// Whether this names weights of a network, even if nobody has such weights: it begins with a network's name and a
/// colon.
pub(super) fn is_name(text: &str) -> bool {
    let arch = text.split_once(':').map(|(arch, _)| arch);
    arch.is_some_and(|arch| torchvision::has(arch) || Architecture::from_name(arch).is_ok())
}

impl Request {
    /// What a name asks for: the network, and behind a colon the set, in letters of any case.
    ///
    /// # Errors
    /// [`WrongUsage`] or `UnknownArchitecture`: with the names that exist.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (arch, name) = text.split_once(':').unwrap_or((text, DEFAULT));
        let architecture = Architecture::from_name(arch);
        if architecture.is_err() && torchvision::has(arch) {
            let known: Vec<_> = Architecture::names().collect();
            let message = format!(
                "torchvision has weights of {arch}, but this version of neuron does not know the network; it knows {}",
                known.join(", ")
            );
            return Err(WrongUsage(message).into());
        }
        let architecture = architecture?;
        if name.eq_ignore_ascii_case(HUB) {
            if architecture.hub_repository().is_none() {
                let message = format!(
                    "no repository of the Hugging Face Hub is known for {arch}; `neuron weights fetch {arch}` fetches \
                     torchvision's weights"
                );
                return Err(WrongUsage(message).into());
            }
            return Ok(Self { architecture, source: Source::Hub });
        }
        let is_meant = |set: &&Set| {
            let is_default = set.is_default && name.eq_ignore_ascii_case(DEFAULT);
            is_default || set.name.eq_ignore_ascii_case(name)
        };
        let set = torchvision::sets(arch).find(is_meant).ok_or_else(|| unknown(arch, name))?;
        Ok(Self { architecture, source: Source::Torchvision(set) })
    }

    /// Everything that can be asked for of a network, but for the default.
    pub(super) fn all(arch: &str) -> impl Iterator<Item = Self> {
        let sources = torchvision::sets(arch).filter(|set| !set.is_default).map(Source::Torchvision);
        let architecture = Architecture::from_name(arch).ok();
        let request = move |source| architecture.map(|architecture| Self { architecture, source });
        let has_hub = architecture.is_some_and(|architecture| architecture.hub_repository().is_some());
        sources.chain(has_hub.then_some(Source::Hub)).filter_map(request)
    }

    /// The name of the file that holds them, without its ending: that of the network alone for the default.
    pub(super) fn stem(&self) -> String {
        let arch = self.architecture.name();
        match self.source {
            Source::Torchvision(set) if set.is_default => arch.to_owned(),
            Source::Torchvision(set) => format!("{arch}-{}", set.name),
            Source::Hub => format!("{arch}-{HUB}"),
        }
    }

    /// Whether metadata are those of the weights that were asked for.
    pub(super) fn is_told_by(&self, metadata: &BTreeMap<String, String>) -> bool {
        let of = |key: &str| metadata.get(key).map(String::as_str);
        let set = match self.source {
            Source::Torchvision(set) => Some(set.name),
            Source::Hub => None,
        };
        of("arch") == Some(self.architecture.name()) && of("weights") == set
    }
}

/// As it is asked for.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = match self.source {
            Source::Torchvision(set) => set.name,
            Source::Hub => HUB,
        };
        write!(f, "{}:{set}", self.architecture.name())
    }
}

/// Nobody has such weights: these are those that exist.
fn unknown(arch: &str, name: &str) -> WrongUsage {
    let repository = Architecture::from_name(arch).ok().and_then(|known| known.hub_repository());
    let has_hub = repository.is_some();
    if !torchvision::has(arch) {
        return WrongUsage(format!(
            "torchvision has no weights of {arch}; {arch}:{HUB} asks the Hugging Face Hub, and commands take any file with \
             --weights"
        ));
    }
    let known = torchvision::sets(arch).map(|set| {
        let note = if set.is_default { " (the default)" } else { "" };
        format!("{}{note}", set.name)
    });
    let known: Vec<_> = known.collect();
    WrongUsage(format!(
        "{arch} has no weights {name}; torchvision has {}{}",
        known.join(", "),
        if has_hub { format!(", and {HUB} means those of the Hugging Face Hub") } else { String::new() }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let request = Request::parse(text).unwrap();
        (request.to_string(), request.stem())
    }

    #[test]
    fn every_set_has_its_name_and_its_file_and_the_default_has_the_networks() {
        let pair = |name: &str, stem: &str| (name.to_owned(), stem.to_owned());
        let of_v1 = pair("resnet50:IMAGENET1K_V1", "resnet50-IMAGENET1K_V1");
        let of_v2 = pair("resnet50:IMAGENET1K_V2", "resnet50");
        for (text, expected) in [
            ("resnet50", &of_v2),
            ("resnet50:DEFAULT", &of_v2),
            ("resnet50:imagenet1k_v2", &of_v2),
            ("resnet50:IMAGENET1K_V1", &of_v1),
            ("resnet50:ImageNet1k_v1", &of_v1),
            ("resnet18", &pair("resnet18:IMAGENET1K_V1", "resnet18")),
            ("resnet18:HF", &pair("resnet18:hf", "resnet18-hf")),
        ] {
            assert_eq!(parsed(text), *expected, "{text}");
        }
        let all: Vec<_> = Request::all("resnet50").map(|request| request.to_string()).collect();
        assert_eq!(all, ["resnet50:IMAGENET1K_V1", "resnet50:hf"]);
    }

    #[test]
    fn what_nobody_has_is_told_with_what_there_is() {
        for (text, said) in [
            (
                "resnet50:V3",
                "resnet50 has no weights V3; torchvision has IMAGENET1K_V1, IMAGENET1K_V2 (the default), and hf means \
                 those of the Hugging Face Hub",
            ),
            ("resnet50:", "resnet50 has no weights ; torchvision has"),
            (
                "resnet10_demo",
                "torchvision has no weights of resnet10_demo; resnet10_demo:hf asks the Hugging Face Hub",
            ),
            ("resnet99", "unknown architecture resnet99; the nearest names are resnet18, "),
            ("ResNet50", "unknown architecture ResNet50; the nearest names are resnet50, "),
        ] {
            let error = Request::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn a_network_that_only_torchvision_knows_is_no_unknown_name() {
        // Nothing is left of them once all of torchvision's networks are known.
        let names = ["swin_v2_b", "maxvit_t", "vit_h_14", "regnet_y_128gf"];
        for arch in names.into_iter().filter(|arch| Architecture::from_name(arch).is_err()) {
            let error = Request::parse(arch).unwrap_err().to_string();
            let said = format!(
                "torchvision has weights of {arch}, but this version of neuron does not know the network"
            );
            assert!(error.starts_with(&said) && error.contains("resnet50"), "{error}");
        }
    }

    #[test]
    fn a_name_of_weights_is_no_path() {
        assert!(is_name("resnet50:IMAGENET1K_V1") && is_name("resnet50:nonsense") && is_name("vit_b_16:x"));
        for path in ["resnet50", "C:\\w.pth", "resnet50.pth", "./resnet50:x", ""] {
            assert!(!is_name(path), "{path}");
        }
    }

    #[test]
    fn weights_of_another_set_are_told_apart_by_their_metadata() {
        let metadata = |weights: Option<&str>| {
            let pairs = [("arch", Some("resnet50")), ("weights", weights)];
            pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()
        };
        let is_told = |text, weights| Request::parse(text).unwrap().is_told_by(&metadata(weights));
        assert!(is_told("resnet50", Some("IMAGENET1K_V2")) && is_told("resnet50:hf", None));
        assert!(!is_told("resnet50", Some("IMAGENET1K_V1")) && !is_told("resnet50", None));
        assert!(
            !is_told("resnet101", Some("IMAGENET1K_V2")) && !is_told("resnet50:hf", Some("IMAGENET1K_V2"))
        );
    }
}

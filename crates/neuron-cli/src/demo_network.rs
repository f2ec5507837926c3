//! The small networks whose weights come with the command, so that an installed one needs no other file.

use std::fmt;

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// One of them.
pub(crate) struct DemoNetwork {
    /// Its name among all networks.
    pub(crate) arch: &'static str,
    /// Its weights' file in the folder `weights` of the repository, and in that of a demo.
    pub(crate) file: &'static str,
    /// What is in that file.
    pub(crate) weights: &'static [u8],
}

static ALL: [DemoNetwork; 2] = [
    DemoNetwork {
        arch: "resnet10_demo",
        file: "demo.safetensors",
        weights: include_bytes!("../weights/demo.safetensors"),
    },
    DemoNetwork {
        arch: "densenet_demo",
        file: "densenet_demo.safetensors",
        weights: include_bytes!("../weights/densenet_demo.safetensors"),
    },
];

impl DemoNetwork {
    /// The name of the one that is taken if nobody names another.
    pub(crate) const USUAL: &str = "resnet10_demo";

    /// The one of that name, if it is one of them.
    pub(crate) fn of(arch: &str) -> Option<&'static Self> {
        ALL.iter().find(|network| network.arch == arch)
    }

    /// For clap: the one that is named.
    pub(crate) fn parser() -> impl TypedValueParser<Value = &'static Self> {
        let names = PossibleValuesParser::new(ALL.iter().map(|network| network.arch));
        names.try_map(|name| Self::of(&name).ok_or("not a network of the demo"))
    }
}

/// Without the weights.
impl fmt::Debug for DemoNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DemoNetwork").field(&self.arch).finish()
    }
}

//! Defaults of flags that depend on `--arch`: the network's family says them, or an exported network's own graph.

use std::sync::LazyLock;

use clap::builder::{OsStr, Resettable};
use neuron_model::Architecture;

use crate::exported;
use crate::layer_folder;

/// The network, if none is named.
pub(crate) const ARCH: &str = "resnet50";

/// For clap: the flag has no default, because another one was given.
pub(crate) const NO_DEFAULT: Resettable<OsStr> = Resettable::Reset;

/// The values of a flag by architecture, in the order of [`Architecture::all`].
type Values = Vec<(&'static str, &'static str)>;

/// For clap: if `--arch` is that, the flag's default is this.
type Condition = (&'static str, &'static str, Option<&'static str>);

/// A flag whose default depends on the network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Usual {
    /// The layer whose units are looked at.
    Layer,
    /// Its last block, which the reference implementation names instead.
    Block,
    /// Where `select-images` writes the lists of that layer.
    Folder,
}

impl Usual {
    /// The default for [`ARCH`].
    pub(crate) fn value(self) -> &'static str {
        self.of(ARCH)
    }

    /// The default for a network; empty if it is not known.
    pub(crate) fn of(self, arch: &str) -> &'static str {
        self.values().iter().find(|(known, _)| *known == arch).map_or("", |(_, value)| value)
    }

    /// The defaults for the other networks.
    pub(crate) fn values_by_arch(self) -> impl Iterator<Item = Condition> {
        self.values().iter().map(|(arch, value)| ("arch", *arch, Some(*value)))
    }

    /// Made once: clap wants text that lives as long as the program.
    fn values(self) -> &'static Values {
        static LAYERS: LazyLock<Values> = LazyLock::new(|| {
            let known = Architecture::all().map(|known| (known.name(), known.target_layer()));
            known.chain(exported::usual().map(|(arch, usual)| (arch, usual.target.as_str()))).collect()
        });
        static BLOCKS: LazyLock<Values> = LazyLock::new(|| {
            let known = Architecture::all().map(|known| (known.name(), known.target_block()));
            known.chain(exported::usual().map(|(arch, usual)| (arch, usual.target_block.as_str()))).collect()
        });
        static FOLDERS: LazyLock<Values> = LazyLock::new(|| {
            let folder =
                |arch: &str, layer: &str| -> &str { format!("{arch}/{}", layer_folder::of(layer)).leak() };
            let known =
                Architecture::all().map(|known| (known.name(), folder(known.name(), known.target_layer())));
            let exported =
                exported::usual().map(|(arch, usual)| (arch, folder(&exported::name(arch), &usual.target)));
            known.chain(exported).collect()
        });
        match self {
            Self::Layer => &LAYERS,
            Self::Block => &BLOCKS,
            Self::Folder => &FOLDERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    #[derive(clap::Args)]
    struct Flags {
        #[arg(long, default_value = ARCH)]
        arch: String,
        #[arg(long, default_value = Usual::Block.value(), default_value_ifs = Usual::Block.values_by_arch())]
        layer: String,
        #[arg(long, default_value = Usual::Folder.value(), default_value_ifs = Usual::Folder.values_by_arch())]
        folder: String,
    }

    #[test]
    fn the_network_decides_what_is_not_typed() {
        let flags = |typed: &[&str]| {
            let command = Flags::augment_args(clap::Command::new("test"));
            let matches = command.get_matches_from([&["test"], typed].concat());
            let Flags { arch, layer, folder } = Flags::from_arg_matches(&matches).unwrap();
            [arch, layer, folder]
        };
        assert_eq!(flags(&[]), ["resnet50", "layer4_2", "resnet50/neuron_layer4"]);
        assert_eq!(flags(&["--arch", "resnet18"]), ["resnet18", "layer4_1", "resnet18/neuron_layer4"]);
        assert_eq!(flags(&["--arch", "resnet18", "--layer", "conv1"])[1], "conv1");
        assert_eq!(flags(&["--arch", "mine"]), ["mine", "layer4_2", "resnet50/neuron_layer4"]);
    }
}

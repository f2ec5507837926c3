//! The command lines of the demo.

use std::path::{Path, PathBuf};

use anyhow::Context;
use neuron_model::{DeviceRequest, Precision};

use super::Args;
use crate::command_line::CommandLine;
use crate::demo_network::DemoNetwork;
use crate::global::Global;
use crate::outcome::WrongUsage;
use crate::usual::Usual;

/// Images that are kept for every channel: more than any class has, so that lists show what else excites a unit.
const TOP_IMAGES: &str = "100";
const TOP_PATCHES: &str = "20";
/// Side of the patches: half of the networks' crop, in which there are several shapes or stripes.
const PATCH_PX: &str = "48";
/// Side of the visualisations: a little more than the networks' crop, for what repeats to repeat more often.
const RESOLUTION: &str = "128";
const JITTER: &str = "12";
/// With the usual weight of total variation, which is made for larger networks and pictures, noise would stay.
const SMOOTHNESS: &str = "1e-4";

/// The folders and files of a demo, as they are typed.
#[derive(Clone, Debug)]
pub(super) struct Places {
    out: String,
    /// All that was found about the network.
    results: String,
    pub(super) data: String,
    pub(super) weights: String,
    units: String,
    pictures: String,
    pub(super) atlas: String,
}

impl Places {
    /// The places in a folder. What another number of pictures drew is data of its own: the name says how many. Networks
    /// share the pictures, and nothing else: each has a folder of results, of which alone its atlas is made.
    ///
    /// # Errors
    /// [`WrongUsage`] if the folder's name is not UTF-8: it could not be printed.
    pub(super) fn below(out: &Path, network: &DemoNetwork, pictures: usize) -> anyhow::Result<Self> {
        let name = out.to_str().ok_or_else(|| WrongUsage("--out: the name must be UTF-8".to_owned()))?;
        // Not to be mistaken for a flag.
        let out = if name.starts_with('-') { Path::new(".").join(name) } else { PathBuf::from(name) };
        let place = |below: &str| out.join(below).into_os_string().into_string().ok();
        let DemoNetwork { arch, file, .. } = network;
        let layer = Usual::Layer.of(arch);
        let places = || {
            Some(Self {
                out: out.to_str()?.to_owned(),
                results: place(arch)?,
                data: place(&format!("pictures-{pictures}"))?,
                weights: place(file)?,
                units: place(&format!("{arch}/neuron_{layer}"))?,
                pictures: place(&format!("{arch}/fvis"))?,
                atlas: place(&format!("{arch}/atlas"))?,
            })
        };
        places().context("--out: the name must be UTF-8")
    }

    /// What select-images found.
    pub(super) fn table(&self) -> PathBuf {
        Path::new(&self.units).join("topk.parquet")
    }
}

/// Makes the command lines.
pub(super) struct Lines<'a> {
    pub(super) places: &'a Places,
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
}

impl Lines<'_> {
    /// The layer whose units are looked at.
    fn layer(&self) -> &'static str {
        Usual::Layer.of(self.args.network.arch)
    }

    pub(super) fn select_images(&self) -> CommandLine {
        let own = ["--layer", self.layer(), "--topk-images", TOP_IMAGES, "--out", &self.places.out];
        self.line("select-images", &own)
    }

    /// The commands that look at chosen channels, such as `3,17`.
    pub(super) fn about(&self, channels: &str) -> [CommandLine; 3] {
        let (places, target) = (self.places, self.layer());
        let layer = ["--layer", target];
        let patches = ["--patch-size", PATCH_PX, "--topk-patches", TOP_PATCHES];
        let extract_patches = [&layer[..], &patches, &["--channels", "all", "--out", &places.units]].concat();
        let baseline = [&layer[..], &patches, &["--channels", channels, "--out", &places.out]].concat();
        let steps = self.args.steps.to_string();
        // Named after what decides it, so that pictures of fewer steps are not taken for these.
        let name = format!("{target}-{steps}-steps");
        let fvis = [
            &["--layer", target, "--channels", channels, "--topk-dir", &places.units][..],
            &["--num-real-img", TOP_PATCHES, "--resolution", RESOLUTION, "--jitter", JITTER],
            &["--tv-l2", SMOOTHNESS, "--steps", &steps],
            &["--out", &places.pictures, "--exp-name", &name],
        ];
        [
            self.line("extract-patches", &extract_patches),
            self.line("baseline", &baseline),
            self.line("fvis", &fvis.concat()),
        ]
    }

    /// The command that makes pages of all results; always anew, as it takes seconds and has nothing of its own.
    ///
    /// Twelve patches tell what a unit of this small network responds to, and keep the pages below 10 MB.
    pub(super) fn atlas(&self) -> CommandLine {
        let Places { results, data, atlas, .. } = self.places;
        let own = [results, "--data", data, "--patches", "12", "--out", atlas];
        self.with_flags("atlas", &own, "--overwrite")
    }

    /// A command with what all that compute have in common: what is complete stays, what is not goes on; or all anew.
    fn line(&self, command: &str, own: &[&str]) -> CommandLine {
        let Self { places, args, global } = self;
        let common = ["--arch", args.network.arch, "--weights", &places.weights, "--data", &places.data];
        let start = if global.overwrite { "--overwrite" } else { "--resume" };
        self.with_flags(command, &[&common, own].concat(), start)
    }

    /// Arguments, the flags that the demo was given for all of its commands, and how results that are there count.
    fn with_flags(&self, command: &str, arguments: &[&str], start: &str) -> CommandLine {
        let Self { global, .. } = self;
        let line = CommandLine::new(command);
        let line = arguments.iter().fold(line, |line, argument| line.word(argument));
        let given = |value: String, is_usual: bool| (!is_usual).then_some(value);
        let device = given(global.device.to_string(), global.device == DeviceRequest::Auto);
        let precision = given(global.precision.to_string(), global.precision == Precision::F32);
        let threads = given(global.threads.to_string(), global.threads == 0);
        let line = line
            .flag_if("--device", device.as_deref())
            .flag_if("--precision", precision.as_deref())
            .flag_if("--threads", threads.as_deref())
            .switch("--quiet", global.quiet);
        (0..global.verbose).fold(line, |line, _| line.word("--verbose")).word(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_not_mistaken_for_a_flag() {
        let network = DemoNetwork::of(DemoNetwork::USUAL).unwrap();
        let out = |name: &str| Places::below(Path::new(name), network, 1).ok().map(|places| places.out);
        assert_eq!(out("-x").as_deref(), Some("./-x"));
        assert_eq!(out("a/b").as_deref(), Some("a/b"));
    }
}

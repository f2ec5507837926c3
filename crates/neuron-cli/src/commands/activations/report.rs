use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use neuron_model::{Network, Positions, Weights};
use serde::Serialize;

use super::Args;
use super::collected::{Collected, Strong};
use crate::global::Global;
use crate::output;
use crate::positions::named;

/// What came of the images.
#[derive(Default, Serialize)]
pub(super) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) out: Option<PathBuf>,
    pub(super) images: Vec<ImageReport>,
    pub(super) skipped: Vec<Skipped>,
}

#[derive(Serialize)]
pub(super) struct ImageReport {
    pub(super) image: String,
    /// The strongest channels of each layer, strongest first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) top: BTreeMap<String, Vec<Strong>>,
}

#[derive(Serialize)]
pub(super) struct Skipped {
    pub(super) image: String,
    pub(super) reason: String,
}

impl Report {
    /// Writes the collected values.
    pub(super) fn save(
        &self,
        out: &Path,
        (args, positions): (&Args, Positions),
        network: &Network,
        collected: Vec<Collected>,
    ) -> anyhow::Result<()> {
        let images: Vec<&str> = self.images.iter().map(|report| report.image.as_str()).collect();
        let mut metadata: BTreeMap<String, String> = [
            ("arch", args.arch.clone()),
            ("device", network.device().arithmetic().to_string()),
            ("images", serde_json::to_string(&images)?),
            ("reduce", args.reduce.name().to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        if let Some(positions) = named(positions) {
            metadata.insert("positions".to_owned(), positions.to_owned());
        }
        if let Some(sha256) = network.weights().sha256() {
            metadata.insert("weights_sha256".to_owned(), sha256.to_owned());
        }
        let tensors = collected.into_iter().map(|tap| tap.into_tensor(images.len()));
        Weights::from_tensors(tensors, metadata).save(out)?;
        Ok(())
    }

    /// Says what was skipped, and prints the rest as it was asked for.
    pub(super) fn say(&self, args: &Args, global: &Global) -> anyhow::Result<()> {
        for Skipped { image, reason } in &self.skipped {
            global.say(0, || format!("skipped {image}: {reason}"));
        }
        if global.json {
            return output::print(&(serde_json::to_string_pretty(self)? + "\n"));
        }
        if args.top.is_some() {
            output::print(&self.table()?)?;
        }
        if let Some(out) = &self.out {
            global.say(0, || format!("{}: {} images", out.display(), self.images.len()));
        }
        Ok(())
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        for ImageReport { image, top } in &self.images {
            writeln!(text, "{image}")?;
            for (layer, strongest) in top {
                writeln!(text, "  {layer}")?;
                for Strong { channel, value, class } in strongest {
                    let class = class.as_ref().map(|class| format!("  {class}")).unwrap_or_default();
                    writeln!(text, "  {channel:>6}  {value:>9.4}{class}")?;
                }
            }
        }
        Ok(text)
    }
}

//! Where lists come from: what the manifest beside them says.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_data::{Lookup, Moved};
use neuron_model::{Network, Tap};
use serde_json::Value;

use crate::global::Global;
use crate::input;
use crate::outcome::WrongUsage;
use crate::place::Place;

const MANIFEST: &str = "manifest.json";
/// Letters of a hash that are shown.
const HASH_SHOWN: usize = 12;

/// What a manifest says of the run that made the lists beside it.
#[derive(Debug)]
pub(crate) struct Origin {
    folder: PathBuf,
    command: String,
    arch: Option<String>,
    layer: Option<String>,
    weights_sha256: Option<String>,
    data: Option<Place>,
}

impl Origin {
    /// Reads the manifest in a folder; `None` without one, or where it is another program's.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = input::read(&path, input::JSON_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else {
            bail!(
                "{} is damaged: make the lists again, or remove it if they are not of this program",
                path.display()
            );
        };
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let Some(command) = text("/scan/command") else { return Ok(None) };
        Ok(Some(Self {
            folder: folder.to_owned(),
            command,
            arch: text("/scan/settings/arch"),
            // A scan of several layers has a manifest for each, which names its own.
            layer: text("/layer").or_else(|| text("/scan/settings/layer")),
            weights_sha256: text("/scan/weights_sha256"),
            data: manifest.pointer("/scan/settings/data").and_then(Place::from_json),
        }))
    }

    /// Where the images of lists are: as listed, below `data`, or there in place of the folder that the scan went
    /// through.
    pub(crate) fn lookup(origins: &[&Option<Self>], data: Option<&Path>, global: &Global) -> Lookup {
        let from = origins.iter().find_map(|origin| origin.as_ref()?.data.as_ref());
        if let Some((from, to)) = from.zip(data).filter(|(from, to)| !from.exists() && to.exists()) {
            global.say(0, || {
                let (from, to) = (from.display(), to.display());
                format!("the lists were made from images in {from}, which is not there: they are looked for in {to}")
            });
        }
        let moved = |(from, to): (&Place, &Path)| Moved { from: from.to_path_buf(), to: to.to_owned() };
        Lookup { moved: from.zip(data).map(moved), ..Lookup::below(data) }
    }

    /// Checks that the lists are of this layer of this network; other weights are only said, as the same tensors can
    /// lie in two files.
    ///
    /// # Errors
    /// [`WrongUsage`] that names both layers or architectures.
    pub(crate) fn check(&self, network: &Network, tap: &Tap, global: &Global) -> anyhow::Result<()> {
        let lists = self.folder.display();
        let command = &self.command;
        if let Some(arch) = self.arch.as_deref().filter(|arch| *arch != network.name()) {
            let message = format!(
                "the lists in {lists} are those of {arch}, not of {}: pass --arch {arch}, or name a folder with lists \
                 that {command} made for {}",
                network.name(),
                network.name()
            );
            return Err(WrongUsage(message).into());
        }
        if let Some(layer) = self.layer.as_deref().filter(|layer| !is_value_of(network, layer, tap)) {
            let message = format!(
                "the lists in {lists} are those of {layer}, not of {}: name that layer, or a folder with lists that \
                 {command} made for {}",
                tap.name, tap.name
            );
            return Err(WrongUsage(message).into());
        }
        match (self.weights_sha256.as_deref(), network.weights().sha256()) {
            (Some(listed), Some(now)) if listed != now => {
                let short = |hash: &str| hash.chars().take(HASH_SHOWN).collect::<String>();
                global.say(0, || {
                    format!(
                        "note: the lists in {lists} were made with another weights file (SHA-256 {}... instead of \
                         {}...); unless both hold the same tensors, run {command} again",
                        short(listed),
                        short(now)
                    )
                });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether `layer` is the same value as `tap`: `layer4` of a ResNet is what its last block returns.
fn is_value_of(network: &Network, layer: &str, tap: &Tap) -> bool {
    network.tap(layer).is_ok_and(|named| named.node == tap.node)
}

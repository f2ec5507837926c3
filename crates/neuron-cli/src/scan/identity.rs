use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_model::{Device, Network};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Everything that decides a scan's result: two scans with equal identities give equal bytes.
///
/// Threads, batch size and shards are left out: they change nothing. It is also the body of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Identity(Map<String, Value>);

impl Identity {
    /// The identity of a run of `command` on a network; what else decides its result is added by
    /// [`Identity::with`].
    pub(crate) fn of(command: &str, network: &Network, preprocessing: &Preprocessing) -> Self {
        Self::new(command)
            .on(network.device())
            .with("weights_sha256", network.weights().sha256())
            .with("weights_metadata", network.weights().metadata())
            .with("preprocessing", preprocessing)
            .in_file(network)
    }

    /// Adds which of the networks in the weights file it is, if it is not alone there.
    fn in_file(self, network: &Network) -> Self {
        match network.weights().origin().place() {
            place if place.is_empty() => self,
            place => self.with("weights_key", place),
        }
    }

    pub(super) fn new(command: &str) -> Self {
        Self(Map::new()).with("command", command).with("neuron_version", env!("CARGO_PKG_VERSION"))
    }

    pub(crate) fn with(mut self, key: &str, value: impl Serialize) -> Self {
        self.0.insert(key.to_owned(), json!(value));
        self
    }

    /// Adds where it was computed, if other devices compute other bits.
    fn on(self, device: &Device) -> Self {
        match device.arithmetic() {
            Some(arithmetic) => self.with("device", arithmetic),
            None => self,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// What a checkpoint says about `key`.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &str) -> anyhow::Result<T> {
        let value = self.get(key).with_context(|| format!("the scan's {key} are not recorded"))?;
        serde_json::from_value(value.clone()).with_context(|| format!("the scan's {key} are not understood"))
    }

    /// One line for each setting that is not the same, `key: old -> new`.
    pub(crate) fn differences(&self, new: &Self) -> Vec<String> {
        let keys = self.0.keys().chain(new.0.keys().filter(|key| !self.0.contains_key(*key)));
        let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
        let line = |key: &String| format!("{key}: {} -> {}", show(self.0.get(key)), show(new.0.get(key)));
        keys.filter(|key| self.0.get(*key) != new.0.get(*key)).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_both_sides() {
        let old = Identity::new("baseline").with("patch_size", 64).with("only_old", true);
        let new = Identity::new("baseline").with("patch_size", 32);
        assert_eq!(old.differences(&new), ["only_old: true -> nothing", "patch_size: 64 -> 32"]);
        assert!(old.differences(&old).is_empty());
    }
}

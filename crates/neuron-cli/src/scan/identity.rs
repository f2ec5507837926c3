use anyhow::Context;
use neuron_data::{Limits, Preprocessing};
use neuron_model::{Arithmetic, Network};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::differences;

/// Whose arithmetic it was, such as `cpu f32`. Runs on the CPU did not always say it: who does not is of the default one.
const ARITHMETIC: &str = "device";

/// Everything that decides a scan's result: two scans with equal identities give equal bytes.
///
/// Threads, batch size and shards are left out: they change nothing. It is also the body of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub(crate) struct Identity(Map<String, Value>);

impl Identity {
    /// The identity of a run of `command` on a network; what else decides its result is added by
    /// [`Identity::with`].
    pub(crate) fn of(command: &str, network: &Network, preprocessing: &Preprocessing) -> Self {
        Self::new(command)
            .with(ARITHMETIC, network.device().arithmetic().to_string())
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

    pub(crate) fn new(command: &str) -> Self {
        Self::from(Map::new()).with("command", command).with("neuron_version", env!("CARGO_PKG_VERSION"))
    }

    /// Adds what decides the result. Paths belong into a [`Place`](crate::place::Place): not all are text.
    pub(crate) fn with(mut self, key: &str, value: impl Serialize) -> Self {
        self.0.insert(key.to_owned(), json!(value));
        self
    }

    /// Adds the largest picture that is read, where it is not the usual one: larger ones are left out.
    pub(crate) fn within(self, limits: &Limits) -> Self {
        match *limits {
            usual if usual == Limits::default() => self,
            Limits { max_pixels, .. } => self.with("max_pixels", max_pixels),
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

    /// One line for each value that is not the same, `settings.topk_images: 5 -> 12`; places that are spelled
    /// differently are the same, and so are moved images.
    pub(crate) fn differences(&self, new: &Self) -> Vec<String> {
        let same_images = || {
            let fingerprint = |of: &Self| of.get("dataset_fingerprint").cloned();
            fingerprint(self).is_some() && fingerprint(self) == fingerprint(new)
        };
        differences::between(&json!(self), &json!(new), &same_images)
    }
}

impl From<Map<String, Value>> for Identity {
    /// What was recorded, perhaps by an older version.
    fn from(mut recorded: Map<String, Value>) -> Self {
        recorded.entry(ARITHMETIC).or_insert_with(|| Arithmetic::default().to_string().into());
        Self(recorded)
    }
}

impl From<Identity> for Map<String, Value> {
    fn from(identity: Identity) -> Self {
        identity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_that_was_not_recorded_is_the_cpus_in_f32() {
        let now = Identity::new("baseline");
        let mut recorded = json!(now);
        recorded.as_object_mut().unwrap().remove(ARITHMETIC).unwrap();
        let old: Identity = serde_json::from_value(recorded).unwrap();
        assert_eq!(old, now);
        let other = now.clone().with(ARITHMETIC, "cuda tf32");
        assert_eq!(old.differences(&other), ["device: cpu f32 -> cuda tf32"]);
    }

    #[test]
    fn differences_name_both_sides_and_nothing_else() {
        let old = Identity::new("baseline").with("patch_size", 64).with("only_old", true);
        let new = Identity::new("baseline").with("patch_size", 32);
        assert_eq!(old.differences(&new), ["only_old: true -> nothing", "patch_size: 64 -> 32"]);
        assert!(old.differences(&old).is_empty());
    }

    #[test]
    fn moved_images_are_the_same_where_their_old_place_is_gone() {
        let at = |data: &str, fingerprint: &str| {
            Identity::new("baseline")
                .with("settings", json!({ "data": data }))
                .with("dataset_fingerprint", fingerprint)
        };
        assert!(at("gone", "1").differences(&at("here", "1")).is_empty());
        assert!(at("src", "1").differences(&at("./src/", "1")).is_empty());
        assert_eq!(at("gone", "1").differences(&at("here", "2")).len(), 2);
        // Two folders that are both there are two data sets, however alike they look from outside.
        assert_eq!(at("src", "1").differences(&at("tests", "1")), ["settings.data: src -> tests"]);
    }
}

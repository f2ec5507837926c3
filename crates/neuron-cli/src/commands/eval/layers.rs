//! The layers at which pictures are measured.

use neuron_model::{ModelError, Network, Tap};

use crate::outcome::WrongUsage;

/// The layer whose spatial means are the network's last features.
pub(super) fn penultimate(network: &Network) -> Result<Tap, ModelError> {
    network.tap(&network.usual_layers().target)
}

/// The layers at which pictures are compared with references, from the image upwards.
pub(super) fn usual_layers(network: &Network) -> Result<Vec<Tap>, ModelError> {
    let layers = &network.usual_layers().features;
    layers.iter().map(|(layer, _)| network.tap(layer)).collect()
}

/// The measures are taken at layers that have maps.
pub(super) fn check_usual_layers(network: &Network) -> Result<(), WrongUsage> {
    if network.usual_layers().features.is_empty() {
        return Err(WrongUsage(format!("the usual layers of {} are not known", network.name())));
    }
    Ok(())
}

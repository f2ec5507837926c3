//! How much the features of each layer count.

use std::collections::BTreeMap;
use std::str::FromStr;

use neuron_model::{Network, Tap};
use serde::Serialize;

use crate::error::FvisError;

/// How much the features of each layer count.
///
/// Every family of networks has layers whose features are usually matched
/// ([`usual_layers`](Network::usual_layers)); in residual networks these are `conv1` and `layer1` to `layer4`. As text, weights
/// are one number for each of them (`0.1,1,1,1,0`), or the names of any layers with theirs (`layer2=1,layer3.0=0.5`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LayerWeights {
    /// What is usual for the network's family.
    #[default]
    Usual,
    /// One weight for each feature layer of the network's family, from the image upwards.
    InOrder(Vec<f64>),
    /// Layers by name; the features of all others do not count.
    Named(BTreeMap<String, f64>),
}

impl LayerWeights {
    /// The same weights as they are recorded: one number for each of the usual layers, or the layers' own names where
    /// they were named.
    ///
    /// # Errors
    /// [`FvisError::NoFamily`] if the weights are those of a family and the network belongs to none,
    /// [`FvisError::LayerWeights`] for another number of weights than of layers, [`FvisError::LayerTwice`] for two
    /// names of one layer, and [`FvisError::Model`] for a name that is none.
    pub fn resolved(&self, network: &Network) -> Result<Self, FvisError> {
        if let Self::Named(weights) = self {
            return named(network, weights);
        }
        let layers = &network.usual_layers().features;
        if layers.is_empty() {
            return Err(FvisError::NoFamily { network: network.name().to_owned() });
        }
        self.in_order(layers).map(Self::InOrder)
    }

    /// The same with [the nearest layer](neuron_model::Graph::nearest_layer) below a tap for pictures of `height x width`,
    /// by name, and which one that is. One that counts already keeps its weight. Unchanged where there is none.
    ///
    /// # Errors
    /// Those of [`LayerWeights::below`] but for [`FvisError::NoFeatures`]: the nearest layer may be the only one.
    pub fn with_nearest(
        &self,
        network: &Network,
        target: &Tap,
        (weight, size): (f64, (usize, usize)),
    ) -> Result<(Self, Option<String>), FvisError> {
        let below = match self.below(network, target) {
            Err(FvisError::NoFeatures { .. }) => Vec::new(),
            below => below?,
        };
        let nearest = network.graph().nearest_layer(target, size).filter(|_| weight != 0.0);
        let Some(nearest) = nearest else { return Ok((self.resolved(network)?, None)) };
        let counts = below.iter().find(|(tap, _)| tap.node == nearest.node);
        let (nearest, weight) = counts.cloned().unwrap_or((nearest, weight));
        let below = below.into_iter().map(|(tap, weight)| (tap.name, weight));
        let named = Self::Named(below.chain([(nearest.name.clone(), weight)]).collect());
        Ok((named, Some(nearest.name)))
    }

    /// One weight for each of a family's feature layers.
    fn in_order(&self, layers: &[(String, f64)]) -> Result<Vec<f64>, FvisError> {
        match self {
            Self::InOrder(weights) if weights.len() == layers.len() => Ok(weights.clone()),
            Self::InOrder(weights) => Err(FvisError::LayerWeights {
                layers: layers.iter().map(|(name, _)| name.clone()).collect(),
                found: weights.len(),
            }),
            Self::Usual => Ok(layers.iter().map(|(_, weight)| *weight).collect()),
            Self::Named(weights) => {
                Ok(layers.iter().map(|(name, _)| weights.get(name).copied().unwrap_or(0.0)).collect())
            }
        }
    }

    /// The layers that count and lie strictly below a tap, with their weights, from the image upwards.
    ///
    /// # Errors
    /// [`FvisError::NoFeatures`] if there is none; those of [`LayerWeights::resolved`].
    pub fn below(&self, network: &Network, target: &Tap) -> Result<Vec<(Tap, f64)>, FvisError> {
        let weights: Vec<(String, f64)> = match self.resolved(network)? {
            Self::Named(weights) => weights.into_iter().collect(),
            in_order => {
                let layers = &network.usual_layers().features;
                let names = layers.iter().map(|(name, _)| name.clone());
                names.zip(in_order.in_order(layers)?).collect()
            }
        };
        let taps = weights.iter().map(|(name, weight)| Ok((network.tap(name)?, *weight)));
        let mut taps = taps.collect::<Result<Vec<_>, FvisError>>()?;
        taps.sort_by_key(|(tap, _)| tap.node);
        taps.retain(|(tap, weight)| *weight != 0.0 && network.graph().is_strictly_below(tap, target));
        if taps.is_empty() {
            let layers = weights.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            return Err(FvisError::NoFeatures { tap: target.name.clone(), layers });
        }
        Ok(taps)
    }
}

/// Weights by the layers' own names.
fn named(network: &Network, weights: &BTreeMap<String, f64>) -> Result<LayerWeights, FvisError> {
    let mut found: Vec<(Tap, f64)> = Vec::new();
    for (name, weight) in weights {
        let tap = network.tap(name)?;
        if let Some((other, _)) = found.iter().find(|(other, _)| other.node == tap.node) {
            return Err(FvisError::LayerTwice { layer: tap.name, other: other.name.clone() });
        }
        found.push((tap, *weight));
    }
    Ok(LayerWeights::Named(found.into_iter().map(|(tap, weight)| (tap.name, weight)).collect()))
}

/// A text that is no [`LayerWeights`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a number of at least 0 for each feature layer, such as 0.1,1,1,1,0, or layers with theirs, such as \
     layer2=1,layer3.0=0.5; found {found}"
)]
pub struct ParseLayerWeightsError {
    /// The text.
    pub found: String,
}

impl FromStr for LayerWeights {
    type Err = ParseLayerWeightsError;

    fn from_str(text: &str) -> Result<Self, ParseLayerWeightsError> {
        let weight =
            |text: &str| text.trim().parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
        let in_order = || text.split(',').map(weight).collect::<Option<Vec<f64>>>().map(Self::InOrder);
        let by_name = || {
            let mut weights = BTreeMap::new();
            for part in text.split(',') {
                let (name, number) = part.split_once('=')?;
                // A layer that is named twice has no weight.
                if weights.insert(name.trim().to_owned(), weight(number)?).is_some() {
                    return None;
                }
            }
            Some(Self::Named(weights))
        };
        in_order().or_else(by_name).ok_or_else(|| ParseLayerWeightsError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use neuron_model::Architecture;

    use super::*;

    fn weights(text: &str) -> LayerWeights {
        text.parse().unwrap()
    }

    #[test]
    fn weights_parse() {
        let layers = Architecture::from_name("resnet50").unwrap().usual_layers().features;
        let in_order = |weights: &LayerWeights| weights.in_order(&layers).unwrap();
        assert_eq!(in_order(&weights("0.1,1,1,1,0")), in_order(&LayerWeights::Usual));
        for wrong in ["1,1,1,1", "1,1,1,1,1,1"] {
            assert!(weights(wrong).in_order(&layers).is_err(), "{wrong}");
        }
        for wrong in
            ["1,1,1,1,-1", "1,1,one,1,1", "1,1,1,1,nan", "", "layer1", "layer1=-1", "a=1,a=2", "1,a=1"]
        {
            assert!(wrong.parse::<LayerWeights>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn weights_by_name_stand_in_any_order() {
        let layers = Architecture::from_name("resnet50").unwrap().usual_layers().features;
        let by_name = weights("layer3=1, layer1 = 0.5");
        assert_eq!(by_name, weights("layer1=0.5,layer3=1"));
        assert_eq!(by_name.in_order(&layers).unwrap(), [0.0, 0.5, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_nearest_layer_counts_once() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
        let network = Network::new("resnet10_demo", neuron_model::Weights::open(&path).unwrap(), 1).unwrap();
        let with_nearest = |weights: &str, target: &str, weight| {
            weights.parse::<LayerWeights>().unwrap().with_nearest(
                &network,
                &network.tap(target).unwrap(),
                (weight, (64, 64)),
            )
        };
        let found = |text, target, weight| with_nearest(text, target, weight).unwrap().0;
        let (usual, nearest) = with_nearest("0.1,1,0,1,0", "layer4.0", 2.0).unwrap();
        assert_eq!((usual, nearest.as_deref()), (weights("conv1=0.1,layer1=1,layer3=1"), Some("layer3")));
        // One that does not count so far.
        assert_eq!(found("0.1,1,1,0,0", "layer4.0", 2.0), weights("conv1=0.1,layer1=1,layer2=1,layer3=2"));
        assert_eq!(found("0.1,1,0,0,0", "layer3.0.bn2", 0.0), weights("0.1,1,0,0,0"));
        let (_, added) = with_nearest("0.1,1,1,1,0", "layer3.0.bn2", 1.0).unwrap();
        assert_eq!(added.as_deref(), Some("layer3.0.bn1"));
        // The only one, and none.
        assert_eq!(found("layer4=1", "layer3.0.bn2", 1.0), weights("layer3.0.bn1=1"));
        assert!(with_nearest("layer4=1,layer9=1", "layer3.0.bn2", 1.0).is_err());
    }

    #[test]
    fn records_hold_numbers_in_order_or_names() {
        let json = |weights: &LayerWeights| serde_json::to_string(weights).unwrap();
        assert_eq!(json(&weights("0.1,1,1,1,0")), "[0.1,1.0,1.0,1.0,0.0]");
        assert_eq!(json(&weights("layer3.0=0.5,conv1=1")), r#"{"conv1":1.0,"layer3.0":0.5}"#);
    }
}

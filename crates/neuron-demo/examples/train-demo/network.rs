//! The networks in training: maps, their means, and a classifier of these.

use anyhow::bail;
use candle_core::{Result, Tensor};
use neuron_demo::{Class, Dice};

use crate::densenet::DenseNet;
use crate::layers::{Builder, Linear, Parameters};
use crate::maps::Maps;
use crate::resnet::ResNet;

/// What a forward pass returns.
pub(crate) struct Outputs {
    /// `[batch, classes]`.
    pub(crate) logits: Tensor,
    /// The last maps' means, `[batch, channels]`.
    pub(crate) features: Tensor,
}

/// A network in training.
pub(crate) struct Network {
    pub(crate) parameters: Parameters,
    maps: Box<dyn Maps>,
    classifier: Linear,
}

impl Network {
    /// The network of that name before training, from numbers of `dice`.
    pub(crate) fn new(arch: &str, dice: &mut Dice) -> anyhow::Result<Self> {
        let mut build = Builder { parameters: Parameters::default(), dice };
        let (maps, channels, classifier): (Box<dyn Maps>, _, _) = match arch {
            "resnet10_demo" => {
                let (maps, channels) = ResNet::new(&mut build)?;
                (Box::new(maps), channels, "fc")
            }
            "densenet_demo" => {
                let (maps, channels) = DenseNet::new(&mut build)?;
                (Box::new(maps), channels, "classifier")
            }
            _ => {
                bail!("there is no {arch} to train: the demo's networks are resnet10_demo and densenet_demo")
            }
        };
        let classifier = build.linear(classifier, [channels, Class::ALL.len()])?;
        Ok(Self { parameters: build.parameters, maps, classifier })
    }

    /// # Shapes
    /// * `images`: `[3, batch, height, width]`, normalised
    pub(crate) fn forward(&self, images: &Tensor) -> Result<Outputs> {
        let maps = self.maps.forward(images)?;
        let features = maps.flatten_from(2)?.mean(2)?.t()?.contiguous()?;
        let logits = self.classifier.forward(&features)?;
        Ok(Outputs { logits, features })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;
    use neuron_model::Weights;

    use super::*;

    /// Half of the demo's side, which is enough for the last maps to have a value.
    const SIDE: usize = 48;

    #[test]
    fn what_is_trained_is_what_the_demo_runs() -> anyhow::Result<()> {
        for arch in ["resnet10_demo", "densenet_demo"] {
            let network = Network::new(arch, &mut Dice::new(1, 0))?;
            let tensors = network.parameters.tensors()?;
            let graph = neuron_model::Architecture::from_name(arch)?.graph(&Weights::default());
            assert_eq!(tensors.len(), graph.expected_tensors().len(), "{arch}");
            neuron_model::Network::new(arch, Weights::from_tensors(tensors, BTreeMap::new()), 1)?;

            let images = Tensor::ones((3, 2, SIDE, SIDE), candle_core::DType::F32, &Device::Cpu)?;
            let gradients = network.forward(&images)?.logits.sqr()?.sum_all()?.backward()?;
            let variables = network.parameters.variables();
            assert!(variables.iter().all(|variable| gradients.get(variable).is_some()), "{arch}");
        }
        Ok(())
    }
}

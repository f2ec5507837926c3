//! An independent implementation of the same network: candle-transformers' ResNet, on random weights.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Network, Weights};

/// A sequence of numbers in -0.5..0.5 that looks random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn take(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

/// Random weights of a size that keeps activations near 1.
fn random_weights(name: &str, noise: &mut Noise) -> Weights {
    let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (12.0 / (len / shape[0]) as f32).sqrt();
        let change = |value: f32| match name.rsplit('.').next() {
            Some("running_var") => value + 1.0,
            Some("weight") if shape.len() == 1 => 0.7 + value,
            Some("weight") => value * scale,
            _ => 0.2 * value,
        };
        let data: Vec<f32> = noise.take(len).into_iter().map(change).collect();
        (name.clone(), WeightTensor::new(shape.clone(), data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new())
}

fn logits_of_candle(name: &str, weights: &Weights, images: &Tensor) -> Tensor {
    let tensor = |name: &str| {
        let tensor = weights.tensor(name).unwrap();
        let values = Tensor::from_slice(&tensor.data, tensor.shape.as_slice(), &Device::Cpu).unwrap();
        (name.to_owned(), values)
    };
    let tensors = weights.names().map(tensor).collect();
    let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    use candle_transformers::models::resnet;
    let classes = 1000;
    let model = match name {
        "resnet18" => resnet::resnet18(classes, builder),
        "resnet34" => resnet::resnet34(classes, builder),
        "resnet50" => resnet::resnet50(classes, builder),
        other => panic!("candle-transformers is not asked for {other}"),
    };
    images.apply(&model.unwrap()).unwrap()
}

#[test]
fn logits_agree_with_candle_transformers() {
    let mut noise = Noise(1);
    for name in ["resnet18", "resnet50"] {
        let weights = random_weights(name, &mut noise);
        // Height and width differ, so that mixing them up shows.
        let images = Tensor::from_vec(noise.take(2 * 3 * 64 * 96), (2, 3, 64, 96), &Device::Cpu).unwrap();
        let want = logits_of_candle(name, &weights, &images);
        let network = Network::new(name, weights, 2).unwrap();
        let got = network.activations(&images, &["fc"]).unwrap().remove(0).flatten_from(1).unwrap();
        let largest =
            |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        let error = largest(&(got - &want).unwrap()) / largest(&want);
        assert!(error < 1e-4, "{name}: relative error {error:e}");
    }
}

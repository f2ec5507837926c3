//! A ResNet-50 to measure.

use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Weights};

/// The weights that `NEURON_WEIGHTS` names, else random ones of the scale at which activations neither fade nor grow.
pub(crate) fn weights() -> Weights {
    if let Some(path) = std::env::var_os("NEURON_WEIGHTS") {
        return Weights::open(path.as_ref()).expect("a weights file");
    }
    let graph = Architecture::from_name("resnet50").expect("a known network").graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (6.0 * shape[0] as f32 / len as f32).sqrt();
        let data: Vec<f32> = match name.rsplit('.').next() {
            Some("running_var") => vec![1.0; len],
            Some("weight") if shape.len() == 1 => vec![1.0; len],
            Some("weight") => noise(len).map(|value| value * scale).collect(),
            _ => vec![0.0; len],
        };
        (name, WeightTensor::new(shape, data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), [].into())
}

/// Numbers in -1..1 that look random.
pub(crate) fn noise(len: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    (0..len).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

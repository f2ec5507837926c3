//! Checkpoints of visualisations: what they say, and going on from them.

use std::path::Path;
use std::sync::OnceLock;

use neuron_fvis::{CheckpointState, LayerWeights, Optimizer, Phase, Schedule, Settings, Start, Unit};
use neuron_model::{ChannelsLast, Network};

/// Height and width of the picture.
const SIZE: (usize, usize) = (8, 6);
/// What the run of the seeds says that it depends on.
pub(crate) const INPUTS: &str = "the same";

pub(super) fn read(bytes: &[u8]) -> bool {
    let _ = CheckpointState::read(bytes);
    let restored = optimizer().restore(bytes, INPUTS);
    restored.is_ok()
}

/// A run before its first step, on the network of the repository.
pub(crate) fn optimizer() -> Optimizer<'static> {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    static REFERENCE: [f32; 3 * SIZE.0 * SIZE.1] = [0.5; 3 * SIZE.0 * SIZE.1];
    static REFERENCES: OnceLock<ChannelsLast<'static>> = OnceLock::new();
    let network = NETWORK.get_or_init(|| {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights/demo.safetensors");
        Network::open("resnet10_demo", &weights).expect("the repository's weights can be read")
    });
    let references = REFERENCES.get_or_init(|| ChannelsLast::new(&REFERENCE, SIZE.0, SIZE.1));
    let target = network.tap("layer1.0").expect("the network has this tap");
    let phase = Phase { steps: 5, pooling: 1, jitter_px: 0, betas: (0.5, 0.9), clamp: true };
    let schedule = Schedule::new(vec![phase]).expect("a sound schedule");
    let settings =
        Settings { schedule, size: SIZE, layer_weights: LayerWeights::default(), ..Settings::default() };
    let start = Start { pictures: Some(REFERENCE.to_vec()), ..Start::default() };
    let units = vec![Unit { channel: 3, references }];
    Optimizer::new(network, &target, units, settings, start).expect("sound settings")
}

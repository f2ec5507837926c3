//! The keep rule of `extract-patches` against what PyTorch's arg-max found in the same scores.

#[path = "../../../tests/reference.rs"]
mod reference;

use neuron_patches::{BestWindows, Windows};
use safetensors::{Dtype, SafeTensors};

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_best_windows_are_the_goldens() {
    let path = reference::folder().join("goldens/patches.safetensors");
    let bytes = std::fs::read(path).expect("a readable file");
    let goldens = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let words = |name: &str, dtype: Dtype| -> Vec<[u8; 4]> {
        let tensor = goldens.tensor(name).expect("a tensor of the golden");
        assert_eq!(tensor.dtype(), dtype);
        tensor.data().chunks_exact(4).map(|word| word.try_into().expect("four bytes")).collect()
    };
    let floats = |name: &str| words(name, Dtype::F32).into_iter().map(f32::from_le_bytes).collect::<Vec<_>>();
    let integers =
        |name: &str| words(name, Dtype::I32).into_iter().map(u32::from_le_bytes).collect::<Vec<_>>();

    for (channel, size, input) in [(162, 32, "norm"), (1935, 32, "raw"), (54, 64, "norm"), (162, 64, "raw")] {
        let name = |what: &str| format!("ch{channel}.p{size}.{input}.{what}");
        let windows = Windows::sliding(size, 224, 224).expect("they fit").len();
        let scores = floats(&name("all_scores"));
        let expected = floats(&name("best_score")).into_iter().zip(integers(&name("best_window")));
        assert_eq!(scores.len(), windows * expected.len());
        for (scores, (best_score, best_window)) in scores.chunks_exact(windows).zip(expected) {
            let best = BestWindows::of(scores, 1).expect("whole rows");
            assert_eq!(best, BestWindows { scores: vec![best_score], windows: vec![best_window] });
        }
    }
}

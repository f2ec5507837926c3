//! The table of every channel's best images: for an atlas, a data set, and for patches that want images' scores.

use neuron_cli::fuzzing;
use neuron_data::{Dataset, DatasetOptions};

use super::record;
use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("top_k_table", |folder| {
        scratch::write(&folder.join("photo.png"), record::PICTURE);
    });
    let table = folder.join("resnet50/neuron_layer4/topk.parquet");
    scratch::write(&table, bytes);
    let _ = Dataset::open(&folder, &DatasetOptions::default());
    let scores = fuzzing::image_scores(&table);
    record::atlas(&folder) && scores
}

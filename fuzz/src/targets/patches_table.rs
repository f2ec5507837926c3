//! The table of a unit's patches: for an atlas, and for a visualisation that wants patches as references.

use neuron_cli::fuzzing;

use super::record;
use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("patches_table", |_| {});
    let table = folder.join("resnet50/neuron_layer4/1/patches.parquet");
    scratch::write(&table, bytes);
    let boxes = fuzzing::patch_boxes(&table);
    record::atlas(&folder) && boxes
}

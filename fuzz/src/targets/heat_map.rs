//! The tensors beside a heat map, which an atlas reads.

use super::record;
use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("heat_map", |folder| {
        scratch::write(&folder.join("heat/heatmap.png"), record::PICTURE);
    });
    scratch::write(&folder.join("heat/relevance.safetensors"), bytes);
    record::atlas(&folder)
}

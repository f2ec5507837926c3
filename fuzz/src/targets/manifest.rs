//! The manifest beside lists: for a data set, an atlas, a command that goes on, and one that reads the lists.

use neuron_cli::fuzzing;
use neuron_data::{Dataset, DatasetOptions};

use super::record;
use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("manifest", |folder| {
        scratch::write(&folder.join("resnet50/neuron_layer4/1/files_all.txt"), b"train/cat/1.png\n");
        scratch::write(&folder.join("photo.png"), record::PICTURE);
    });
    let lists = folder.join("resnet50/neuron_layer4");
    for place in [&lists, &lists.join("1"), &folder] {
        scratch::write(&place.join("manifest.json"), bytes);
    }
    let _ = Dataset::open(&folder, &DatasetOptions::default());
    let _ = record::atlas(&folder);
    fuzzing::manifest(&lists)
}

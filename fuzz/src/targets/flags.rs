//! Flags in a TOML file.

use neuron_cli::fuzzing;

use crate::scratch;

pub(super) fn read(bytes: &[u8]) -> bool {
    let file = scratch::folder("flags", |_| {}).join("neuron.toml");
    scratch::write(&file, bytes);
    fuzzing::flags(&file)
}

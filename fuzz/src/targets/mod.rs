//! One file a target: it hands bytes to a reader, checks what the reader promises, and tells whether it took them.

mod archive;
mod configuration;
mod flags;
pub(crate) mod fvis_checkpoint;
mod heat_map;
mod imported_graph;
mod jpeg;
mod list;
mod manifest;
mod onnx;
mod onnx_graph;
mod patches_table;
mod pickle;
mod pictures;
mod pt2;
mod pt2_graph;
mod record;
mod safetensors;
mod scan_checkpoint;
mod shards;
mod top_k;
mod top_k_table;
mod torch;

/// Hands bytes to a reader; whether it took them for what it reads.
///
/// # Panics
/// If the reader breaks a promise: that is what is looked for.
pub type Target = fn(&[u8]) -> bool;

/// Every target with its name, which is also that of its folder of seeds and of its dictionary.
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", configuration::read),
    ("flags", flags::read),
    ("fvis_checkpoint", fvis_checkpoint::read),
    ("heat_map", heat_map::read),
    ("imported_graph", imported_graph::read),
    ("images_parquet", archive::parquet),
    ("images_tar", archive::tar),
    ("images_zip", archive::zip),
    ("jpeg", jpeg::read),
    ("list", list::read),
    ("manifest", manifest::read),
    ("onnx", onnx::read),
    ("onnx_graph", onnx_graph::read),
    ("patches_table", patches_table::read),
    ("pickle", pickle::read),
    ("pictures", pictures::read),
    ("pt2", pt2::read),
    ("pt2_graph", pt2_graph::read),
    ("record", record::read),
    ("safetensors", safetensors::read),
    ("scan_checkpoint", scan_checkpoint::read),
    ("shards", shards::read),
    ("top_k", top_k::read),
    ("top_k_table", top_k_table::read),
    ("torch", torch::read),
];

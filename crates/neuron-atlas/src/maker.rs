use std::path::Path;

use serde_json::Value;

/// The program that made the results, and what only it knows of them.
///
/// A closure from architecture and layer to the layer's name is a maker that tells no command lines.
pub trait Maker {
    /// The name to show for a layer, the same for all layers with the same value.
    ///
    /// `layer4` of a ResNet is what its last block, `layer4.2`, returns: only a program that knows networks knows that.
    fn layer_name(&self, arch: &str, layer: &str) -> String;

    /// The command line that makes the results in `folder` again, as a shell reads it; `scan` is what their manifest or
    /// record says of how they were made. `None` if there is no such command.
    fn command_line(&self, scan: &Value, folder: &Path) -> Option<String>;
}

impl<F: Fn(&str, &str) -> String> Maker for F {
    fn layer_name(&self, arch: &str, layer: &str) -> String {
        self(arch, layer)
    }

    fn command_line(&self, _scan: &Value, _folder: &Path) -> Option<String> {
        None
    }
}

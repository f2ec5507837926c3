//! Where results of a layer lie, below the folder of its network.

/// The folder of a layer's results: one part of a path, whatever the network calls the layer.
pub(crate) fn of(layer: &str) -> String {
    format!("neuron_{}", in_file_name(layer))
}

/// A layer in the name of a file. Exported networks name layers as they like, also `x/../..`.
pub(crate) fn in_file_name(layer: &str) -> String {
    match &*layer.trim().replace(['/', '\\'], "-") {
        "." | ".." => "-".to_owned(),
        plain => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_one_part_of_a_path() {
        for (layer, expected) in
            [("layer4", "neuron_layer4"), ("x/../../esc", "neuron_x-..-..-esc"), ("a\\b", "neuron_a-b")]
        {
            assert_eq!(of(layer), expected);
        }
        assert_eq!((&*in_file_name(".."), &*in_file_name(" a ")), ("-", "a"));
    }
}

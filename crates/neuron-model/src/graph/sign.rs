use super::Graph;
use crate::value::NodeId;

impl Graph {
    /// Whether no value of a node can be below 0, whatever the image: the output of a ReLU, and what pools or adds
    /// such values.
    ///
    /// Only of such a value can be said that a unit is silent: at 0 everywhere, and nothing would change if it were
    /// driven further down. What comes before a ReLU, or goes without one (logits), is below 0 like any other number.
    pub fn is_non_negative(&self, id: NodeId) -> bool {
        self.non_negative[id.0]
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Weights};

    #[test]
    fn only_what_comes_after_a_relu_is_never_negative() {
        let graph = Architecture::from_name("resnet50").unwrap().graph(&Weights::default());
        let is = |name: &str| graph.is_non_negative(graph.tap(name).unwrap().node);
        for name in ["relu", "maxpool", "layer1.0", "layer4", "layer4.2.relu", "avgpool"] {
            assert!(is(name), "{name}");
        }
        for name in ["conv1", "bn1", "layer1.0.bn3", "layer1.0.downsample", "layer4.2.conv2", "fc"] {
            assert!(!is(name), "{name}");
        }
        assert!(!graph.is_non_negative(graph.input()));
    }
}

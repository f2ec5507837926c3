//! Are these the weights of that network?

use super::Architecture;
use crate::error::ModelError;
use crate::graph::Graph;
use crate::weights::{self, Weights};

/// A network as its weights fill it.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The network; it ends below its classifier if the weights hold none ([`Graph::absent`]).
    pub graph: Graph,
    /// Tensors that the network does not use: those of another head, where its own is absent.
    pub unused: Vec<String>,
}

impl Architecture {
    /// Checks that these are weights of this network.
    ///
    /// Every tensor must be there in its shape, and no other. Only the classifier may be absent, or be another: then
    /// the network ends below it, and tensors outside of its modules are not used.
    ///
    /// # Errors
    /// [`ModelError::WrongWeights`] with everything that is missing, extra or misshapen, and with the networks whose
    /// weights they are instead.
    pub fn fit(&self, weights: &Weights) -> Result<Fit, ModelError> {
        let mut wrong = match self.fit_only(weights) {
            Err(ModelError::WrongWeights { problems }) => problems,
            fit => return fit,
        };
        let others = Self::names().filter_map(|name| Some((name, Self::from_name(name).ok()?)));
        let fitting = others.filter(|(_, other)| other != self && other.fit_only(weights).is_ok());
        wrong.fits = fitting.map(|(name, _)| name).collect();
        Err(ModelError::WrongWeights { problems: wrong })
    }

    /// As [`Architecture::fit`], without a look at other networks.
    fn fit_only(&self, weights: &Weights) -> Result<Fit, ModelError> {
        let graph = self.graph(weights);
        let mut expected = graph.expected_tensors();
        if graph.absent().is_empty() {
            weights::check(weights, &expected)?;
            return Ok(Fit { graph, unused: Vec::new() });
        }
        match weights::check_below_head(weights, &expected) {
            Ok(unused) => Ok(Fit { graph, unused }),
            // If they are not the network's at all, what its classifier lacks belongs to the list.
            Err(_) => {
                expected.extend(graph.absent().iter().flat_map(|absent| absent.tensors.clone()));
                weights::check(weights, &expected)?;
                Ok(Fit { graph, unused: Vec::new() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::weights::{WeightTensor, WeightsProblem};

    const NAME: &str = "resnet10_demo";

    fn architecture(name: &str) -> Architecture {
        Architecture::from_name(name).unwrap()
    }

    /// The tensors of the small network, with a change to their list.
    fn weights(change: impl FnOnce(&mut BTreeMap<String, Vec<usize>>)) -> Weights {
        let expected = architecture(NAME).graph(&Weights::default()).expected_tensors();
        let mut shapes: BTreeMap<_, _> = expected.into_iter().collect();
        change(&mut shapes);
        let tensor = |shape: Vec<usize>| {
            let elements = shape.iter().product();
            WeightTensor::new(shape, vec![0.5; elements])
        };
        Weights::from_tensors(shapes.into_iter().map(|(name, shape)| (name, tensor(shape))), BTreeMap::new())
    }

    fn problems(weights: &Weights) -> Vec<WeightsProblem> {
        match architecture(NAME).fit(weights).unwrap_err() {
            ModelError::WrongWeights { problems } => problems.list,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn any_number_of_classes_is_a_classifier() {
        let seven = weights(|shapes| {
            shapes.insert("fc.weight".into(), vec![7, 128]);
            shapes.insert("fc.bias".into(), vec![7]);
        });
        let fit = architecture(NAME).fit(&seven).unwrap();
        let fc = fit.graph.tap("fc").unwrap();
        assert_eq!(fit.graph.channels(fc.node), 7);
    }

    #[test]
    fn without_its_classifier_a_network_ends_below_it() {
        let headless = weights(|shapes| {
            shapes.remove("fc.weight");
            shapes.remove("fc.bias");
            shapes.insert("head.fc.weight".into(), vec![5, 128]);
            shapes.insert("projector.0.weight".into(), vec![64, 128]);
        });
        let fit = architecture(NAME).fit(&headless).unwrap();
        assert_eq!(fit.unused, ["head.fc.weight", "projector.0.weight"]);
        fit.graph.tap("avgpool").unwrap();
        let message = fit.graph.tap("fc").unwrap_err().to_string();
        assert_eq!(
            message,
            "layer fc cannot be computed: the weights hold no fc.weight and no fc.bias; every layer below it works"
        );
    }

    #[test]
    fn a_head_of_several_layers_is_another_head() {
        let of_two = weights(|shapes| {
            shapes.remove("fc.weight");
            shapes.remove("fc.bias");
            shapes.insert("fc.0.weight".into(), vec![128, 128]);
            shapes.insert("fc.2.weight".into(), vec![32, 128]);
        });
        assert_eq!(architecture(NAME).fit(&of_two).unwrap().unused, ["fc.0.weight", "fc.2.weight"]);
    }

    #[test]
    fn beside_its_own_classifier_nothing_else_may_be() {
        let more = weights(|shapes| {
            shapes.insert("attention.weight".into(), vec![1]);
        });
        let found = problems(&more);
        assert!(
            matches!(&found[..], [WeightsProblem::Unexpected { tensor, .. }] if tensor == "attention.weight")
        );
    }

    #[test]
    fn another_networks_tensors_are_refused_without_a_classifier_too() {
        let deeper = weights(|shapes| {
            shapes.remove("fc.bias");
            shapes.insert("layer1.1.conv1.weight".into(), vec![16, 16, 3, 3]);
            shapes.remove("layer2.0.bn1.bias");
        });
        let found: Vec<String> = problems(&deeper).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "missing: layer2.0.bn1.bias [32]",
                "missing: fc.bias [1000]",
                "unexpected: layer1.1.conv1.weight [16, 16, 3, 3]",
            ]
        );
    }

    #[test]
    fn the_network_whose_weights_they_are_is_named() {
        let message = architecture("resnet50").fit(&weights(|_| ())).unwrap_err().to_string();
        assert!(message.ends_with("they are weights of resnet10_demo: name that architecture, or fetch or convert those of this one"), "{message}");
    }
}

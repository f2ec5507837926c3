//! Are these the weights of that network?

use std::collections::BTreeSet;

use super::Architecture;
use crate::error::ModelError;
use crate::graph::Graph;
use crate::weights::{self, Weights};

/// A network as its weights fill it.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The network; it ends below its classifier if the weights hold none ([`Graph::absent`]).
    pub graph: Graph,
    /// Tensors that the network does not use, because they belong to none of its modules: those of a loss, or of another
    /// head.
    pub unused: Vec<String>,
}

impl Architecture {
    /// Checks that these are weights of this network.
    ///
    /// Every tensor must be there in its shape, and the network's modules may hold no other. Only the classifier may be
    /// absent, or be another: then the network ends below it. Tensors outside of its modules are not used.
    ///
    /// # Errors
    /// [`ModelError::WrongWeights`] with everything that is missing, extra or misshapen, and with the networks whose
    /// weights they are instead; [`ModelError::WrongMetadata`].
    pub fn fit(&self, weights: &Weights) -> Result<Fit, ModelError> {
        let mut wrong = match self.fit_only(weights) {
            Err(ModelError::WrongWeights { problems }) => problems,
            fit => return fit,
        };
        let fitting = Self::all().filter(|other| other != self && other.fit_only(weights).is_ok());
        wrong.fits = fitting.map(|other| other.name()).collect();
        Err(ModelError::WrongWeights { problems: wrong })
    }

    /// As [`Architecture::fit`], without a look at other networks, which takes a moment where weights do not fit.
    ///
    /// # Errors
    /// [`ModelError::WrongWeights`] with everything that is missing, extra or misshapen; [`ModelError::WrongMetadata`].
    pub fn fit_only(&self, weights: &Weights) -> Result<Fit, ModelError> {
        self.family.choices().iter().try_for_each(|choice| choice.check(weights))?;
        let graph = self.graph(weights);
        let mut expected = graph.expected_tensors();
        let mut modules: BTreeSet<String> =
            graph.taps().map(|tap| weights::outermost(&tap.name).to_owned()).collect();
        let is_inside = |modules: &BTreeSet<String>, tensor: &str| {
            let by_module = || modules.contains(weights::outermost(tensor));
            self.family.is_read(tensor).unwrap_or_else(by_module)
        };
        match weights::check_modules(weights, &expected, |tensor| is_inside(&modules, tensor)) {
            Ok(unused) => Ok(Fit { graph, unused }),
            Err(error) if graph.absent().is_empty() => Err(error),
            // If they are not the network's at all, what its classifier lacks belongs to the list.
            Err(_) => {
                expected.extend(graph.absent().iter().flat_map(|absent| absent.tensors.clone()));
                modules.extend(graph.absent().iter().map(|absent| absent.name.clone()));
                let unused =
                    weights::check_modules(weights, &expected, |tensor| is_inside(&modules, tensor))?;
                Ok(Fit { graph, unused })
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
    fn what_belongs_to_no_module_is_not_used_and_what_belongs_to_one_is_refused() {
        for headless in [false, true] {
            let with = |name: &str| {
                weights(|shapes| {
                    shapes.retain(|name, _| !(headless && name.starts_with("fc.")));
                    shapes.insert(name.into(), vec![1]);
                })
            };
            for beside in ["criterion.pos_weight", "loss.weight", "temperature", "val_metric.total"] {
                assert_eq!(architecture(NAME).fit(&with(beside)).unwrap().unused, [beside]);
            }
            // The last three belong to another activation and to other poolings: this network's have no tensors.
            for inside in
                ["layer1.0.attention.weight", "conv1.bias", "relu.weight", "maxpool.filt", "avgpool.p"]
            {
                let found = problems(&with(inside));
                let is_inside = |problem: &WeightsProblem| matches!(problem, WeightsProblem::Unexpected { tensor, .. } if tensor == inside);
                assert!(found.iter().any(is_inside), "{inside}: {found:?}");
            }
        }
    }

    #[test]
    fn what_thop_counts_is_no_tensor_of_the_network() {
        let counted = weights(|shapes| {
            for module in ["", "layer1.0.conv1.", "fc."] {
                shapes.insert(format!("{module}total_ops"), vec![1]);
                shapes.insert(format!("{module}total_params"), vec![1]);
            }
        });
        let fit = architecture(NAME).fit(&counted).unwrap();
        assert!(fit.unused.is_empty() && fit.graph.absent().is_empty());
    }

    #[test]
    fn half_a_classifier_is_said_to_lack_the_other_half() {
        for (change, said) in [
            (("fc.bias", None), "no fc.bias;"),
            (("fc.weight", None), "no fc.weight;"),
            (("fc.weight", Some(vec![1000, 5])), "no fitting fc.weight;"),
            (("fc.bias", Some(vec![7])), "no fitting fc.bias;"),
        ] {
            let changed = weights(|shapes| {
                let (name, shape) = change;
                shapes.remove(name);
                shapes.extend(shape.map(|shape| (name.to_owned(), shape)));
            });
            let message = architecture(NAME).fit(&changed).unwrap().graph.tap("fc").unwrap_err().to_string();
            assert!(message.contains(&format!("the weights hold {said}")), "{message}");
        }
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

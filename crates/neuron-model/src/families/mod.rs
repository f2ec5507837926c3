//! The networks that are known by name. All that is said of a family of them is in one file here.

mod alexnet;
mod blocks;
mod choice;
mod classifier;
mod clip;
mod convnext;
mod densenet;
mod dinov2;
mod efficientnet;
mod fit;
mod googlenet;
mod inception;
mod maxvit;
mod mnasnet;
mod mobilenet_v2;
mod mobilenet_v3;
mod regnet;
mod resnet;
mod shufflenet;
mod squeezenet;
mod swin;
mod timm_vit;
mod tower;
mod transformer;
mod vgg;
mod vit;

pub use fit::Fit;

use std::fmt;

use self::choice::Choice;
use crate::error::ModelError;
use crate::graph::{Graph, UsualLayers};
use crate::nearest::nearest;
use crate::weights::Weights;

/// Every known family. A new one is a file with a description, and a line here.
static FAMILIES: &[&dyn Family] = &[
    &resnet::ResNets,
    &alexnet::AlexNets,
    &convnext::ConvNexts,
    &densenet::DenseNets,
    &efficientnet::EfficientNets,
    &googlenet::GoogLeNets,
    &inception::Inceptions,
    &maxvit::MaxVits,
    &mnasnet::MnasNets,
    &mobilenet_v2::MobileNetV2s,
    &mobilenet_v3::MobileNetV3s,
    &regnet::RegNets,
    &shufflenet::ShuffleNets,
    &squeezenet::SqueezeNets,
    &swin::Swins,
    &vgg::Vggs,
    &vit::Vits,
    &timm_vit::TimmVits,
    &dinov2::DinoV2s,
    &clip::Clips,
];

/// What is said of all networks of one design.
trait Family: fmt::Debug + Sync {
    /// Its networks by name; the names are torchvision's, where it has the network.
    fn members(&self) -> &'static [Member];

    /// The repository on the Hugging Face Hub that holds the weights of one of its networks, if there is one.
    fn hub_repository(&self, _name: &str) -> Option<String> {
        None
    }

    /// What the weights' metadata choose.
    fn choices(&self) -> &'static [Choice] {
        &[]
    }

    /// Today's name of a tensor that checkpoints of older versions call otherwise, as torchvision renames it when it
    /// loads them; `None` for every other name, today's among them.
    fn current_name(&self, _tensor: &str) -> Option<String> {
        None
    }

    /// Whether a tensor that the network does not have would change what it computes (`Some(true)`: then the weights are
    /// another network's), or is there for training alone (`Some(false)`); `None` where that is known by the tensor's module.
    fn is_read(&self, _tensor: &str) -> Option<bool> {
        None
    }
}

/// A network of a family: its name, how it is built, and its usual layers.
#[derive(Clone, Copy, Debug)]
struct Member {
    name: &'static str,
    description: &'static dyn Description,
    layers: Layers,
}

/// The layers that are used if nobody names others.
#[derive(Clone, Copy, Debug)]
struct Layers {
    /// Those whose features are matched and at which relevance is shown, from the image upwards, one at each resolution,
    /// each with the weight of its features. A weight of 0 leaves a layer out of the matching.
    features: &'static [(&'static str, f64)],
    /// The layer whose units are looked at: the last one with a map.
    target: &'static str,
    /// The last block of that layer by its own name: the same values.
    target_block: &'static str,
}

impl Layers {
    /// Those of a network whose last layer has no name for its last block.
    const fn new(features: &'static [(&'static str, f64)], target: &'static str) -> Self {
        Self { features, target, target_block: target }
    }
}

/// What is said of one network.
trait Description: fmt::Debug + Sync {
    /// The network as `weights` fill it; see [`Architecture::graph`] for what they decide.
    fn graph(&self, weights: &Weights) -> Graph;

    /// The network without weights in every spelling of its tensors' names: that of [`Description::graph`] first.
    fn spellings(&self) -> Vec<Graph> {
        vec![self.graph(&Weights::default())]
    }
}

/// A known network: a name, and the family to which it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    member: Member,
    family: &'static dyn Family,
}

/// Two are the same if their names are.
impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Architecture {}

impl Architecture {
    /// Every known network.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES.iter().flat_map(|family| {
            family.members().iter().map(|member| Self { member: *member, family: *family })
        })
    }

    /// The names of every known network.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::all().map(|architecture| architecture.name())
    }

    /// The network of that name (torchvision's: `resnet50`, `resnext50_32x4d`).
    ///
    /// # Errors
    /// [`ModelError::UnknownArchitecture`] with the nearest names; [`Architecture::names`] has them all.
    pub fn from_name(name: &str) -> Result<Self, ModelError> {
        Self::all().find(|known| known.name() == name).ok_or_else(|| ModelError::UnknownArchitecture {
            name: name.to_owned(),
            nearest: nearest(name, Self::names()),
        })
    }

    /// Its name: torchvision's, where it has the network.
    pub fn name(&self) -> &'static str {
        self.member.name
    }

    /// The graph of this network as `weights` fill it.
    ///
    /// The weights decide what the name leaves open: the number of classes by the shape of the classifier, and by
    /// their metadata what its family says (in residual networks, where a bottleneck's stride sits). Where several authors name
    /// the tensors of one network, layers are named as the weights' author names them. Without its classifier a network ends below it ([`Graph::absent`]).
    pub fn graph(&self, weights: &Weights) -> Graph {
        self.member.description.graph(weights)
    }

    /// The layers whose features are matched, and at which relevance is shown, if nobody names others: from the
    /// image upwards, each with the usual weight of its features.
    pub fn feature_layers(&self) -> &'static [(&'static str, f64)] {
        self.member.layers.features
    }

    /// The layer whose units are looked at if nobody names another.
    pub fn target_layer(&self) -> &'static str {
        self.member.layers.target
    }

    /// The last block of [`Architecture::target_layer`] by its own name: the same values.
    pub fn target_block(&self) -> &'static str {
        self.member.layers.target_block
    }

    /// The layers that are used if nobody names others.
    pub fn usual_layers(&self) -> UsualLayers {
        UsualLayers {
            features: self
                .feature_layers()
                .iter()
                .map(|(name, weight)| ((*name).to_owned(), *weight))
                .collect(),
            target: self.target_layer().to_owned(),
            target_block: self.target_block().to_owned(),
        }
    }

    /// The repository on the Hugging Face Hub that holds its weights (`timm/resnet50.tv_in1k`), if one is known.
    pub fn hub_repository(&self) -> Option<String> {
        self.family.hub_repository(self.name())
    }

    /// The network without weights, in every spelling of its tensors' names; the usual one first.
    pub(crate) fn spellings(&self) -> Vec<Graph> {
        self.member.description.spellings()
    }

    /// Today's name of a tensor that older checkpoints call otherwise; `None` for every other name.
    pub(crate) fn current_name(&self, tensor: &str) -> Option<String> {
        self.family.current_name(tensor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::weights::WeightTensor;

    #[test]
    fn no_name_is_taken_twice() {
        let names: BTreeSet<_> = Architecture::names().collect();
        assert_eq!(names.len(), Architecture::names().count());
    }

    /// Residual networks whose batch norms were once called `norm.1`, `norm.2`, ...
    #[derive(Debug)]
    struct Renamed;

    impl Family for Renamed {
        fn members(&self) -> &'static [Member] {
            resnet::ResNets.members()
        }

        fn current_name(&self, tensor: &str) -> Option<String> {
            tensor.contains("norm.").then(|| tensor.replace("norm.", "bn"))
        }
    }

    #[test]
    fn a_checkpoint_with_the_names_of_an_older_version_is_opened_with_todays() {
        let small = Architecture::from_name("resnet10_demo").unwrap();
        let small = Architecture { family: &Renamed, ..small };
        let tensors = small.graph(&Weights::default()).expected_tensors().into_iter().map(|(name, shape)| {
            let elements = shape.iter().product();
            (format!("module.{}", name.replace("bn", "norm.")), WeightTensor::new(shape, vec![0.5; elements]))
        });
        let older = Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new());
        let norms = older.names().filter(|name| name.contains("norm.")).count();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.safetensors");
        older.save(&path).unwrap();

        let opened = small.open(&path, None).unwrap();
        let fit = small.fit(&opened).unwrap();
        assert!(fit.unused.is_empty() && fit.graph.absent().is_empty());
        assert_eq!((opened.origin().renamed, opened.origin().prefix.as_str()), (norms, "module."));
        assert!(norms > 0 && opened.tensor("layer1.0.bn2.running_var").is_some());
    }

    #[test]
    fn what_a_family_says_of_layers_is_true_of_every_network() {
        let all = Architecture::all().flat_map(|architecture| {
            architecture.spellings().into_iter().map(move |graph| (architecture, graph))
        });
        for (architecture, graph) in all {
            let node = |layer: &str| graph.tap(layer).unwrap_or_else(|error| panic!("{error}")).node;
            let target = node(architecture.target_layer());
            assert_eq!(node(architecture.target_block()), target, "{}", architecture.name());
            // Behind attention positions see everything, and keep their cells.
            let has_places = graph.receptive_field(target).or(graph.cell(target)).is_some();
            assert!(has_places, "{} has a map", architecture.name());

            let features = architecture.feature_layers();
            assert!(features.iter().all(|(_, weight)| weight.is_finite() && *weight >= 0.0));
            let nodes: Vec<_> = features.iter().map(|(layer, _)| node(layer)).collect();
            assert!(nodes.is_sorted() && nodes.last() <= Some(&target), "{}", architecture.name());
        }
    }
}

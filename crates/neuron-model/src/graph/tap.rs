use neuron_geometry::per_axis;
use serde::Serialize;

use super::Graph;
use crate::error::ModelError;
use crate::nearest::nearest;
use crate::value::{NodeId, Shape};

/// A named place in a network whose value can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tap {
    /// The module's name as torchvision's `named_modules` spells it (`layer4.2.conv2`).
    pub name: String,
    /// The node whose output the module returns.
    pub node: NodeId,
}

/// What is known of a tap without running the network. Pairs are `[vertical, horizontal]`; as JSON they are one number
/// where both are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TapInfo {
    /// The module's name.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// Height of its map for the asked image size.
    pub height: usize,
    /// Width of its map for the asked image size.
    pub width: usize,
    /// Positions before those of the grid (class and register tokens); written only where there are some.
    #[serde(skip_serializing_if = "is_zero")]
    pub extra: usize,
    /// Distance of neighbouring positions in input pixels; `None` where every position sees the whole image.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub stride_px: Option<[usize; 2]>,
    /// First input pixel that position 0 sees; negative inside the padding.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub start_px: Option<[i64; 2]>,
    /// Height and width of the theoretical receptive field in input pixels; where the tap is gated, of that without gates.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub receptive_field_px: Option<[usize; 2]>,
    /// Whether factors of whole channels (squeeze-and-excitation) lie below it, by which each position sees the whole
    /// image.
    pub gated: bool,
    /// The cells of the image that belong to the positions of the grid, where each sees the whole image by attention;
    /// written only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellInfo>,
}

/// Where the cells of positions lie in the image. Pairs are as in [`TapInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CellInfo {
    /// Distance of neighbouring cells in input pixels.
    #[serde(serialize_with = "per_axis::serialize")]
    pub stride_px: [usize; 2],
    /// First input pixel of cell 0.
    #[serde(serialize_with = "per_axis::serialize")]
    pub start_px: [i64; 2],
    /// Height and width of a cell in input pixels.
    #[serde(serialize_with = "per_axis::serialize")]
    pub size_px: [usize; 2],
}

impl TapInfo {
    /// The shape of its map.
    pub fn shape(&self) -> Shape {
        let Self { channels, height, width, extra, .. } = *self;
        Shape { channels, height, width, extra }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Graph {
    /// Every tap in the order in which torchvision lists its modules.
    pub fn taps(&self) -> impl Iterator<Item = Tap> + '_ {
        self.modules.iter().map(|(name, node)| Tap { name: name.clone(), node: *node })
    }

    /// The tap of that name (`layer4.2`), or with underscores for dots (`layer4_2`) where only one tap can be meant. Where
    /// several authors have the network, blocks are also found by the names of its usual spelling.
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`] with the nearest names, [`ModelError::AmbiguousTap`] with those that may be meant;
    /// [`ModelError::AbsentTap`] if the weights do not hold it.
    pub fn tap(&self, name: &str) -> Result<Tap, ModelError> {
        let wanted = name.trim();
        let names = || {
            let absent = self.absent.iter().map(|absent| absent.name.as_str());
            self.modules.iter().map(|(name, _)| name.as_str()).chain(absent)
        };
        let loose: Vec<&str> = match names().find(|known| *known == wanted) {
            Some(exact) => vec![exact],
            None => names().filter(|known| loosely(known) == loosely(wanted)).collect(),
        };
        let mut also = self.also.iter().filter(|(known, _)| loosely(known) == loosely(wanted));
        if let (true, Some((name, node))) = (loose.is_empty(), also.next()) {
            return Ok(Tap { name: name.clone(), node: *node });
        }
        match loose[..] {
            [found] => self.tap_or_absent(found),
            [] => {
                let known = self.modules.iter().map(|(name, _)| name.as_str());
                Err(ModelError::UnknownTap { tap: name.to_owned(), nearest: nearest(wanted, known) })
            }
            _ => Err(ModelError::AmbiguousTap {
                tap: name.to_owned(),
                candidates: loose.into_iter().map(str::to_owned).collect(),
            }),
        }
    }

    /// The tap of exactly that name, which is known to be that of a module, there or absent.
    fn tap_or_absent(&self, name: &str) -> Result<Tap, ModelError> {
        self.taps().find(|tap| tap.name == name).ok_or_else(|| {
            let absent = self.absent.iter().find(|absent| absent.name == name);
            let missing = absent.map(|absent| absent.missing.clone()).unwrap_or_default();
            ModelError::AbsentTap { tap: name.to_owned(), missing }
        })
    }

    /// Checks that taps are this graph's own.
    pub(crate) fn check_taps<'t>(&self, taps: impl IntoIterator<Item = &'t Tap>) -> Result<(), ModelError> {
        let is_own = |tap: &Tap| {
            let own = |(name, node): &(String, NodeId)| *node == tap.node && *name == tap.name;
            self.modules.iter().chain(&self.also).any(own) || *tap == self.image_tap()
        };
        match taps.into_iter().find(|tap| !is_own(tap)) {
            None => Ok(()),
            Some(tap) => Err(ModelError::ForeignTap { tap: tap.name.clone() }),
        }
    }

    /// The image itself as a tap: where a backward pass down to the pixels ends.
    pub fn image_tap(&self) -> Tap {
        Tap { name: self.node(self.input()).name.clone(), node: self.input() }
    }

    /// Whether `below` is needed to compute `tap` and is another value than it; taps of other graphs are not.
    pub fn is_strictly_below(&self, below: &Tap, tap: &Tap) -> bool {
        let own = self.check_taps([below, tap]).is_ok();
        own && below.node != tap.node && self.ancestors([tap.node])[below.node.0]
    }

    /// Channels, map size, stride and receptive field of every tap for images of `height x width`.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] or [`ModelError::OnlySize`] if the network cannot take images of that size.
    pub fn tap_infos(&self, height: usize, width: usize) -> Result<Vec<TapInfo>, ModelError> {
        let shapes = self.shapes(&vec![true; self.nodes.len()], height, width)?;
        let info = |tap: Tap| {
            let Shape { channels, height, width, extra } = shapes[tap.node.0]?;
            let field = self.receptive_field(tap.node);
            let cell = self.cell(tap.node).filter(|_| field.is_none());
            Some(TapInfo {
                name: tap.name,
                channels,
                height,
                width,
                extra,
                stride_px: field.map(|field| field.stride_px),
                start_px: field.map(|field| field.start_px),
                receptive_field_px: field.map(|field| field.size_px),
                gated: self.is_gated(tap.node),
                cell: cell.map(|cell| CellInfo {
                    stride_px: cell.stride_px,
                    start_px: cell.start_px,
                    size_px: cell.size_px,
                }),
            })
        };
        Ok(self.taps().filter_map(info).collect())
    }
}

/// A name as it is compared where dots and underscores are not told apart.
fn loosely(name: &str) -> String {
    name.replace('_', ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::ops::{Linear, Relu};

    /// A graph with modules of these names, one above the other, and one that is absent.
    fn graph(names: &[&str], absent: &str) -> Graph {
        let (mut graph, mut value) = GraphBuilder::new(3);
        for name in names {
            value = graph.module(name, Relu, &[value]);
        }
        let head = Linear::new(3, 2);
        graph.leave_out(absent, head, vec![format!("{absent}.weight")]);
        graph.finish().unwrap()
    }

    #[test]
    fn names_with_underscores_are_found_by_either_spelling() {
        let names = ["patch_embed", "encoder_layer_0", "encoder.layers.encoder_layer_7.mlp.0", "layer4.2"];
        let graph = graph(&names, "pre_logits.fc");
        for name in names {
            for typed in
                [name.to_owned(), name.replace('.', "_"), name.replace('_', "."), format!(" {name}\n")]
            {
                assert_eq!(graph.tap(&typed).unwrap().name, name, "{typed}");
            }
        }
        for typed in ["pre_logits.fc", "pre_logits_fc", "pre.logits.fc"] {
            let message = graph.tap(typed).unwrap_err().to_string();
            assert!(message.contains("the weights hold no pre_logits.fc.weight;"), "{message}");
        }
    }

    #[test]
    fn an_exact_name_comes_first_and_a_loose_one_must_be_unique() {
        let graph = graph(&["conv_stem", "conv.stem", "conv_stem.bn_1", "fc"], "head");
        assert_eq!(graph.tap("conv_stem").unwrap().name, "conv_stem");
        assert_eq!(graph.tap("conv.stem").unwrap().name, "conv.stem");
        assert_eq!(graph.tap("conv_stem_bn_1").unwrap().name, "conv_stem.bn_1");
        let twice = self::graph(&["a_b.c", "a.b_c"], "a.b.c_d");
        let message = twice.tap("a_b_c").unwrap_err().to_string();
        assert_eq!(message, "layer a_b_c may be a_b.c or a.b_c; name the one that is meant");
    }

    #[test]
    fn the_nearest_names_are_found_by_either_spelling() {
        let graph = graph(&["patch_embed", "encoder.ln", "encoder.layers.encoder_layer_7.mlp.0"], "head");
        let ModelError::UnknownTap { nearest, .. } =
            graph.tap("encoder_layers_encoder_layer_7_mlp_1").unwrap_err()
        else {
            panic!("there is no such module");
        };
        assert_eq!(nearest[0], "encoder.layers.encoder_layer_7.mlp.0");
    }
}

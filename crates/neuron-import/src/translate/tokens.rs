//! Values whose positions are class tokens and those of a grid, after something was computed on them in another order.

use neuron_model::Shape;
use neuron_model::ops::TokenJoin;

use super::map::{Axis, whole};
use super::rearrange::Grid;
use super::{Map, Obstacle, Translator};

impl Translator<'_> {
    /// A value `[items, tokens, channels]` with as many tokens as the network's, as extra positions before a grid, so that layers
    /// know which is which; `None` of any other, or where it is so already.
    pub(super) fn in_tokens(&mut self, map: &Map) -> Result<Option<Map>, Obstacle> {
        let Some(Shape { height, width, extra, .. }) = self.tokens else { return Ok(None) };
        let tokens = extra + height * width;
        let is_line =
            matches!(map.sizes()[..], [items, length, _] if items == self.items && length == tokens);
        if !is_line || map.shape.extra > 0 {
            return Ok(None);
        }
        const TOKENS: usize = 1;
        const CHANNELS: usize = 2;
        let grid = self.sliced(map, TOKENS, (extra, tokens, 1))?;
        let grid = self.rearranged(&grid, &[CHANNELS], Grid::Of([height, width]))?;
        let before = self.sliced(map, TOKENS, (0, extra, 1))?;
        let before = self.rearranged(&before, &[CHANNELS], Grid::Lines)?;
        let (grid, before) = (self.scaled(&grid)?, self.scaled(&before)?);
        let (node, shape) = self.push(TokenJoin, &[grid.node, before.node])?;
        let dims =
            [whole(Axis::Item, self.items), whole(Axis::Token, tokens), whole(Axis::Channel, shape.channels)];
        Ok(Some(Map::of(node, shape, dims.to_vec())))
    }
}

/// The shape of one item's map: `[channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapShape {
    /// Number of channels.
    pub channels: usize,
    /// Positions along the vertical axis.
    pub height: usize,
    /// Positions along the horizontal axis.
    pub width: usize,
}

impl MapShape {
    /// Number of values of one item's map.
    pub fn len(&self) -> usize {
        self.channels * self.positions()
    }

    /// Whether the map has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }
}

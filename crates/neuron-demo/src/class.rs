use std::fmt;

/// What a picture shows.
///
/// Stripes and tilings fill the picture; shapes repeat on a lattice, each a little out of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Rectangles in rows that are shifted by half.
    Bricks,
    /// A chessboard.
    Checks,
    /// Plus signs.
    Crosses,
    /// Rhombs that stand on their tips.
    Diamonds,
    /// Filled discs.
    Dots,
    /// Thin lines along both axes.
    Grid,
    /// Hearts.
    Hearts,
    /// The outlines of hexagons.
    Honeycomb,
    /// Crescents.
    Moons,
    /// Discs of six blades.
    Pinwheels,
    /// Circles.
    Rings,
    /// Overlapping arcs, as of a fish or a roof.
    Scales,
    /// Five-pointed stars.
    Stars,
    /// Stripes from the upper left to the lower right.
    StripesFalling,
    /// Stripes from side to side.
    StripesHorizontal,
    /// Stripes from the lower left to the upper right.
    StripesRising,
    /// Stripes from top to bottom.
    StripesVertical,
    /// Triangles.
    Triangles,
    /// Wavy stripes.
    Waves,
    /// Stripes with sharp turns.
    Zigzag,
}

impl Class {
    /// Every class, by name; the position is the class's number.
    pub const ALL: [Self; 20] = [
        Self::Bricks,
        Self::Checks,
        Self::Crosses,
        Self::Diamonds,
        Self::Dots,
        Self::Grid,
        Self::Hearts,
        Self::Honeycomb,
        Self::Moons,
        Self::Pinwheels,
        Self::Rings,
        Self::Scales,
        Self::Stars,
        Self::StripesFalling,
        Self::StripesHorizontal,
        Self::StripesRising,
        Self::StripesVertical,
        Self::Triangles,
        Self::Waves,
        Self::Zigzag,
    ];

    /// Its name, which is also that of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bricks => "bricks",
            Self::Checks => "checks",
            Self::Crosses => "crosses",
            Self::Diamonds => "diamonds",
            Self::Dots => "dots",
            Self::Grid => "grid",
            Self::Hearts => "hearts",
            Self::Honeycomb => "honeycomb",
            Self::Moons => "moons",
            Self::Pinwheels => "pinwheels",
            Self::Rings => "rings",
            Self::Scales => "scales",
            Self::Stars => "stars",
            Self::StripesFalling => "stripes-falling",
            Self::StripesHorizontal => "stripes-horizontal",
            Self::StripesRising => "stripes-rising",
            Self::StripesVertical => "stripes-vertical",
            Self::Triangles => "triangles",
            Self::Waves => "waves",
            Self::Zigzag => "zigzag",
        }
    }

    /// Its number: its position in [`Class::ALL`].
    pub fn number(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_names() {
        assert!(Class::ALL.is_sorted_by(|a, b| a.name() < b.name()));
        assert!(Class::ALL.iter().enumerate().all(|(number, class)| class.number() == number));
    }
}

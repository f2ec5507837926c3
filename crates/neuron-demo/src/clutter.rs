//! What stands between a picture and its class: blots in front of it, light that falls unevenly, grain.

use crate::dice::Dice;
use crate::palette::{Colour, colour, mix};
use crate::pattern::Point;

/// At most this many blots in a picture.
const BLOTS: usize = 3;

/// An ellipse of one colour that covers a part of the picture.
#[derive(Clone, Copy, Debug)]
struct Blot {
    centre: Point,
    radii: Point,
    cos_sin: [f32; 2],
    colour: Colour,
    opacity: f32,
}

impl Blot {
    fn roll(dice: &mut Dice, [width, height]: Point) -> Self {
        let radians = dice.between(0.0, std::f32::consts::PI);
        Self {
            centre: [dice.between(0.0, width), dice.between(0.0, height)],
            radii: [dice.between(5.0, 14.0), dice.between(3.0, 9.0)],
            cos_sin: [libm::cosf(radians), libm::sinf(radians)],
            colour: colour(dice),
            opacity: dice.between(0.5, 1.0),
        }
    }

    fn over(&self, below: Colour, [x, y]: Point) -> Colour {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let [cos, sin] = self.cos_sin;
        let across = (cos * x + sin * y) / self.radii[0];
        let along = (cos * y - sin * x) / self.radii[1];
        let outside = (across * across + along * along).sqrt() - 1.0;
        let cover = (0.5 - outside * self.radii[1]).clamp(0.0, 1.0);
        mix(below, self.colour, cover * self.opacity)
    }
}

/// Everything that disturbs one picture.
#[derive(Clone, Debug)]
pub(crate) struct Clutter {
    blots: Vec<Blot>,
    /// Brightness gained from one side to the other, along x and y.
    light: Point,
    size: Point,
    grain: f32,
}

impl Clutter {
    pub(crate) fn roll(dice: &mut Dice, size: Point) -> Self {
        let blots = dice.below(BLOTS + 1);
        Self {
            blots: (0..blots).map(|_| Blot::roll(dice, size)).collect(),
            light: [dice.between(-0.2, 0.2), dice.between(-0.2, 0.2)],
            size,
            grain: dice.between(0.01, 0.05),
        }
    }

    /// The colour at a point after everything; takes one number of the dice.
    pub(crate) fn over(&self, below: Colour, at: Point, dice: &mut Dice) -> Colour {
        let colour = self.blots.iter().fold(below, |below, blot| blot.over(below, at));
        let across = |axis: usize| self.light[axis] * (at[axis] / self.size[axis] - 0.5);
        let shade = 1.0 + across(0) + across(1);
        let grain = self.grain * dice.between(-1.0, 1.0);
        colour.map(|level| level * shade + grain)
    }
}

//! Colours that differ in lightness, so that what is drawn can be told from what it is drawn on.

use crate::dice::Dice;

/// Red, green and blue, 0..1 each.
pub(crate) type Colour = [f32; 3];

/// Lightness (Rec. 709 weights) that lies at least between ink and ground.
const CONTRAST: f32 = 0.3;

/// The colours of one picture, each a gradient of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    pub(crate) ground: [Colour; 2],
    pub(crate) ink: [Colour; 2],
}

impl Palette {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        loop {
            let (ground, ink) = (colour(dice), colour(dice));
            if (lightness(ground) - lightness(ink)).abs() >= CONTRAST {
                return Self { ground: [ground, near(ground, dice)], ink: [ink, near(ink, dice)] };
            }
        }
    }
}

/// Any colour that is neither black nor neon.
pub(crate) fn colour(dice: &mut Dice) -> Colour {
    hsv(dice.unit(), dice.between(0.1, 0.85), dice.between(0.15, 1.0))
}

/// A colour a little beside another.
fn near(colour: Colour, dice: &mut Dice) -> Colour {
    colour.map(|level| (level + dice.between(-0.1, 0.1)).clamp(0.0, 1.0))
}

pub(crate) fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    std::array::from_fn(|c| from[c] + (to[c] - from[c]) * share)
}

fn lightness([red, green, blue]: Colour) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Hue, saturation and value, 0..1 each, as a colour (Smith, "Color gamut transform pairs", 1978).
fn hsv(hue: f32, saturation: f32, value: f32) -> Colour {
    let sector = |offset: f32| {
        let k = (offset + hue * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [sector(5.0), sector(3.0), sector(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_hues_are_primary_colours() {
        assert_eq!(hsv(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        assert_eq!(hsv(1.0 / 3.0, 1.0, 1.0), [0.0, 1.0, 0.0]);
        assert_eq!(hsv(0.7, 0.0, 0.25), [0.25; 3]);
    }

    #[test]
    fn ink_stands_out() {
        for stream in 0..50 {
            let palette = Palette::roll(&mut Dice::new(0, stream));
            let difference = lightness(palette.ground[0]) - lightness(palette.ink[0]);
            assert!(difference.abs() >= CONTRAST);
        }
    }
}

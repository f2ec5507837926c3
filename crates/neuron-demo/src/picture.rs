use crate::class::Class;
use crate::clutter::Clutter;
use crate::dice::Dice;
use crate::palette::{Palette, mix};
use crate::pattern::Pattern;

/// The shortest and the longest side of a picture, in pixels.
const SIDES_PX: [f32; 2] = [112.0, 145.0];

/// A drawn picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
    /// `[height, width, 3]`: red, green, blue.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Draws a picture: the same one for the same class, seed and index, on every machine.
    ///
    /// Chance decides on its size (112 to 144 pixels a side), colours, period, weight, phase, a turn of up to 10
    /// degrees, and clutter. It comes from ChaCha8 with the seed as its key (see [`Dice`]) and
    /// `index * 256 + class` as its stream; only basic arithmetic and functions of the `libm` crate are used, whose
    /// results are the same everywhere.
    pub fn draw(class: Class, seed: u64, index: usize) -> Self {
        let mut dice = Dice::new(seed, index as u64 * 256 + class.number() as u64);
        let mut side = || dice.between(SIDES_PX[0], SIDES_PX[1]) as usize;
        let (height, width) = (side(), side());
        let size = [width as f32, height as f32];
        let palette = Palette::roll(&mut dice);
        let pattern = Pattern::roll(class, &mut dice);
        let clutter = Clutter::roll(&mut dice, size);

        let mut pixels = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            for x in 0..width {
                let at = [x as f32 + 0.5, y as f32 + 0.5];
                let ink = (0.5 - pattern.distance(at)).clamp(0.0, 1.0);
                let fade = 0.5 * (at[0] / size[0] + at[1] / size[1]);
                let below = mix(palette.ground[0], palette.ground[1], fade);
                let drawn = mix(below, mix(palette.ink[0], palette.ink[1], fade), ink);
                let colour = clutter.over(drawn, at, &mut dice);
                pixels.extend(colour.map(|level| (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8));
            }
        }
        Self { height, width, pixels }
    }
}

//! Text under a patch, in a fixed 8 x 8 font.

use font8x8::legacy::BASIC_LEGACY;
use image::{Rgb, RgbImage};

/// Width and height of a character.
const GLYPH: u32 = 8;
/// Height of a line with the space above it.
const LINE: u32 = GLYPH + 1;
const WHITE: Rgb<u8> = Rgb([255; 3]);

/// Height that a text takes under a patch of `width` pixels.
pub(crate) fn height_px(text: &str, width: u32) -> u32 {
    lines(text, width).len() as u32 * LINE
}

/// Writes a text with its top-left corner at `corner`, a (column, row); it must fit, as [`height_px`] says.
pub(crate) fn draw(picture: &mut RgbImage, text: &str, corner: (u32, u32), width: u32) {
    for (line, glyphs) in (0..).zip(lines(text, width)) {
        for (place, glyph) in (0..).zip(glyphs) {
            draw_glyph(picture, glyph, (corner.0 + place * GLYPH, corner.1 + line * LINE + 1), width);
        }
    }
}

/// A glyph wider than its patch is cut at the patch's edge.
fn draw_glyph(picture: &mut RgbImage, glyph: [u8; 8], corner: (u32, u32), width: u32) {
    for (y, bits) in (0..).zip(glyph) {
        for x in (0..GLYPH.min(width)).filter(|x| bits >> x & 1 == 1) {
            picture.put_pixel(corner.0 + x, corner.1 + y, WHITE);
        }
    }
}

/// The glyphs of each line, broken at line ends and where the width is used up.
fn lines(text: &str, width: u32) -> Vec<Vec<[u8; 8]>> {
    let columns = (width / GLYPH).max(1) as usize;
    let glyphs = |line: &str| line.chars().map(glyph).collect::<Vec<_>>();
    text.lines()
        .map(glyphs)
        .flat_map(|line| line.chunks(columns).map(<[_]>::to_vec).collect::<Vec<_>>())
        .collect()
}

fn glyph(character: char) -> [u8; 8] {
    let glyph = |character: char| BASIC_LEGACY.get(character as usize).copied();
    glyph(character).unwrap_or(BASIC_LEGACY['?' as usize])
}

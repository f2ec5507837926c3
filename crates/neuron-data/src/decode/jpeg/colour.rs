//! From colour components to red, green and blue, bit-identical to libjpeg (`jdcolor.c`) and, for four
//! components, to what Pillow makes of its result.

use std::ops::Range;

use super::enlarge;
use super::header::{Frame, Tables};
use super::plane::Plane;
use crate::simd::by_processor;

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColourSpace {
    Gray,
    Rgb,
    YCbCr,
    /// Stored inverted, as Adobe does.
    Cmyk,
    /// The same, with its first three components as YCbCr.
    Ycck,
}

impl ColourSpace {
    /// The rules of libjpeg (`default_decompress_parms`).
    pub(super) fn of(frame: &Frame, tables: &Tables) -> Self {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.len(), tables.adobe_transform) {
            (1, _) => Self::Gray,
            (3, _) if tables.has_jfif => Self::YCbCr,
            (3, Some(0)) => Self::Rgb,
            (3, None) if ids == *b"RGB" => Self::Rgb,
            (3, _) => Self::YCbCr,
            (_, None | Some(0)) => Self::Cmyk,
            (_, Some(_)) => Self::Ycck,
        }
    }
}

/// Converts the wanted part of a picture; the fourth byte of a pixel means nothing.
pub(super) fn paint(
    space: ColourSpace,
    planes: &[Plane],
    rows: &Range<usize>,
    columns: &Range<usize>,
    memory: &mut [enlarge::Memory; 4],
    pixels: &mut Vec<[u8; 4]>,
) {
    pixels.clear();
    pixels.resize(rows.len() * columns.len(), [0; 4]);
    if columns.is_empty() {
        return;
    }
    for (y, line) in rows.clone().zip(pixels.chunks_exact_mut(columns.len())) {
        let samples = enlarge::rows(planes, y, columns, memory);
        paint_row(space, &samples, line);
    }
}

by_processor! {
    fn paint_row(space: ColourSpace, samples: &[&[u8]; 4], out: &mut [[u8; 4]]) {
        wide: portable_paint_row, portable: portable_paint_row
    }
}

#[inline(always)]
fn portable_paint_row(space: ColourSpace, [a, b, c, d]: &[&[u8]; 4], out: &mut [[u8; 4]]) {
    let pixels = out.iter_mut();
    match space {
        ColourSpace::Gray => pixels.zip(*a).for_each(|(out, &gray)| *out = [gray; 4]),
        ColourSpace::Rgb => {
            pixels.zip(*a).zip(*b).zip(*c).for_each(|(((out, &r), &g), &b)| *out = [r, g, b, 0]);
        }
        ColourSpace::YCbCr => {
            pixels.zip(*a).zip(*b).zip(*c).for_each(|(((out, &y), &cb), &cr)| *out = from_ycbcr(y, cb, cr));
        }
        ColourSpace::Cmyk => {
            let inks = pixels.zip(*a).zip(*b).zip(*c).zip(*d);
            inks.for_each(|((((out, &c), &m), &y), &k)| *out = from_inverted_cmyk([c, m, y], k));
        }
        ColourSpace::Ycck => {
            let inks = pixels.zip(*a).zip(*b).zip(*c).zip(*d);
            inks.for_each(|((((out, &y), &cb), &cr), &k)| {
                let [r, g, b, _] = from_ycbcr(y, cb, cr);
                *out = from_inverted_cmyk([255 - r, 255 - g, 255 - b], k);
            });
        }
    }
}

/// BT.601 with 16 fractional bits, rounded as in libjpeg: green's two terms together.
#[inline(always)]
fn from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 4] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let level = |level: i32| level.clamp(0, 255) as u32;
    let red = level(y + ((91_881 * cr + HALF) >> 16));
    let green = level(y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16));
    let blue = level(y + ((116_130 * cb + HALF) >> 16));
    // As one number: the compiler stores eight pixels at once.
    (red | green << 8 | blue << 16).to_le_bytes()
}

/// Ink that is stored as its absence, the way Pillow mixes it: paper that is left white, less the ink on it.
#[inline(always)]
fn from_inverted_cmyk(inks: [u8; 3], white: u8) -> [u8; 4] {
    let mix = |absent: u8| {
        let product = u32::from(255 - absent) * u32::from(white) + 128;
        let covered = (product + (product >> 8)) >> 8;
        u32::from(white).saturating_sub(covered) as u8
    };
    let [red, green, blue] = inks.map(mix);
    [red, green, blue, 0]
}

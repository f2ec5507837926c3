//! Markers and their segments: everything of a file but the entropy-coded data.

use super::huffman::HuffmanTable;
use super::{corrupt, truncated, unsupported};
use crate::error::ImageError;

/// Index in a block, row by row, of the k-th coefficient of the zigzag order (T.81, figure A.6).
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The header of the picture (SOF).
pub(super) struct Frame {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<FrameComponent>,
}

/// One colour plane as the frame describes it.
#[derive(Clone, Copy)]
pub(super) struct FrameComponent {
    pub(super) id: u8,
    /// Blocks in an MCU, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Slot of the quantisation table.
    pub(super) quantisation: usize,
}

/// The header of a scan (SOS).
pub(super) struct Scan {
    /// Index in the frame's components, slot of the DC table, slot of the AC table.
    pub(super) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient, in zigzag order.
    pub(super) band: (usize, usize),
    /// Successive approximation: whether this scan refines, and the bit it starts from.
    pub(super) refines: bool,
    pub(super) low_bit: u32,
}

/// What has been defined so far; tables may be redefined between scans.
#[derive(Default)]
pub(super) struct Tables {
    /// In zigzag order.
    pub(super) quantisation: [Option<[i32; 64]>; 4],
    pub(super) dc: [Option<Box<HuffmanTable>>; 4],
    pub(super) ac: [Option<Box<HuffmanTable>>; 4],
    pub(super) restart_interval: usize,
    pub(super) has_jfif: bool,
    /// The colour transform of Adobe's marker.
    pub(super) adobe_transform: Option<u8>,
}

/// Takes bytes from a segment.
pub(super) struct Segment<'a>(&'a [u8]);

impl<'a> Segment<'a> {
    /// The segment whose length stands at `at`, and the byte behind it.
    pub(super) fn at(file: &'a [u8], at: usize) -> Result<(Self, usize), ImageError> {
        let length = file.get(at..at + 2).ok_or_else(truncated)?;
        let end = at + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if end < at + 2 {
            return Err(corrupt("a segment is shorter than its own length"));
        }
        Ok((Self(file.get(at + 2..end).ok_or_else(truncated)?), end))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ImageError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| corrupt("a segment is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ImageError> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Two numbers of four bits.
    fn nibbles(&mut self) -> Result<(usize, usize), ImageError> {
        self.byte().map(|byte| (usize::from(byte >> 4), usize::from(byte & 15)))
    }

    fn short(&mut self) -> Result<usize, ImageError> {
        self.take(2).map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }
}

impl Frame {
    /// Reads the segment of a start-of-frame marker.
    pub(super) fn parse(marker: u8, mut segment: Segment<'_>) -> Result<Self, ImageError> {
        let progressive = match marker {
            0xc0 | 0xc1 => false,
            0xc2 => true,
            0xc3 | 0xc7 | 0xcb | 0xcf => return Err(unsupported("lossless coding")),
            0xc5 | 0xc6 | 0xcd | 0xce => return Err(unsupported("hierarchical coding")),
            _ => return Err(unsupported("arithmetic coding")),
        };
        if segment.byte()? != 8 {
            return Err(unsupported("samples of other than 8 bits"));
        }
        let (height, width) = (segment.short()?, segment.short()?);
        let count = segment.byte()?;
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(&format!("{count} colour components")));
        }
        let mut components = Vec::new();
        for _ in 0..count {
            let id = segment.byte()?;
            let (across, down) = segment.nibbles()?;
            let quantisation = usize::from(segment.byte()?);
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) || quantisation > 3 {
                return Err(corrupt("a component's description is out of range"));
            }
            components.push(FrameComponent { id, across, down, quantisation });
        }
        Ok(Self { height, width, progressive, components })
    }
}

impl Scan {
    /// Reads the segment of a start-of-scan marker.
    pub(super) fn parse(mut segment: Segment<'_>, frame: &Frame) -> Result<Self, ImageError> {
        let count = usize::from(segment.byte()?);
        let mut components = Vec::new();
        for _ in 0..count {
            let id = segment.byte()?;
            let (dc, ac) = segment.nibbles()?;
            // Some encoders give several components one id: each is meant once.
            let is_meant = |&at: &usize| {
                frame.components[at].id == id && components.iter().all(|&(seen, _, _)| seen != at)
            };
            let component = (0..frame.components.len()).find(is_meant);
            let component = component.ok_or_else(|| corrupt("a scan names an unknown component"))?;
            if dc > 3 || ac > 3 {
                return Err(corrupt("a scan names a table that has no place"));
            }
            components.push((component, dc, ac));
        }
        let band = (usize::from(segment.byte()?), usize::from(segment.byte()?));
        let (high_bit, low_bit) = segment.nibbles()?;
        let scan = Self { components, band, refines: high_bit != 0, low_bit: low_bit as u32 };
        // Sequential scans have no bands; encoders write all sorts of numbers there.
        let sound = !frame.progressive || (scan.band_is_sound() && low_bit <= 13);
        if scan.components.is_empty() || !sound {
            return Err(corrupt("a scan's description is out of range"));
        }
        Ok(scan)
    }

    /// DC stands alone; AC comes one component at a time.
    fn band_is_sound(&self) -> bool {
        let (first, last) = self.band;
        if first == 0 { last == 0 } else { first <= last && last < 64 && self.components.len() == 1 }
    }
}

impl Tables {
    /// Quantisation tables (DQT).
    pub(super) fn define_quantisation(&mut self, mut segment: Segment<'_>) -> Result<(), ImageError> {
        while !segment.0.is_empty() {
            let (precision, slot) = segment.nibbles()?;
            let mut table = [0; 64];
            for step in &mut table {
                *step = if precision == 0 { i32::from(segment.byte()?) } else { segment.short()? as i32 };
            }
            *self.quantisation.get_mut(slot).ok_or_else(|| corrupt("a quantisation table has no place"))? =
                Some(table);
        }
        Ok(())
    }

    /// Huffman tables (DHT).
    pub(super) fn define_huffman(&mut self, mut segment: Segment<'_>) -> Result<(), ImageError> {
        while !segment.0.is_empty() {
            let (class, slot) = segment.nibbles()?;
            let mut counts = [0; 16];
            counts.copy_from_slice(segment.take(16)?);
            let symbols = segment.take(counts.iter().map(|&count| usize::from(count)).sum())?;
            let table =
                HuffmanTable::new(&counts, symbols).ok_or_else(|| corrupt("an impossible Huffman table"))?;
            let slots = if class == 0 { &mut self.dc } else { &mut self.ac };
            let slot = slots.get_mut(slot).ok_or_else(|| corrupt("a Huffman table has no place"))?;
            *slot = Some(Box::new(table));
        }
        Ok(())
    }

    /// Any other segment: restart interval and the two application markers that decide on colours.
    pub(super) fn define_other(&mut self, marker: u8, mut segment: Segment<'_>) -> Result<(), ImageError> {
        match marker {
            0xdd => self.restart_interval = segment.short()?,
            0xe0 => self.has_jfif |= segment.0.starts_with(b"JFIF\0"),
            0xee if segment.0.starts_with(b"Adobe") => self.adobe_transform = segment.0.get(11).copied(),
            _ => {}
        }
        Ok(())
    }
}

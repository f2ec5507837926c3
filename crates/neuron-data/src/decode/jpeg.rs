//! JPEG, bit-identical to libjpeg-turbo's default: accurate integer transform, smooth chroma, no scaling.
//!
//! Baseline, extended and progressive Huffman coding; 8 bits; gray, YCbCr, RGB, CMYK and YCCK. Entropy
//! decoding has to read a whole file, but only the blocks below the wanted part are transformed, enlarged and
//! converted, which is about half of a photograph. As libjpeg does, broken data inside the file are survived
//! (the rest of a damaged stretch stays gray); a file that ends before the picture does is an error, as with
//! Pillow.

mod bits;
mod block;
mod colour;
mod enlarge;
mod header;
mod huffman;
mod idct;
mod plane;
mod progressive;
mod scan;
mod sequential;

use std::ops::Range;

use super::Extent;
use crate::error::ImageError;
use crate::limits::Limits;
use bits::BitReader;
use colour::ColourSpace;
use header::{Frame, Scan, Segment, Tables};
use plane::Plane;
use scan::Entropy;

/// Scans that a file may have; more serve only to waste time. Encoders write about ten.
const MAX_SCANS: usize = 200;

/// Memory that is kept from picture to picture.
#[derive(Default)]
pub(super) struct Scratch {
    planes: [plane::Memory; 4],
    rows: [enlarge::Memory; 4],
}

/// Decodes the rows and columns that `wanted(height, width)` asks for into `pixels`, red, green, blue and one
/// byte of padding.
pub(super) fn decode(
    file: &[u8],
    limits: &Limits,
    wanted: impl FnOnce(usize, usize) -> (Range<usize>, Range<usize>),
    scratch: &mut Scratch,
    pixels: &mut Vec<[u8; 4]>,
) -> Result<Extent, ImageError> {
    let mut tables = Tables::default();
    let (frame, first_scan) = find_frame(file, &mut tables)?;
    limits.check("JPEG", frame.height, frame.width)?;
    let (rows, columns) = wanted(frame.height, frame.width);
    let mut planes = plane::lay_out(&frame, &rows, &columns, &mut scratch.planes)?;

    read_scans(file, first_scan, &frame, &mut tables, &mut planes)?;
    if frame.progressive {
        planes.iter_mut().for_each(Plane::transform_kept);
    }
    let space = ColourSpace::of(&frame, &tables);
    colour::paint(space, &planes, &rows, &columns, &mut scratch.rows, pixels);
    for (plane, memory) in planes.into_iter().zip(&mut scratch.planes) {
        *memory = plane.into_memory();
    }
    Ok(((frame.height, frame.width), (rows, columns)))
}

/// Reads up to the frame header; returns it and the byte behind it.
fn find_frame(file: &[u8], tables: &mut Tables) -> Result<(Frame, usize), ImageError> {
    // Behind the two bytes of the start marker.
    let mut at = 2;
    loop {
        let (marker, behind) = BitReader::new(file, at).next_marker()?;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (segment, end) = Segment::at(file, behind)?;
                return Ok((Frame::parse(marker, segment)?, end));
            }
            0xd9 => return Err(corrupt("the file ends without a picture")),
            0xda => return Err(corrupt("picture data come before the picture's header")),
            _ => at = read_segment(file, marker, behind, tables)?,
        }
    }
}

/// Reads the rest of the file, from behind the frame header.
fn read_scans(
    file: &[u8],
    mut at: usize,
    frame: &Frame,
    tables: &mut Tables,
    planes: &mut [Plane],
) -> Result<(), ImageError> {
    let mut scans = 0;
    loop {
        let (marker, behind) = BitReader::new(file, at).next_marker()?;
        match marker {
            0xda => {
                let (segment, end) = Segment::at(file, behind)?;
                let scan = Scan::parse(segment, frame)?;
                planes.iter_mut().zip(&frame.components).enumerate().for_each(
                    |(index, (plane, component))| {
                        if scan.components.iter().any(|&(of, _, _)| of == index) {
                            plane.latch_quantisation(tables.quantisation[component.quantisation]);
                        }
                    },
                );
                at = Entropy::new(file, end, tables.restart_interval).read(&scan, frame, tables, planes)?;
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(corrupt("too many scans"));
                }
                // A sequential picture is whole when each component was there; what follows is not its own.
                if !frame.progressive && planes.iter().all(Plane::is_complete) {
                    return Ok(());
                }
            }
            0xd9 if scans == 0 => return Err(corrupt("the file ends without a picture")),
            0xd9 => return Ok(()),
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Err(corrupt("a second picture begins inside the first"));
            }
            _ => at = read_segment(file, marker, behind, tables)?,
        }
    }
}

/// Reads the segment of a marker that is neither frame nor scan; returns the byte behind it.
fn read_segment(file: &[u8], marker: u8, at: usize, tables: &mut Tables) -> Result<usize, ImageError> {
    // These have no segment: TEM, restarts that are out of place, and another start.
    if matches!(marker, 0x01 | 0xd0..=0xd8) {
        return Ok(at);
    }
    let (segment, end) = Segment::at(file, at)?;
    match marker {
        0xdb => tables.define_quantisation(segment)?,
        0xc4 => tables.define_huffman(segment)?,
        _ => tables.define_other(marker, segment)?,
    }
    Ok(end)
}

fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt { format: "JPEG", reason: reason.into() }
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: "JPEG" }
}

fn unsupported(feature: &str) -> ImageError {
    ImageError::Unsupported { format: "JPEG", feature: feature.into() }
}

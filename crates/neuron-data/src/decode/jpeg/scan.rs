use super::bits::BitReader;
use super::block::{Place, ReadBlock};
use super::header::{Frame, Scan, Tables};
use super::plane::Plane;
use super::{corrupt, progressive, sequential, truncated};
use crate::error::ImageError;
use crate::simd::by_processor;

/// The entropy-coded data of one scan: the walk over its MCUs, with restarts and broken stretches.
pub(super) struct Entropy<'a> {
    bits: BitReader<'a>,
    restart_interval: usize,
    /// Number of the next restart marker, 0 to 7.
    next_restart: u8,
    /// The data of this stretch ended early: its remaining blocks keep what they have.
    is_exhausted: bool,
}

impl<'a> Entropy<'a> {
    /// The data that begin at byte `at` of the file.
    pub(super) fn new(file: &'a [u8], at: usize, restart_interval: usize) -> Self {
        Self { bits: BitReader::new(file, at), restart_interval, next_restart: 0, is_exhausted: false }
    }

    /// Reads a scan; returns the byte at which its data end.
    pub(super) fn read(
        mut self,
        scan: &Scan,
        frame: &Frame,
        tables: &Tables,
        planes: &mut [Plane],
    ) -> Result<usize, ImageError> {
        let walk = Walk::of(scan, frame, planes)?;
        if frame.progressive {
            let mut reader = progressive::Reader::new(scan, tables, planes)?;
            self.visit(&walk, &mut reader)?;
        } else {
            let mut reader = sequential::Reader::new(scan, tables, planes)?;
            visit_sequential(&mut self, &walk, &mut reader)?;
            scan.components.iter().for_each(|&(component, _, _)| planes[component].complete());
        }
        self.bits.end()
    }

    #[inline(always)]
    fn visit(&mut self, walk: &Walk, reader: &mut impl ReadBlock) -> Result<(), ImageError> {
        let mut until_restart = self.restart_interval;
        for row in 0..walk.mcus_down {
            for column in 0..walk.mcus_across {
                if self.restart_interval > 0 {
                    if until_restart == 0 {
                        self.restart(reader)?;
                        until_restart = self.restart_interval;
                    }
                    until_restart -= 1;
                }
                if self.is_exhausted {
                    if self.restart_interval == 0 {
                        return Ok(());
                    }
                    continue;
                }
                walk.read_mcu(row, column, reader, &mut self.bits);
                if self.bits.overran() {
                    if !self.bits.is_at_marker() {
                        return Err(truncated());
                    }
                    self.is_exhausted = true;
                }
            }
        }
        Ok(())
    }

    fn restart(&mut self, reader: &mut impl ReadBlock) -> Result<(), ImageError> {
        let has_data = self.bits.restart(self.next_restart)?;
        self.next_restart = (self.next_restart + 1) % 8;
        self.is_exhausted &= !has_data;
        reader.restart();
        Ok(())
    }
}

by_processor! {
    /// The hot loop of nearly all files.
    fn visit_sequential(
        entropy: &mut Entropy<'_>, walk: &Walk, reader: &mut sequential::Reader<'_>,
    ) -> Result<(), ImageError> { wide: Entropy::visit, portable: Entropy::visit }
}

/// The order in which a scan's blocks lie in the file (T.81, A.2).
struct Walk {
    mcus_down: usize,
    mcus_across: usize,
    /// For each component of the scan, blocks of an MCU, down and across.
    blocks: Vec<(usize, usize)>,
}

/// More blocks than the standard allows in an MCU are a sign of nonsense.
const MAX_BLOCKS: usize = 10;

impl Walk {
    fn of(scan: &Scan, frame: &Frame, planes: &[Plane]) -> Result<Self, ImageError> {
        // A component alone is not interleaved: its MCU is one block, whatever its sampling.
        if let &[(component, _, _)] = scan.components.as_slice() {
            let plane = &planes[component];
            return Ok(Self {
                mcus_down: plane.blocks_down,
                mcus_across: plane.blocks_across,
                blocks: vec![(1, 1)],
            });
        }
        let of_frame = |&(component, _, _): &(usize, usize, usize)| &frame.components[component];
        let blocks: Vec<_> = scan.components.iter().map(of_frame).map(|c| (c.down, c.across)).collect();
        if blocks.iter().map(|(down, across)| down * across).sum::<usize>() > MAX_BLOCKS {
            return Err(corrupt("too many blocks in an MCU"));
        }
        let most_down = frame.components.iter().map(|component| component.down).max().unwrap_or(1);
        let most_across = frame.components.iter().map(|component| component.across).max().unwrap_or(1);
        Ok(Self {
            mcus_down: frame.height.div_ceil(8 * most_down),
            mcus_across: frame.width.div_ceil(8 * most_across),
            blocks,
        })
    }

    /// Reads the blocks of one MCU.
    #[inline(always)]
    fn read_mcu(&self, row: usize, column: usize, reader: &mut impl ReadBlock, bits: &mut BitReader<'_>) {
        for (component, &(down, across)) in self.blocks.iter().enumerate() {
            for y in 0..down {
                for x in 0..across {
                    let place = Place { component, row: row * down + y, column: column * across + x };
                    reader.read(bits, place);
                }
            }
        }
    }
}

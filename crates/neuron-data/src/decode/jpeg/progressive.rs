use super::bits::BitReader;
use super::block::{Place, ReadBlock};
use super::corrupt;
use super::header::{Scan, Tables};
use super::huffman::HuffmanTable;
use super::plane::Plane;
use crate::error::ImageError;

/// Reads the blocks of a progressive scan into the planes' coefficients (T.81, G.1.2).
pub(super) struct Reader<'a> {
    components: Vec<Component<'a>>,
    pass: Pass,
    /// First and last coefficient.
    band: (usize, usize),
    low_bit: u32,
    /// Blocks, from the next one on, in which this band is empty.
    empty_blocks: u32,
}

struct Component<'a> {
    plane: &'a mut Plane,
    /// The table of this band, DC or AC; refinements of DC need none.
    table: Option<&'a HuffmanTable>,
    /// Mean of the block before.
    mean: i32,
}

#[derive(Clone, Copy)]
enum Pass {
    DcFirst,
    DcRefine,
    AcFirst,
    AcRefine,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scan: &Scan, tables: &'a Tables, planes: &'a mut [Plane]) -> Result<Self, ImageError> {
        let pass = match (scan.band.0, scan.refines) {
            (0, false) => Pass::DcFirst,
            (0, true) => Pass::DcRefine,
            (_, false) => Pass::AcFirst,
            (_, true) => Pass::AcRefine,
        };
        let mut planes: Vec<_> = planes.iter_mut().map(Some).collect();
        let mut components = Vec::new();
        for &(component, dc, ac) in &scan.components {
            let plane = planes[component].take().ok_or_else(|| corrupt("a scan names a component twice"))?;
            plane.quantisation()?;
            let table = match pass {
                Pass::DcRefine => None,
                Pass::DcFirst => tables.dc[dc].as_deref(),
                Pass::AcFirst | Pass::AcRefine => tables.ac[ac].as_deref(),
            };
            if table.is_none() && !matches!(pass, Pass::DcRefine) {
                return Err(corrupt("a Huffman table is missing"));
            }
            components.push(Component { plane, table, mean: 0 });
        }
        Ok(Self { components, pass, band: scan.band, low_bit: scan.low_bit, empty_blocks: 0 })
    }

    fn dc_first(&mut self, bits: &mut BitReader<'_>, place: Place, table: &HuffmanTable) {
        let component = &mut self.components[place.component];
        bits.refill();
        let size = table.symbol(bits).min(15);
        component.mean = component.mean.wrapping_add(bits.signed(u32::from(size)));
        component.plane.coefficients(place.row, place.column)[0] = (component.mean << self.low_bit) as i16;
    }

    fn dc_refine(&mut self, bits: &mut BitReader<'_>, place: Place) {
        if bits.bit() {
            self.components[place.component].plane.coefficients(place.row, place.column)[0] |=
                1 << self.low_bit;
        }
    }

    fn ac_first(&mut self, bits: &mut BitReader<'_>, place: Place, table: &HuffmanTable) {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return;
        }
        let block = self.components[place.component].plane.coefficients(place.row, place.column);
        let (mut k, last) = self.band;
        while k <= last {
            bits.refill();
            let symbol = table.symbol(bits);
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.empty_blocks = (1 << run) - 1 + bits.unsigned(run);
                return;
            }
            k += run as usize;
            if size > 0 {
                // A run that leads out of the block is nonsense; libjpeg's ends at its last coefficient.
                block[k.min(63)] = (bits.signed(size) << self.low_bit) as i16;
            }
            k += 1;
        }
    }

    fn ac_refine(&mut self, bits: &mut BitReader<'_>, place: Place, table: &HuffmanTable) {
        let block = self.components[place.component].plane.coefficients(place.row, place.column);
        let one = 1i16 << self.low_bit;
        let (mut k, last) = self.band;
        while self.empty_blocks == 0 && k <= last {
            bits.refill();
            let symbol = table.symbol(bits);
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                // This block is the first of the empty ones: what it has already is refined below.
                self.empty_blocks = (1 << run) + bits.unsigned(run);
                break;
            }
            let new = match size {
                0 => 0,
                _ if bits.bit() => one,
                _ => -one,
            };
            k = skip_zeros(bits, block, k..=last, run, one);
            if new != 0 {
                block[k.min(63)] = new;
            }
            k += 1;
        }
        if self.empty_blocks > 0 {
            // Not to be reached by any run: all of the band is refined.
            skip_zeros(bits, block, k..=last, u32::MAX, one);
            self.empty_blocks -= 1;
        }
    }
}

/// Walks over a band to the zero behind `run` zeros, refining what is not zero on the way by one bit.
fn skip_zeros(
    bits: &mut BitReader<'_>,
    block: &mut [i16; 64],
    band: std::ops::RangeInclusive<usize>,
    mut run: u32,
    one: i16,
) -> usize {
    let end = band.end() + 1;
    for k in band {
        let coefficient = &mut block[k];
        if *coefficient == 0 {
            if run == 0 {
                return k;
            }
            run -= 1;
        } else if bits.bit() && *coefficient & one == 0 {
            *coefficient = coefficient.wrapping_add(if *coefficient > 0 { one } else { -one });
        }
    }
    end
}

impl ReadBlock for Reader<'_> {
    fn restart(&mut self) {
        self.empty_blocks = 0;
        self.components.iter_mut().for_each(|component| component.mean = 0);
    }

    fn read(&mut self, bits: &mut BitReader<'_>, place: Place) {
        match (self.pass, self.components[place.component].table) {
            (Pass::DcFirst, Some(table)) => self.dc_first(bits, place, table),
            (Pass::AcFirst, Some(table)) => self.ac_first(bits, place, table),
            (Pass::AcRefine, Some(table)) => self.ac_refine(bits, place, table),
            (_, _) => self.dc_refine(bits, place),
        }
    }
}

use super::bits::BitReader;
use super::block::{Place, ReadBlock};
use super::corrupt;
use super::header::{Scan, Tables, ZIGZAG};
use super::huffman::HuffmanTable;
use super::plane::Plane;
use crate::error::ImageError;

/// Reads the blocks of a sequential scan and transforms those that are wanted.
pub(super) struct Reader<'a> {
    components: Vec<Component<'a>>,
}

struct Component<'a> {
    plane: &'a mut Plane,
    dc: &'a HuffmanTable,
    ac: &'a HuffmanTable,
    /// In zigzag order.
    quantisation: [i32; 64],
    /// Mean of the block before.
    mean: i32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scan: &Scan, tables: &'a Tables, planes: &'a mut [Plane]) -> Result<Self, ImageError> {
        let missing = || corrupt("a Huffman table is missing");
        let mut planes: Vec<_> = planes.iter_mut().map(Some).collect();
        let mut components = Vec::new();
        for &(component, dc, ac) in &scan.components {
            let plane = planes[component].take().ok_or_else(|| corrupt("a scan names a component twice"))?;
            components.push(Component {
                quantisation: plane.quantisation()?,
                plane,
                dc: tables.dc[dc].as_deref().ok_or_else(missing)?,
                ac: tables.ac[ac].as_deref().ok_or_else(missing)?,
                mean: 0,
            });
        }
        Ok(Self { components })
    }
}

impl ReadBlock for Reader<'_> {
    fn restart(&mut self) {
        self.components.iter_mut().for_each(|component| component.mean = 0);
    }

    #[inline(always)]
    fn read(&mut self, bits: &mut BitReader<'_>, place: Place) {
        let component = &mut self.components[place.component];
        let mut local = *bits;
        if component.plane.wants(place.row, place.column) {
            let mut block = [0; 64];
            let is_flat = component.read_block(&mut local, |k, value, steps| {
                block[usize::from(ZIGZAG[k])] = value.wrapping_mul(steps[k]);
            });
            component.plane.transform(place.row, place.column, &block, is_flat);
        } else {
            component.read_block(&mut local, |_, _, _| {});
        }
        *bits = local;
    }
}

impl Component<'_> {
    /// Reads a block (T.81, F.2.2), calling `store(k, value, quantisation)` for its coefficients in zigzag
    /// order; whether it has none but the first.
    #[inline(always)]
    fn read_block(
        &mut self,
        bits: &mut BitReader<'_>,
        mut store: impl FnMut(usize, i32, &[i32; 64]),
    ) -> bool {
        bits.refill();
        let size = self.dc.symbol(bits).min(15);
        self.mean = self.mean.wrapping_add(bits.signed(u32::from(size)));
        store(0, self.mean, &self.quantisation);

        let mut k = 1;
        let mut is_flat = true;
        while k < 64 {
            bits.refill();
            let (run, value) = match self.ac.coefficient(bits) {
                Some(found) => (found.run, i32::from(found.value)),
                None => self.long_coefficient(bits),
            };
            k += usize::from(run);
            if k > 63 && value == 0 {
                break;
            }
            // A run that leads out of the block is nonsense; libjpeg's ends at its last coefficient.
            store(k.min(63), value, &self.quantisation);
            is_flat = false;
            k += 1;
        }
        is_flat
    }

    #[inline(always)]
    fn long_coefficient(&self, bits: &mut BitReader<'_>) -> (u8, i32) {
        let symbol = self.ac.symbol(bits);
        let (run, size) = (symbol >> 4, symbol & 15);
        match (run, size) {
            (15, 0) => (15, 0),
            (_, 0) => (64, 0),
            _ => (run, bits.signed(u32::from(size))),
        }
    }
}

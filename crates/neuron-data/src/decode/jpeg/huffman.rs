use super::bits::{BitReader, extend};

/// Bits that are looked up at once; most codes of photographs, with their values, are shorter.
const LOOKAHEAD: u32 = 10;

/// A Huffman table, prepared for decoding.
pub(super) struct HuffmanTable {
    /// By the next bits: length of the code and its symbol; length 0 where the code is longer.
    codes: [Code; 1 << LOOKAHEAD],
    /// By the next bits: a whole coefficient, code and value; length 0 where it is longer.
    coefficients: [Coefficient; 1 << LOOKAHEAD],
    /// For each length, one past its last code, aligned to 16 bits.
    ends: [u32; 17],
    /// For each length, what to add to a code to get the index of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

#[derive(Clone, Copy, Default)]
struct Code {
    length: u8,
    symbol: u8,
}

/// An AC coefficient that was looked up in one step.
#[derive(Clone, Copy, Default)]
pub(super) struct Coefficient {
    /// Bits of code and value together.
    pub(super) length: u8,
    /// Zeros before it; 64 and more at the end of the block.
    pub(super) run: u8,
    /// Its value; 0 for a run of 16 zeros and at the end of the block.
    pub(super) value: i16,
}

/// Symbol that ends a block.
const END_OF_BLOCK: u8 = 0x00;
/// Symbol of 16 zeros.
const SIXTEEN_ZEROS: u8 = 0xf0;

impl HuffmanTable {
    /// Builds the table from the number of codes of each length 1 to 16, and the symbols in order of their
    /// codes.
    ///
    /// `None` if the codes do not fit their lengths or the symbols are too few.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            codes: [Code::default(); 1 << LOOKAHEAD],
            coefficients: [Coefficient::default(); 1 << LOOKAHEAD],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        };
        table.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in symbols.get(index..index + usize::from(count))? {
                table.enter(code, length, symbol);
                code += 1;
            }
            index += usize::from(count);
            if code > 1 << length {
                return None;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let Some(free) = LOOKAHEAD.checked_sub(length) else { return };
        let first = (code as usize) << free;
        // Codes that overflow their length are rejected by the caller, after this.
        let last = (first + (1 << free)).min(1 << LOOKAHEAD);
        for bits in first.min(last)..last {
            self.codes[bits] = Code { length: length as u8, symbol };
            let below = bits & ((1 << free) - 1);
            self.coefficients[bits] = Coefficient::of(symbol, length, below, free).unwrap_or_default();
        }
    }

    /// The next symbol; needs a [`BitReader::refill`] before.
    ///
    /// Bits that are no code count as one of 17 bits for symbol 0, as in libjpeg.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut BitReader<'_>) -> u8 {
        let code = self.codes[bits.peek(LOOKAHEAD)];
        if code.length != 0 {
            bits.consume(u32::from(code.length));
            return code.symbol;
        }
        let (length, symbol) = self.long_code(bits.peek(16) as u32);
        bits.consume(length);
        symbol
    }

    /// Length and symbol of a code that is longer than what is looked up, at the top of 16 bits.
    #[inline(never)]
    fn long_code(&self, next: u32) -> (u32, u8) {
        for length in LOOKAHEAD + 1..=16 {
            if next < self.ends[length as usize] {
                let index = (next >> (16 - length)) as i32 + self.offsets[length as usize];
                return (length, self.symbols[(index & 0xff) as usize]);
            }
        }
        (17, 0)
    }

    /// The next AC coefficient, if it can be looked up in one step; needs a refill before, takes its bits.
    #[inline(always)]
    pub(super) fn coefficient(&self, bits: &mut BitReader<'_>) -> Option<Coefficient> {
        let found = self.coefficients[bits.peek(LOOKAHEAD)];
        if found.length == 0 {
            return None;
        }
        bits.consume(u32::from(found.length));
        Some(found)
    }
}

impl Coefficient {
    /// The coefficient of a symbol whose value stands at the top of the `free` bits below the code.
    fn of(symbol: u8, code_length: u32, below: usize, free: u32) -> Option<Self> {
        let size = u32::from(symbol & 15);
        let value_shift = free.checked_sub(size)?;
        let (run, value) = match symbol {
            END_OF_BLOCK => (64, 0),
            SIXTEEN_ZEROS => (15, 0),
            // Other symbols without a value mean something in progressive scans only; libjpeg ends the block.
            _ if size == 0 => (64, 0),
            _ => (symbol >> 4, extend((below >> value_shift) as i32, size) as i16),
        };
        Some(Self { length: (code_length + size) as u8, run, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110, 1110 and one of 12 bits: 1111 0000 0000.
    fn table() -> HuffmanTable {
        let counts = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        HuffmanTable::new(&counts, &[0x01, 0x00, 0xf0, 0x23, 0x42]).unwrap()
    }

    #[test]
    fn short_and_long_codes() {
        // 0 10 110 1110 111100000000 padded: 0101 1011 1011 1100 0000 0011
        let mut bits = BitReader::new(&[0b0101_1011, 0b1011_1100, 0b0000_0011, 0, 0], 0);
        bits.refill();
        let found: Vec<u8> = (0..5).map(|_| table().symbol(&mut bits)).collect();
        assert_eq!(found, [0x01, 0x00, 0xf0, 0x23, 0x42]);
    }

    #[test]
    fn coefficients_in_one_step_equal_those_in_two() {
        let table = table();
        for next in 0..1u32 << LOOKAHEAD {
            let data =
                (next << (32 - LOOKAHEAD)).to_be_bytes().map(|byte| if byte == 0xff { 0xfe } else { byte });
            let mut one = BitReader::new(&data, 0);
            let mut two = BitReader::new(&data, 0);
            one.refill();
            two.refill();
            let Some(found) = table.coefficient(&mut one) else { continue };
            let symbol = table.symbol(&mut two);
            let value = two.signed(u32::from(symbol & 15));
            assert_eq!((i32::from(found.value), one.peek(16)), (value, two.peek(16)));
            assert_eq!(found.run, if symbol == END_OF_BLOCK { 64 } else { symbol >> 4 });
        }
    }

    #[test]
    fn impossible_tables_are_refused() {
        let three_of_one_bit = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(HuffmanTable::new(&three_of_one_bit, &[1, 2, 3]).is_none());
        let too_few = [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(HuffmanTable::new(&too_few, &[1]).is_none());
        assert!(HuffmanTable::new(&[255; 16], &[0; 256]).is_none());
    }
}

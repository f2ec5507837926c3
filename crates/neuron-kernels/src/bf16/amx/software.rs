//! A tile unit in software, for tests on machines that lack one: slow, and bit by bit what the processor's does.
use super::super::number::widen;
use super::super::task::Task;
use super::product::product;
use super::unit::{BYTES, LINE, Shapes, TileUnit};

/// As [`product`](super::product), by the software unit.
///
/// # Safety
/// As there, but for the matrix instructions, which it does not need.
pub(in super::super) unsafe fn product_in_software(task: &Task<'_>) {
    // SAFETY: the caller's promise.
    unsafe { product(task, Software::default()) }
}

/// Registers and how many lines each of them has: none of a unit that is not configured.
#[derive(Default)]
struct Software {
    tiles: Vec<[u8; BYTES]>,
    lines: Vec<usize>,
}

impl Software {
    /// Four bytes of a line.
    fn word(&self, tile: usize, line: usize, at: usize) -> [u8; 4] {
        self.tiles[tile][line * LINE + 4 * at..][..4].try_into().expect("four bytes")
    }

    /// The two numbers of a pair.
    fn pair(&self, tile: usize, line: usize, at: usize) -> [f32; 2] {
        let [a, b, c, d] = self.word(tile, line, at);
        [[a, b], [c, d]].map(|bytes| widen(u16::from_le_bytes(bytes)))
    }
}

impl TileUnit for Software {
    unsafe fn configure(&mut self, shapes: &Shapes) {
        // What is read before it is written shows.
        self.tiles = vec![[0xff; BYTES]; 8];
        self.lines = (0..8).map(|tile| shapes.lines(tile)).collect();
    }

    unsafe fn load<const TILE: usize, const OFFSET: usize>(&mut self, from: *const u8, pitch: usize) {
        self.tiles[TILE] = [0; BYTES];
        for (line, to) in self.tiles[TILE].chunks_exact_mut(LINE).enumerate().take(self.lines[TILE]) {
            // SAFETY: the caller's promise.
            let bytes = unsafe { from.add(OFFSET + line * pitch).cast::<[u8; LINE]>().read_unaligned() };
            to.copy_from_slice(&bytes);
        }
    }

    unsafe fn multiply<const SUMS: usize, const ROWS: usize, const WEIGHTS: usize>(&mut self) {
        let words = LINE / 4;
        for (line, column) in
            (0..self.lines[SUMS]).flat_map(|line| (0..words).map(move |column| (line, column)))
        {
            let [mut even, mut odd] = [0f32; 2];
            for at in 0..words {
                let (row, weights) = (self.pair(ROWS, line, at), self.pair(WEIGHTS, at, column));
                even = row[0].mul_add(weights[0], even);
                odd = row[1].mul_add(weights[1], odd);
            }
            let sum = f32::from_le_bytes(self.word(SUMS, line, column)) + (even + odd);
            self.tiles[SUMS][line * LINE + 4 * column..][..4].copy_from_slice(&sum.to_le_bytes());
        }
    }

    unsafe fn store<const TILE: usize, const OFFSET: usize>(&mut self, to: *mut u8) {
        for (line, bytes) in self.tiles[TILE].chunks_exact(LINE).enumerate().take(self.lines[TILE]) {
            // SAFETY: the caller's promise.
            unsafe { to.add(OFFSET + line * LINE).copy_from_nonoverlapping(bytes.as_ptr(), LINE) }
        }
    }

    unsafe fn release(&mut self) {
        self.lines.clear();
    }
}

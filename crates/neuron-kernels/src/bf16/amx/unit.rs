//! The tile unit: eight registers of up to 16 lines of 64 bytes, and what can be done with them.
use std::arch::asm;

/// Bytes of a line of a register.
pub(super) const LINE: usize = 64;
/// Bytes of a register.
pub(super) const BYTES: usize = 16 * LINE;

/// Lines of the registers: 0 to 3 hold sums, 4 and 5 rows, 6 and 7 weights. As the instruction reads it.
#[repr(C, align(64))]
pub(super) struct Shapes([u8; 64]);

impl Shapes {
    /// For tiles of so many rows.
    pub(super) fn new(height: usize) -> Self {
        let mut shapes = [0; 64];
        shapes[0] = 1;
        for tile in 0..8 {
            shapes[16 + 2 * tile] = LINE as u8;
            shapes[48 + tile] = if tile < 6 { height as u8 } else { 16 };
        }
        Self(shapes)
    }

    /// Lines of a register.
    #[cfg(test)]
    pub(super) fn lines(&self, tile: usize) -> usize {
        self.0[48 + tile].into()
    }
}

/// What computes with tiles. Registers are named when the code is compiled, as they are in the instructions.
pub(super) trait TileUnit {
    /// Begins to work on registers of these shapes.
    ///
    /// # Safety
    /// The machine must have the unit.
    unsafe fn configure(&mut self, shapes: &Shapes);

    /// Reads the lines of a register, `pitch` bytes apart, the first one so many bytes behind `from`.
    ///
    /// # Safety
    /// The unit must be configured, and the lines readable.
    unsafe fn load<const TILE: usize, const OFFSET: usize>(&mut self, from: *const u8, pitch: usize);

    /// Adds the products of rows and weights to sums.
    ///
    /// # Safety
    /// The unit must be configured.
    unsafe fn multiply<const SUMS: usize, const ROWS: usize, const WEIGHTS: usize>(&mut self);

    /// Writes the lines of a register one behind the other, the first one so many bytes behind `to`.
    ///
    /// # Safety
    /// The unit must be configured, and the lines writable.
    unsafe fn store<const TILE: usize, const OFFSET: usize>(&mut self, to: *mut u8);

    /// Gives the registers back.
    ///
    /// # Safety
    /// The machine must have the unit.
    unsafe fn release(&mut self);
}

/// The processor's own.
///
/// Tile registers belong to nobody but this type: the compiler never touches them, so that they keep their contents from
/// one `asm!` to the next, and vector code in between runs beside the unit.
pub(super) struct Processor;

impl TileUnit for Processor {
    #[inline(always)]
    unsafe fn configure(&mut self, shapes: &Shapes) {
        // SAFETY: the shapes are valid ones, and the machine has the unit.
        unsafe { asm!("ldtilecfg [{}]", in(reg) shapes, options(nostack, readonly)) }
    }

    #[inline(always)]
    unsafe fn load<const TILE: usize, const OFFSET: usize>(&mut self, from: *const u8, pitch: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tileloadd tmm{tile}, [{from} + {pitch} + {offset}]", tile = const TILE, offset = const OFFSET,
                from = in(reg) from, pitch = in(reg) pitch, options(nostack, readonly, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<const SUMS: usize, const ROWS: usize, const WEIGHTS: usize>(&mut self) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tdpbf16ps tmm{sums}, tmm{rows}, tmm{weights}", sums = const SUMS, rows = const ROWS,
                weights = const WEIGHTS, options(nostack, nomem, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const TILE: usize, const OFFSET: usize>(&mut self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tilestored [{to} + {pitch} + {offset}], tmm{tile}", tile = const TILE, offset = const OFFSET,
                to = in(reg) to, pitch = in(reg) LINE, options(nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn release(&mut self) {
        // SAFETY: the machine has the unit.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }
}

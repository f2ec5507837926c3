use super::bits::BitReader;

/// Where the walk over a scan stands: one block of one of its components.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Index in the scan's components.
    pub(super) component: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Reads the blocks of a scan, one after the other.
pub(super) trait ReadBlock {
    /// Forgets what was carried from block to block.
    fn restart(&mut self);
    /// Reads one block.
    fn read(&mut self, bits: &mut BitReader<'_>, place: Place);
}

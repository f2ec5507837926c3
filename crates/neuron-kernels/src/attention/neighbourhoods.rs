//! Which positions of a map attend to one another.

use crate::microkernel::{OUTSIDE, Places};

/// The positions of a map in groups of one length, each position in one of them: it attends to its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbourhoods {
    places: Places,
    /// `[groups, len]`: members of different regions are far from one another; none if there is one region.
    regions: Option<Vec<u8>>,
}

impl Neighbourhoods {
    /// All positions in one group (Vaswani et al., "Attention Is All You Need", 2017).
    pub fn all(positions: usize) -> Self {
        Self { places: Places::new(positions, positions, (0..positions as u32).collect()), regions: None }
    }

    /// Windows of `side x side` positions of a grid of `[height, width]` that is padded below and at its right to whole
    /// windows, and before that moved up and left by `shift`, round the edges (Liu et al., "Swin Transformer", ICCV 2021).
    /// What only the edge brings together are different regions. An axis that one window covers is not moved.
    ///
    /// # Panics
    /// If a side is 0, or the shift is not less than it.
    pub fn windows([height, width]: [usize; 2], side: usize, shift: usize) -> Self {
        assert!(side > 0 && shift < side, "windows of {side} moved by {shift}");
        let padded = [height, width].map(|size| size.next_multiple_of(side));
        let shift = padded.map(|size| if size <= side { 0 } else { shift });
        let (mut members, mut regions) = (Vec::new(), Vec::new());
        for top in (0..padded[0]).step_by(side) {
            for left in (0..padded[1]).step_by(side) {
                for at in 0..side * side {
                    let moved = [top + at / side, left + at % side];
                    let [y, x] = [0, 1].map(|axis| (moved[axis] + shift[axis]) % padded[axis]);
                    let inside = y < height && x < width;
                    members.push(if inside { (y * width + x) as u32 } else { OUTSIDE });
                    let [row, column] =
                        [0, 1].map(|axis| region(moved[axis], padded[axis], side, shift[axis]));
                    regions.push(3 * row + column);
                }
            }
        }
        let regions = (shift != [0, 0]).then_some(regions);
        Self { places: Places::new(height * width, side * side, members), regions }
    }

    /// `side x side` positions that are spread evenly over a grid of `[height, width]`, whose sizes are multiples of `side`
    /// (Tu et al., "MaxViT", ECCV 2022).
    ///
    /// # Panics
    /// If they are not.
    pub fn spread([height, width]: [usize; 2], side: usize) -> Self {
        assert!(side > 0 && height % side == 0 && width % side == 0, "{height} x {width} over {side}");
        let [down, right] = [height / side, width / side];
        let group = |first: usize| {
            let [y, x] = [first / right, first % right];
            (0..side * side).map(move |at| ((at / side * down + y) * width + at % side * right + x) as u32)
        };
        let members = (0..down * right).flat_map(group).collect();
        Self { places: Places::new(height * width, side * side, members), regions: None }
    }

    /// Number of positions of the map.
    pub fn positions(&self) -> usize {
        self.places.positions()
    }

    /// Members of each group, those outside of the map included.
    pub fn group_len(&self) -> usize {
        self.places.len()
    }

    /// Whether some members are outside of the map.
    pub fn has_padding(&self) -> bool {
        self.places.has_padding()
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The region of each member of a group.
    pub(super) fn regions(&self, group: usize) -> Option<&[u8]> {
        let len = self.places.len();
        self.regions.as_ref().map(|regions| &regions[group * len..][..len])
    }
}

/// Which third of an axis a moved position lies in: what stayed together, the last window's own part, and what came
/// round the edge.
fn region(at: usize, size: usize, side: usize, shift: usize) -> u8 {
    match at {
        _ if shift == 0 => 0,
        at if at < size - side => 0,
        at if at < size - shift => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(of: &Neighbourhoods) -> Vec<&[u32]> {
        (0..of.places.groups()).map(|group| of.places.group(group)).collect()
    }

    #[test]
    fn windows_by_hand() {
        // 3 x 4 in windows of 2, padded to 4 x 4, moved by 1.
        let moved = Neighbourhoods::windows([3, 4], 2, 1);
        let none = OUTSIDE;
        assert_eq!(
            groups(&moved),
            [&[5, 6, 9, 10], &[7, 4, 11, 8], &[none, none, 1, 2], &[none, none, 3, 0]]
        );
        let regions: Vec<&[u8]> = (0..4).filter_map(|group| moved.regions(group)).collect();
        assert_eq!(regions, [&[0, 0, 0, 0], &[1, 2, 1, 2], &[3, 3, 6, 6], &[4, 5, 7, 8]]);
        assert!(moved.has_padding() && moved.positions() == 12 && moved.group_len() == 4);
    }

    #[test]
    fn an_axis_of_one_window_is_not_moved() {
        let narrow = Neighbourhoods::windows([4, 2], 2, 1);
        assert_eq!(groups(&narrow), [&[2, 3, 4, 5], &[6, 7, 0, 1]]);
        assert_eq!(Neighbourhoods::windows([2, 2], 2, 1), Neighbourhoods::windows([2, 2], 2, 0));
        assert!(!narrow.has_padding());
    }

    #[test]
    fn spread_positions_by_hand() {
        let spread = Neighbourhoods::spread([4, 6], 2);
        let groups = groups(&spread);
        assert_eq!(groups[..2], [&[0, 3, 12, 15], &[1, 4, 13, 16]]);
        assert_eq!((groups.len(), groups[5]), (6, &[8, 11, 20, 23][..]));
    }

    #[test]
    fn every_position_is_in_a_group() {
        for neighbourhoods in [
            Neighbourhoods::all(7),
            Neighbourhoods::windows([7, 9], 4, 2),
            Neighbourhoods::windows([8, 8], 4, 0),
            Neighbourhoods::spread([6, 9], 3),
        ] {
            let members = groups(&neighbourhoods).into_iter().flatten();
            let inside = members.filter(|member| **member != OUTSIDE).count();
            assert_eq!(inside, neighbourhoods.positions());
        }
    }
}

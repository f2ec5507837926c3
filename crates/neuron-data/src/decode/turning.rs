//! Turns pictures as their tag of orientation says: 1 as they are, 2 to 4 mirrored or upside down, 5 to 8 on the side.

use super::{Extent, whole};

/// Turns a picture that was decoded as a whole; unknown numbers are 1.
pub(super) fn turn(orientation: u16, (height, width): (usize, usize), pixels: &mut Vec<[u8; 4]>) -> Extent {
    match orientation {
        2 => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
        3 => pixels.reverse(),
        4 => {
            pixels.reverse();
            pixels.chunks_exact_mut(width).for_each(<[_]>::reverse);
        }
        5..=8 => {
            *pixels = on_the_side(orientation, (height, width), pixels);
            return whole(width, height);
        }
        _ => {}
    }
    whole(height, width)
}

/// The picture with rows and columns exchanged.
fn on_the_side(orientation: u16, (height, width): (usize, usize), pixels: &[[u8; 4]]) -> Vec<[u8; 4]> {
    let from_below = matches!(orientation, 6 | 7);
    let from_the_right = matches!(orientation, 7 | 8);
    let mut turned = Vec::with_capacity(pixels.len());
    for row in 0..width {
        let column = if from_the_right { width - 1 - row } else { row };
        let of_column = |row: usize| pixels[row * width + column];
        if from_below {
            turned.extend((0..height).rev().map(of_column));
        } else {
            turned.extend((0..height).map(of_column));
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_brings_the_first_row_to_its_side() {
        // 1 2 3
        // 4 5 6
        for (orientation, size, expected) in [
            (0, (2, 3), [1, 2, 3, 4, 5, 6]),
            (1, (2, 3), [1, 2, 3, 4, 5, 6]),
            (2, (2, 3), [3, 2, 1, 6, 5, 4]),
            (3, (2, 3), [6, 5, 4, 3, 2, 1]),
            (4, (2, 3), [4, 5, 6, 1, 2, 3]),
            (5, (3, 2), [1, 4, 2, 5, 3, 6]),
            (6, (3, 2), [4, 1, 5, 2, 6, 3]),
            (7, (3, 2), [6, 3, 5, 2, 4, 1]),
            (8, (3, 2), [3, 6, 2, 5, 1, 4]),
            (9, (2, 3), [1, 2, 3, 4, 5, 6]),
        ] {
            let mut pixels: Vec<[u8; 4]> = (1..7).map(|level| [level; 4]).collect();
            assert_eq!(turn(orientation, (2, 3), &mut pixels), whole(size.0, size.1), "{orientation}");
            assert_eq!(pixels, expected.map(|level| [level; 4]), "{orientation}");
        }
    }
}

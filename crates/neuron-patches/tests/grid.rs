//! Grids against pixels computed by hand from torchvision's description.

use image::RgbImage;
use neuron_patches::{Grid, PatchError, Picture};

/// A patch of one grey value a pixel.
fn grey(values: &[f32]) -> Vec<f32> {
    values.iter().flat_map(|&value| [value; 3]).collect()
}

fn picture(pixels: &[f32], height: usize, width: usize) -> Picture<'_, f32> {
    Picture::new(pixels, height, width).expect("the shape fits")
}

/// The red values, row by row; the three colours of a grey patch must agree.
fn levels(grid: &RgbImage) -> Vec<Vec<u8>> {
    grid.rows()
        .map(|row| {
            row.map(|pixel| {
                assert!(pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]);
                pixel.0[0]
            })
            .collect()
        })
        .collect()
}

#[test]
fn three_patches_in_two_columns() {
    // Each patch has its own range; 2 high and 3 wide.
    let a = grey(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let b = grey(&[-10.0, -10.0, -10.0, -5.0, -5.0, 0.0]);
    let c = grey(&[2.0, 1.0, 1.0, 1.0, 1.0, 3.0]);
    let patches = [&a, &b, &c].map(|pixels| picture(pixels, 2, 3));
    let grid = Grid::new(2).draw(&patches).expect("equal patches");
    assert_eq!(
        levels(&grid),
        [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 51, 102, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 153, 204, 255, 0, 0, 128, 128, 255, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ]
    );
}

#[test]
fn a_patch_alone_has_no_border() {
    let patch = grey(&[3.0, 1.0, 2.0, 1.0, 1.0, 3.0]);
    let grid = Grid::new(4).draw(&[picture(&patch, 2, 3)]).expect("a patch");
    assert_eq!(levels(&grid), [[255, 0, 128], [0, 0, 255]]);
}

#[test]
fn the_range_is_that_of_all_colours() {
    let patch = [0.0, 1.0, 2.0, 4.0, 3.0, 2.0];
    let grid = Grid::new(1).draw(&[picture(&patch, 1, 2)]).expect("a patch");
    assert_eq!(grid.into_raw(), [0, 64, 128, 255, 191, 128]);
}

#[test]
fn flat_patches_stay_dark() {
    let flat = grey(&[0.7, 0.7]);
    let nearly = grey(&[0.0, 5e-6]);
    let patches = [picture(&flat, 1, 2), picture(&nearly, 1, 2)];
    let grid = Grid::new(1).draw(&patches).expect("equal patches");
    let rows = levels(&grid);
    assert_eq!(rows[2], [0, 0, 0, 0, 0, 0]);
    assert_eq!(rows[5], [0, 0, 0, 128, 0, 0]);
}

#[test]
fn half_levels_round_up() {
    // Of a range of 255: 0.49, 0.5, 254.4.
    let patch = grey(&[0.0, 0.49, 0.5, 254.4, 255.0]);
    let grid = Grid::new(1).draw(&[picture(&patch, 1, 5)]).expect("a patch");
    assert_eq!(levels(&grid), [[0, 0, 1, 254, 255]]);
}

#[test]
fn a_row_is_no_wider_than_its_patches() {
    let patch = grey(&[0.0, 1.0]);
    let grid = Grid::new(9).draw(&[picture(&patch, 1, 2); 3]).expect("equal patches");
    assert_eq!(grid.dimensions(), (2 + 3 * 4, 2 + 3));
}

#[test]
fn captions_add_lines_and_leave_the_patches() {
    let patch = grey(&(0..16 * 20).map(|value| value as f32).collect::<Vec<_>>());
    let patches = [picture(&patch, 16, 20); 3];
    let captions = ["1".to_string(), "12345\n-".to_string(), String::new()];
    let plain = Grid::new(2).draw(&patches).expect("equal patches");
    let grid = Grid::new(2).with_captions(&captions).draw(&patches).expect("equal patches");

    // The longest caption takes four lines of 9 px: two characters a line in 20 px, "12", "34", "5", "-".
    assert_eq!(grid.dimensions(), (plain.width(), plain.height() + 2 * 36));
    for (x, y, pixel) in plain.enumerate_pixels().filter(|(_, y, _)| *y < 18) {
        assert_eq!(grid.get_pixel(x, y), pixel);
    }
    let lit = |x: u32, y: u32, height: u32| {
        let inside = |&(px, py): &(u32, u32)| (x..x + 20).contains(&px) && (y..y + height).contains(&py);
        grid.enumerate_pixels().filter(|(px, py, pixel)| inside(&(*px, *py)) && pixel.0 == [255; 3]).count()
    };
    let (first, second) = (2, 2 + 20 + 2);
    assert!(lit(first, 18, 9) > 0 && lit(first, 27, 27) == 0);
    assert!((0..4).all(|line| lit(second, 18 + line * 9, 9) > 0));
    let bottom = 18 + 36 + 2;
    assert_eq!(lit(first, bottom + 16, 36), 0);
}

#[test]
fn what_cannot_be_laid_out_is_an_error() {
    let (patch, other) = (grey(&[0.0, 1.0]), grey(&[0.0, 1.0, 2.0]));
    let patch = picture(&patch, 1, 2);
    assert_eq!(Grid::new(2).draw(&[]), Err(PatchError::NoPatches));
    assert_eq!(Grid::new(0).draw(&[patch]), Err(PatchError::Zero { what: "the number of grid columns" }));
    let captions = [String::new()];
    let error = Grid::new(2).with_captions(&captions).draw(&[patch; 2]);
    assert_eq!(error, Err(PatchError::Length { what: "the captions", expected: 2, found: 1 }));
    let error = Grid::new(2).draw(&[patch, patch, picture(&other, 1, 3)]);
    let expected =
        PatchError::UnequalPatches { index: 2, height: 1, width: 3, first_height: 1, first_width: 2 };
    assert_eq!(error, Err(expected));
}

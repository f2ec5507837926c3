//! Between channels-last maps, which networks compute, and planes of one channel each, which sorting wants.

use std::ops::Range;

/// Channels that are moved together: their values of one position fill a cache line.
pub(crate) const BLOCK: usize = 16;
/// Positions of a tile that is read and written at once.
const TILE: usize = 8;
/// Positions that are written together.
const POSITIONS: usize = 64;

/// Copies some channels of a map into planes.
///
/// # Shapes
/// * `map`: `[positions, channels]`
/// * `planes`: `[wanted channels, positions]`
pub(crate) fn gather(map: &[f32], channels: usize, wanted: Range<usize>, planes: &mut [f32]) {
    let positions = map.len() / channels;
    let mut rest = 0;
    if wanted.len() == BLOCK {
        // Whole tiles: read by lines, written by half lines.
        for (tile, map) in map.chunks_exact(TILE * channels).enumerate() {
            let lines: [[f32; BLOCK]; TILE] = std::array::from_fn(|line| {
                std::array::from_fn(|channel| map[line * channels + wanted.start + channel])
            });
            for channel in 0..BLOCK {
                let plane = &mut planes[channel * positions + tile * TILE..][..TILE];
                plane.copy_from_slice(&std::array::from_fn::<f32, TILE, _>(|line| lines[line][channel]));
            }
        }
        rest = positions / TILE * TILE;
    }
    for (at, vector) in map.chunks_exact(channels).enumerate().skip(rest) {
        for (plane, value) in vector[wanted.clone()].iter().enumerate() {
            planes[plane * positions + at] = *value;
        }
    }
}

/// Copies all planes into a map.
///
/// # Shapes
/// * `planes`: `[channels, positions]`
/// * `map`: `[positions, channels]`
pub(crate) fn scatter(planes: &[f32], channels: usize, map: &mut [f32]) {
    let positions = map.len() / channels;
    neuron_threads::for_each(map.chunks_mut(POSITIONS * channels), |chunk, map| {
        let first = chunk * POSITIONS;
        for block in (0..channels).step_by(BLOCK) {
            let block = block..channels.min(block + BLOCK);
            for (at, vector) in map.chunks_exact_mut(channels).enumerate() {
                for (channel, value) in block.clone().zip(&mut vector[block.clone()]) {
                    *value = planes[channel * positions + first + at];
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_maps_hold_the_same() {
        let (positions, channels) = (POSITIONS + 7, BLOCK + 5);
        let map: Vec<f32> = (0..positions * channels).map(|value| value as f32).collect();
        let mut planes = vec![0.0; map.len()];
        for block in [0..BLOCK, BLOCK..channels] {
            let planes = &mut planes[block.start * positions..block.end * positions];
            gather(&map, channels, block, planes);
        }
        assert_eq!(planes[3 * positions + 2], map[2 * channels + 3]);
        let mut back = vec![0.0; map.len()];
        scatter(&planes, channels, &mut back);
        assert_eq!(back, map);
    }
}

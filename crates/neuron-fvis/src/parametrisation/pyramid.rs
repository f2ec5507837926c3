use neuron_model::PixelRange;

use super::Canvas;
use super::colours::Colours;

/// The smallest side of a level.
const SMALLEST: usize = 4;
/// Standard deviation of a start's planes: next to grey.
const START: f32 = 0.01;

/// A picture as a sum of planes of falling sizes, each enlarged by bilinear interpolation.
///
/// Its numbers are the levels from the finest, `[3, height / 2^level, width / 2^level]` each (rounded up).
#[derive(Clone, Debug)]
pub(super) struct Pyramid {
    levels: Vec<Level>,
    height: usize,
    width: usize,
    colours: Colours,
}

/// One of the planes' sizes.
#[derive(Clone, Debug)]
struct Level {
    rows: Vec<Between>,
    columns: Vec<Between>,
    height: usize,
    width: usize,
    /// Coarse levels count more, as low frequencies do in photos.
    weight: f32,
}

/// A pixel between two of a smaller plane.
#[derive(Clone, Copy, Debug)]
struct Between {
    first: usize,
    second: usize,
    share_of_second: f32,
}

impl Between {
    /// Where `large` pixels lie among `small` ones, both over the same length.
    fn all(large: usize, small: usize) -> Vec<Self> {
        let place = |at: usize| {
            let place =
                ((at as f32 + 0.5) * small as f32 / large as f32 - 0.5).clamp(0.0, (small - 1) as f32);
            let first = place as usize;
            Self { first, second: (first + 1).min(small - 1), share_of_second: place - first as f32 }
        };
        (0..large).map(place).collect()
    }
}

impl Level {
    fn len(&self) -> usize {
        self.height * self.width
    }

    /// Calls `visit` with each pixel of the large plane, the places in this level that it lies between, and their shares.
    fn each(&self, mut visit: impl FnMut(usize, [(usize, f32); 4])) {
        for (y, row) in self.rows.iter().enumerate() {
            for (x, column) in self.columns.iter().enumerate() {
                let (down, right) = (row.share_of_second, column.share_of_second);
                let at = |y: usize, x: usize| y * self.width + x;
                let places = [
                    (at(row.first, column.first), (1.0 - down) * (1.0 - right)),
                    (at(row.first, column.second), (1.0 - down) * right),
                    (at(row.second, column.first), down * (1.0 - right)),
                    (at(row.second, column.second), down * right),
                ];
                visit(y * self.columns.len() + x, places.map(|(at, share)| (at, self.weight * share)));
            }
        }
    }
}

impl Pyramid {
    pub(super) fn new(height: usize, width: usize, pixels: PixelRange) -> Self {
        let mut levels: Vec<Level> = Vec::new();
        loop {
            let factor = 1 << levels.len();
            let (small, narrow) = (height.div_ceil(factor), width.div_ceil(factor));
            if !levels.is_empty() && small.min(narrow) < SMALLEST {
                break;
            }
            levels.push(Level {
                rows: Between::all(height, small),
                columns: Between::all(width, narrow),
                height: small,
                width: narrow,
                weight: factor as f32,
            });
        }
        // So that a start of normal numbers is as bright as one of a single plane.
        let whole = levels.iter().map(|level| level.weight.powi(2)).sum::<f32>().sqrt();
        levels.iter_mut().for_each(|level| level.weight /= whole);
        Self { levels, height, width, colours: Colours::new(pixels) }
    }

    fn planes(&self, parameters: &[f32]) -> Vec<f32> {
        let positions = self.height * self.width;
        let mut planes = vec![0.0; 3 * positions];
        let mut rest = parameters;
        for level in &self.levels {
            let (own, later) = rest.split_at(3 * level.len());
            rest = later;
            neuron_threads::for_each(planes.chunks_exact_mut(positions), |plane, values| {
                let own = &own[plane * level.len()..][..level.len()];
                level.each(|at, places| {
                    values[at] += places.iter().map(|(from, share)| share * own[*from]).sum::<f32>();
                });
            });
        }
        planes
    }
}

impl Canvas for Pyramid {
    fn parameters(&self) -> usize {
        3 * self.levels.iter().map(Level::len).sum::<usize>()
    }

    fn start(&self, normal: Vec<f32>) -> Vec<f32> {
        normal.into_iter().map(|value| START * value).collect()
    }

    /// All of it in the finest level.
    fn of_picture(&self, picture: &[f32]) -> Vec<f32> {
        let mut parameters = self.colours.unmix(picture);
        parameters.iter_mut().for_each(|value| *value /= self.levels[0].weight);
        parameters.resize(self.parameters(), 0.0);
        parameters
    }

    fn draw(&self, parameters: &[f32], picture: &mut [f32]) {
        self.colours.mix(&self.planes(parameters), picture);
    }

    fn pull_back(&self, parameters: &[f32], gradient: &[f32], pulled: &mut [f32]) {
        let positions = self.height * self.width;
        let planes = self.planes(parameters);
        let mut of_planes = vec![0.0; planes.len()];
        self.colours.pull_back(&planes, gradient, &mut of_planes);
        let mut rest = pulled;
        for level in &self.levels {
            let (own, later) = std::mem::take(&mut rest).split_at_mut(3 * level.len());
            rest = later;
            neuron_threads::for_each(own.chunks_exact_mut(level.len()), |plane, pulled| {
                pulled.fill(0.0);
                let of_plane = &of_planes[plane * positions..][..positions];
                level.each(|at, places| {
                    places.iter().for_each(|(to, share)| pulled[*to] += share * of_plane[at]);
                });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_halve_until_they_are_small() {
        let sizes = |height, width| {
            let pyramid = Pyramid::new(height, width, PixelRange::default());
            pyramid.levels.iter().map(|level| (level.height, level.width)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(20, 10), [(20, 10), (10, 5)]);
        assert_eq!(sizes(3, 3), [(3, 3)]);
        assert_eq!(sizes(224, 224).len(), 7);
    }

    #[test]
    fn a_coarse_level_is_enlarged_by_interpolation() {
        let between = Between::all(4, 2);
        let places: Vec<f32> = between.iter().map(|b| b.first as f32 + b.share_of_second).collect();
        assert_eq!(places, [0.0, 0.25, 0.75, 1.0]);
    }
}

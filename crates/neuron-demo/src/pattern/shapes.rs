//! Shapes that repeat on a lattice. The distance functions follow Inigo Quilez, "2D distance functions"
//! (<https://iquilezles.org/articles/distfunctions2d>).

use std::f32::consts::PI;

use super::Point;

/// A shape that fills about a unit disc.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Cross,
    Disc,
    Heart,
    Moon,
    Pinwheel,
    Ring,
    Star,
    Triangle,
}

/// Radius of the shapes' discs, in periods: neighbours do not touch.
const RADIUS: f32 = 0.38;

/// Distance to the shape of the cell in which the point lies; every shape is a little out of place and turned.
pub(super) fn on_lattice(shape: Shape, [x, y]: Point, period: f32, weight: f32, lattice: u32) -> f32 {
    let cell = [(x / period).floor(), (y / period).floor()];
    let [right, down, turn, size] = scatter(cell, lattice);
    let centre = |cell: f32, shift: f32| (cell + 0.5 + 0.06 * shift) * period;
    let (x, y) = (x - centre(cell[0], right), y - centre(cell[1], down));
    let radians = 0.2 * turn;
    let (cos, sin) = (libm::cosf(radians), libm::sinf(radians));
    let radius = (RADIUS + 0.03 * size) * period;
    let at = [(cos * x + sin * y) / radius, (cos * y - sin * x) / radius];
    radius * shape.distance(at, weight)
}

/// Four numbers in -1..1 that belong to a cell: Jenkins's one-at-a-time hash of it.
fn scatter(cell: Point, lattice: u32) -> [f32; 4] {
    let mut hash = lattice;
    let mut stir = |byte: u32| {
        hash = hash.wrapping_add(byte);
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    };
    for coordinate in cell {
        stir(coordinate as i32 as u32);
    }
    std::array::from_fn(|index| {
        let mut hash = hash.wrapping_add((index as u32).wrapping_mul(0x9E37_79B9));
        hash = hash.wrapping_add(hash << 3);
        hash ^= hash >> 11;
        hash = hash.wrapping_mul(0x85EB_CA6B);
        hash ^= hash >> 15;
        (hash >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

impl Shape {
    fn distance(self, at: Point, weight: f32) -> f32 {
        let thickness = 0.16 + 0.1 * weight;
        match self {
            Self::Cross => cross(at, thickness),
            Self::Disc => length(at) - 0.7 - 0.15 * weight,
            Self::Heart => heart(at),
            Self::Moon => moon(at),
            Self::Pinwheel => pinwheel(at),
            Self::Ring => (length(at) - 0.78).abs() - thickness,
            Self::Star => star(at),
            Self::Triangle => triangle(at),
        }
    }
}

fn length([x, y]: Point) -> f32 {
    (x * x + y * y).sqrt()
}

/// Two bars across each other.
fn cross([x, y]: Point, half: f32) -> f32 {
    let bar = |along: f32, across: f32| (along.abs() - 0.95).max(across.abs() - half);
    bar(x, y).min(bar(y, x))
}

/// A disc out of which another was bitten.
fn moon([x, y]: Point) -> f32 {
    let bite = 0.78 - length([x - 0.45, y]);
    (length([x, y]) - 0.95).max(bite)
}

/// Every other twelfth of a disc.
fn pinwheel([x, y]: Point) -> f32 {
    let radius = length([x, y]);
    let turns = libm::atan2f(y, x) * (6.0 / (2.0 * PI));
    let from_middle = (turns - (turns + 0.5).floor()).abs();
    let across = (from_middle - 0.25) * (2.0 * PI / 6.0) * radius;
    (radius - 0.98).max(across)
}

/// An equilateral triangle that stands on a side.
fn triangle([x, y]: Point) -> f32 {
    let flank = 0.5 * 3f32.sqrt() * x.abs() - 0.5 * (y - 0.12);
    flank.max(y - 0.12) - 0.5
}

/// Five points around a pentagon.
fn star([x, y]: Point) -> f32 {
    const INNER: f32 = 0.42;
    let sector = 2.0 * PI / 5.0;
    let angle = libm::atan2f(x, -y);
    let folded = (angle - (angle / sector + 0.5).floor() * sector).abs();
    let radius = length([x, y]);
    let (x, y) = (radius * libm::sinf(folded), radius * libm::cosf(folded));
    // The edge from a tip (0, 1) to the notch beside it.
    let notch = [INNER * libm::sinf(sector / 2.0), INNER * libm::cosf(sector / 2.0)];
    let edge = [notch[0], notch[1] - 1.0];
    let normal = [-edge[1] / length(edge), edge[0] / length(edge)];
    x * normal[0] + (y - 1.0) * normal[1]
}

/// A heart: the union of two discs and the corner below them.
fn heart([x, y]: Point) -> f32 {
    let x = x.abs();
    let lobe = length([x - 0.42, y + 0.32]) - 0.5;
    let diagonal = 0.5f32.sqrt();
    // A square on its tip, whose lower corner is the heart's.
    let (across, along) = (diagonal * (x + y - 0.02), diagonal * (x - y + 0.02));
    let square = (across - 0.62).max(along - 0.62).max(-0.62 - along);
    lobe.min(square)
}

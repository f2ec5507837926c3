//! Patterns that fill the plane.

use std::f32::consts::TAU;

use super::Point;

/// Distance to the nearest multiple of `period`.
fn to_multiple(x: f32, period: f32) -> f32 {
    let share = x / period;
    (share - (share + 0.5).floor()).abs() * period
}

/// Ink within `half` of a line; the line's distance is `distance`.
fn line(distance: f32, half: f32) -> f32 {
    distance - half
}

/// Lies between the thinnest and the thickest.
fn between(thin: f32, thick: f32, weight: f32) -> f32 {
    thin + (thick - thin) * weight
}

/// A wave of height 1 with straight flanks.
fn triangle_wave(turns: f32) -> f32 {
    4.0 * (turns - (turns + 0.5).floor()).abs() - 1.0
}

pub(super) fn stripes([_, y]: Point, period: f32, weight: f32) -> f32 {
    line(to_multiple(y, period), between(0.17, 0.3, weight) * period)
}

pub(super) fn waves([x, y]: Point, period: f32, weight: f32) -> f32 {
    let wave = 0.38 * period * libm::sinf(TAU * x / (1.9 * period));
    // The stripe is steeper than it is thick: its distance is shorter than measured along y.
    0.75 * stripes([x, y + wave], period, weight)
}

pub(super) fn zigzag([x, y]: Point, period: f32, weight: f32) -> f32 {
    let wave = 0.55 * period * triangle_wave(x / (1.7 * period));
    0.65 * stripes([x, y + wave], period, weight)
}

pub(super) fn checks([x, y]: Point, period: f32) -> f32 {
    // Each axis changes its sign at every multiple of the period; the squares are where the signs agree.
    let along = |at: f32| (0.5 - (at / period).rem_euclid(2.0) * 0.5) * 2.0;
    let fold = |at: f32| if at.abs() > 0.5 { at.signum() - at } else { at } * period;
    let (x, y) = (fold(along(x)), fold(along(y)));
    let nearest = x.abs().min(y.abs());
    if x * y > 0.0 { -nearest } else { nearest }
}

pub(super) fn diamonds([x, y]: Point, period: f32) -> f32 {
    let (across, along) = (x / 0.62, y / 1.15);
    0.5 * checks([across + along, across - along], period)
}

pub(super) fn grid([x, y]: Point, period: f32, weight: f32) -> f32 {
    line(to_multiple(x, period).min(to_multiple(y, period)), between(0.08, 0.15, weight) * period)
}

pub(super) fn bricks([x, y]: Point, period: f32, weight: f32) -> f32 {
    let (length, height) = (1.25 * period, 0.55 * period);
    let row = (y / height).floor();
    let shift = if row.rem_euclid(2.0) < 1.0 { 0.0 } else { 0.5 * length };
    let mortar = to_multiple(x + shift, length).min(to_multiple(y, height));
    between(0.06, 0.1, weight) * period - mortar
}

pub(super) fn honeycomb([x, y]: Point, period: f32, weight: f32) -> f32 {
    // The centres of the cells are two rectangular lattices; the nearer one's cell is that of the point.
    let steps = [period, 3f32.sqrt() * period];
    let offset = |shift: f32| {
        let to_centre = |at: f32, step: f32| {
            let share = at / step - shift;
            (share - (share + 0.5).floor()) * step
        };
        [to_centre(x, steps[0]), to_centre(y, steps[1])]
    };
    let (one, other) = (offset(0.0), offset(0.5));
    let square = |[x, y]: Point| x * x + y * y;
    let [x, y] = if square(one) < square(other) { one } else { other };
    let (x, y) = (x.abs(), y.abs());
    let from_centre = x.max(0.5 * x + 0.5 * 3f32.sqrt() * y);
    line(0.5 * period - from_centre, between(0.07, 0.12, weight) * period)
}

pub(super) fn scales([x, y]: Point, period: f32, weight: f32) -> f32 {
    let (radius, rise) = (0.56 * period, 0.42 * period);
    let half = between(0.06, 0.1, weight) * period;
    // Each row of discs lies on the row below it: the first disc from above that holds the point is seen.
    // What lies above it still casts its outline's distance on the point.
    let lowest = (y / rise).floor() - 1.0;
    let mut above = f32::INFINITY;
    for row in (0..4).map(|next| lowest + next as f32) {
        let shift = if row.rem_euclid(2.0) < 1.0 { 0.0 } else { 0.5 * period };
        let (x, y) = (to_multiple(x + shift, period), y - row * rise);
        let inside = radius - (x * x + y * y).sqrt();
        if inside >= -half {
            return above.min(line(inside.abs(), half));
        }
        above = above.min(-half - inside);
    }
    above
}

//! What the classes look like: for every point of the plane, how far it is from the edge of the ink.
//!
//! Distances are signed, negative inside, in pixels, and right to within a factor of about 1.5 close to the edge,
//! which is all that smooth edges need.

mod shapes;
mod tilings;

use crate::class::Class;
use crate::dice::Dice;
use shapes::Shape;

/// A point of the plane, in pixels: x to the right, y down.
pub(crate) type Point = [f32; 2];

/// A class with everything that chance decides about its drawing.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    class: Class,
    /// Length after which the pattern repeats, in pixels.
    period: f32,
    /// How much of it is ink, 0..1 between the thinnest and the thickest.
    weight: f32,
    /// Seed of what differs from one shape to the next.
    lattice: u32,
    /// The plane's rotation and origin.
    cos_sin: [f32; 2],
    origin: Point,
    /// A slow wave by which the plane is bent: height, radians for each pixel, phase.
    bend: [f32; 3],
}

impl Pattern {
    pub(crate) fn roll(class: Class, dice: &mut Dice) -> Self {
        let angle = base_degrees(class) + dice.between(-10.0, 10.0);
        let radians = angle.to_radians();
        let [shortest, longest] = periods(class);
        Self {
            class,
            period: dice.between(shortest, longest),
            weight: dice.unit(),
            lattice: dice.below(1 << 30) as u32,
            cos_sin: [libm::cosf(radians), libm::sinf(radians)],
            origin: [dice.between(-100.0, 0.0), dice.between(-100.0, 0.0)],
            bend: [dice.between(0.0, 1.5), dice.between(0.03, 0.06), dice.between(0.0, 6.0)],
        }
    }

    /// Signed distance to the edge of the ink at a point of the picture.
    pub(crate) fn distance(&self, [x, y]: Point) -> f32 {
        let [cos, sin] = self.cos_sin;
        let (x, y) = (x - self.origin[0], y - self.origin[1]);
        let (x, y) = (cos * x + sin * y, cos * y - sin * x);
        let [height, frequency, phase] = self.bend;
        let x = x + height * libm::sinf(frequency * y + phase);
        let y = y + height * libm::sinf(frequency * x + 2.0 * phase);
        self.unbent([x, y])
    }

    fn unbent(&self, at: Point) -> f32 {
        let (period, weight) = (self.period, self.weight);
        let shape = |shape: Shape| shapes::on_lattice(shape, at, period, weight, self.lattice);
        match self.class {
            Class::StripesFalling
            | Class::StripesHorizontal
            | Class::StripesRising
            | Class::StripesVertical => tilings::stripes(at, period, weight),
            Class::Bricks => tilings::bricks(at, period, weight),
            Class::Checks => tilings::checks(at, period),
            Class::Diamonds => tilings::diamonds(at, period),
            Class::Grid => tilings::grid(at, period, weight),
            Class::Honeycomb => tilings::honeycomb(at, period, weight),
            Class::Scales => tilings::scales(at, period, weight),
            Class::Waves => tilings::waves(at, period, weight),
            Class::Zigzag => tilings::zigzag(at, period, weight),
            Class::Crosses => shape(Shape::Cross),
            Class::Dots => shape(Shape::Disc),
            Class::Hearts => shape(Shape::Heart),
            Class::Moons => shape(Shape::Moon),
            Class::Pinwheels => shape(Shape::Pinwheel),
            Class::Rings => shape(Shape::Ring),
            Class::Stars => shape(Shape::Star),
            Class::Triangles => shape(Shape::Triangle),
        }
    }
}

/// By how much a class is turned; every picture adds its own little turn.
fn base_degrees(class: Class) -> f32 {
    match class {
        Class::StripesVertical => 90.0,
        Class::StripesFalling => 45.0,
        Class::StripesRising => -45.0,
        _ => 0.0,
    }
}

/// The shortest and the longest period, in pixels: what is intricate needs more of them.
fn periods(class: Class) -> [f32; 2] {
    match class {
        Class::StripesFalling
        | Class::StripesHorizontal
        | Class::StripesRising
        | Class::StripesVertical
        | Class::Checks => [10.0, 20.0],
        Class::Grid | Class::Waves | Class::Zigzag => [14.0, 22.0],
        Class::Bricks | Class::Diamonds | Class::Honeycomb | Class::Scales => [16.0, 26.0],
        Class::Dots | Class::Rings | Class::Crosses => [20.0, 30.0],
        _ => [24.0, 36.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ink is neither a speck nor everything, and never far: a window of two periods holds some.
    #[test]
    fn every_class_has_ink_and_ground() {
        for class in Class::ALL {
            for stream in 0..20 {
                let pattern = Pattern::roll(class, &mut Dice::new(9, stream));
                let points = (0..120 * 120).map(|at| [(at % 120) as f32, (at / 120) as f32]);
                let ink = points.filter(|at| pattern.distance(*at) < 0.0).count() as f32 / (120.0 * 120.0);
                assert!((0.08..0.9).contains(&ink), "{class}: {ink}");
            }
        }
    }

    /// A step of one pixel never crosses more than about one pixel of distance: edges are smooth, nothing jumps.
    #[test]
    fn distances_change_slowly_at_edges() {
        for class in Class::ALL {
            let pattern = Pattern::roll(class, &mut Dice::new(4, 2));
            for at in 0..100 * 100 {
                let (x, y) = ((at % 100) as f32, (at / 100) as f32);
                let (here, beside) = (pattern.distance([x, y]), pattern.distance([x + 0.25, y]));
                if here.signum() != beside.signum() {
                    assert!((here - beside).abs() < 1.0, "{class} at {x}, {y}: {here} and {beside}");
                }
            }
        }
    }
}

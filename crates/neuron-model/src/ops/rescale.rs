use neuron_kernels::{scale_by_channel, scale_shift};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::{PixelRange, Rule};
use crate::value::{Keep, Shape};

/// The pixels of an image by constants, `x * scale + shift` by channel: a network that was trained on images of another
/// normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescale {
    /// Factor of each channel.
    pub scale: [f32; 3],
    /// Added to each channel.
    pub shift: [f32; 3],
}

impl Rescale {
    /// A rule for pixels that has to hold for what comes out.
    pub(crate) fn rule_behind(&self, rule: &Rule) -> Rule {
        let at = |values: &[f32; 3], c: usize| values[c] * self.scale[c] + self.shift[c];
        match rule {
            Rule::ZBox { pixels: PixelRange { lowest, highest }, eps } => {
                // A factor below 0 makes the darkest the brightest.
                let pixels = PixelRange {
                    lowest: std::array::from_fn(|c| at(lowest, c).min(at(highest, c))),
                    highest: std::array::from_fn(|c| at(lowest, c).max(at(highest, c))),
                };
                Rule::ZBox { pixels, eps: *eps }
            }
            rule => rule.clone(),
        }
    }
}

impl Op for Rescale {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.scale.len(), inputs[0].channels);
        if expected == found { Ok(inputs[0]) } else { Err(ShapeError::Channels { expected, found }) }
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for Rescale {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        scale_shift(call.input.data, &self.scale, &self.shift, None, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        match call.rule {
            Rule::Identity => {}
            _ => scale_by_channel(pool.own(&mut signal), &self.scale),
        }
        vec![signal]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_pixels_stays_one() {
        let rescale = Rescale { scale: [2.0, -1.0, 0.0], shift: [1.0, 1.0, 3.0] };
        let pixels = PixelRange { lowest: [-1.0, 0.0, 0.0], highest: [1.0, 0.25, 1.0] };
        let behind = rescale.rule_behind(&Rule::ZBox { pixels, eps: 0.5 });
        let pixels = PixelRange { lowest: [-1.0, 0.75, 3.0], highest: [3.0, 1.0, 3.0] };
        assert_eq!(behind, Rule::ZBox { pixels, eps: 0.5 });
        assert_eq!(rescale.rule_behind(&Rule::Gradient), Rule::Gradient);
    }
}

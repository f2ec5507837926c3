/// The optimiser of Kingma and Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015), without weight decay.
///
/// In f32 in the order of operations of PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Adam {
    /// Running mean of the gradients.
    pub(crate) mean: Vec<f32>,
    /// Running mean of their squares.
    pub(crate) square: Vec<f32>,
    /// Steps that were taken.
    pub(crate) steps: i32,
}

const EPSILON: f32 = 1e-8;
/// Values that one task moves.
const CHUNK: usize = 8192;

impl Adam {
    /// The state before the first step.
    pub(crate) fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len], steps: 0 }
    }

    /// Moves `values` against the gradient.
    pub(crate) fn step(&mut self, rate: f64, betas: (f64, f64), gradient: &[f32], values: &mut [f32]) {
        self.steps += 1;
        let unbiased = |beta: f64| 1.0 - beta.powi(self.steps);
        let rate = (rate / unbiased(betas.0)) as f32;
        let root = unbiased(betas.1).sqrt() as f32;
        let (keep_square, gain_mean, gain_square) =
            (betas.1 as f32, (1.0 - betas.0) as f32, (1.0 - betas.1) as f32);
        let moments = self.mean.chunks_mut(CHUNK).zip(self.square.chunks_mut(CHUNK));
        let chunks = values.chunks_mut(CHUNK).zip(gradient.chunks(CHUNK)).zip(moments);
        neuron_threads::for_each(chunks, |_, ((values, gradient), (mean, square))| {
            let moments = mean.iter_mut().zip(square);
            for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
                *mean += gain_mean * (gradient - *mean);
                *square = *square * keep_square + gain_square * gradient * gradient;
                *value -= rate * *mean / (square.sqrt() / root + EPSILON);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let mut adam = Adam::new(2);
        let mut values = [1.0, -2.0];
        adam.step(0.1, (0.5, 0.9), &[4.0, -0.5], &mut values);
        // Whatever the size of the first gradient, the first step is the learning rate long.
        assert!((values[0] - 0.9).abs() < 1e-6 && (values[1] + 1.9).abs() < 1e-6, "{values:?}");
        adam.step(0.1, (0.5, 0.9), &[1.0, 0.0], &mut values);
        // mean 1.5, square 1.54; unbiased 1.5 / 0.75 and 1.54 / 0.19.
        let step = 0.1 * 2.0 / (1.54f32 / 0.19).sqrt();
        assert!((values[0] - (0.9 - step)).abs() < 1e-6, "{values:?}");
    }

    #[test]
    fn no_gradient_no_step() {
        let mut values = [3.0];
        Adam::new(1).step(1.0, (0.5, 0.9), &[0.0], &mut values);
        assert_eq!(values, [3.0]);
    }
}

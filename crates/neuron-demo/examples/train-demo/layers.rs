//! Layers with gradients. Maps are `[channels, batch, height, width]`: a convolution is then one matrix product, a
//! channel's batch statistics are sums along a row, and channels are put together by appending them.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::BatchNorm;
use neuron_demo::Dice;
use neuron_model::weights::WeightTensor;

use crate::unfold::Windows;

pub(crate) struct Convolution {
    weight: Var,
    windows: Windows,
}

impl Convolution {
    pub(crate) fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        let (_, batch, height, width) = maps.dims4()?;
        let (height, width) = (self.windows.count(height), self.windows.count(width));
        let out_channels = self.weight.dim(0)?;
        let columns = match self.windows {
            Windows { kernel: 1, stride: 1, padding: 0 } => maps.flatten_from(1)?,
            windows => windows.unfold(maps)?,
        };
        let rows = self.weight.flatten_from(1)?.matmul(&columns)?;
        rows.reshape((out_channels, batch, height, width))
    }
}

/// A batch norm.
pub(crate) struct Norm(BatchNorm);

impl Norm {
    pub(crate) fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        // candle wants the batch first, and turns it back itself: no copy is made.
        self.0.forward_train(&maps.transpose(0, 1)?)?.transpose(0, 1)
    }
}

/// A fully connected layer.
pub(crate) struct Linear {
    weight: Var,
    bias: Var,
}

impl Linear {
    /// # Shapes
    /// * `features`: `[batch, in]`
    /// * returns: `[batch, out]`
    pub(crate) fn forward(&self, features: &Tensor) -> Result<Tensor> {
        features.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

/// 3x3, stride 2. Zeros around the map change nothing: it is never negative.
pub(crate) fn max_pool(maps: &Tensor) -> Result<Tensor> {
    pool(maps, Windows { kernel: 3, stride: 2, padding: 1 }, |taps| taps.max(1))
}

/// 2x2, stride 2.
pub(crate) fn average_pool(maps: &Tensor) -> Result<Tensor> {
    pool(maps, Windows { kernel: 2, stride: 2, padding: 0 }, |taps| taps.mean(1))
}

/// `reduce` gets `[channels, values of a window, windows]`.
fn pool(maps: &Tensor, windows: Windows, reduce: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (channels, batch, height, width) = maps.dims4()?;
    let taps = windows.unfold(maps)?.reshape((channels, windows.kernel * windows.kernel, ()))?;
    reduce(&taps)?.reshape((channels, batch, windows.count(height), windows.count(width)))
}

/// What layers hold, by torchvision's names.
#[derive(Default)]
pub(crate) struct Parameters {
    variables: BTreeMap<String, Var>,
    /// By the names of their modules; they share their running statistics with the layers.
    norms: BTreeMap<String, BatchNorm>,
}

impl Parameters {
    /// What training changes by gradients.
    pub(crate) fn variables(&self) -> Vec<Var> {
        self.variables.values().cloned().collect()
    }

    /// Every tensor, and the running statistics.
    pub(crate) fn tensors(&self) -> Result<Vec<(String, WeightTensor)>> {
        let mut tensors = Vec::new();
        let mut push = |name: String, tensor: &Tensor| -> Result<()> {
            tensors.push((name, WeightTensor::new(tensor.dims(), tensor.flatten_all()?.to_vec1::<f32>()?)));
            Ok(())
        };
        for (name, variable) in &self.variables {
            push(name.clone(), variable)?;
        }
        for (name, norm) in &self.norms {
            push(format!("{name}.running_mean"), norm.running_mean())?;
            push(format!("{name}.running_var"), norm.running_var())?;
        }
        Ok(tensors)
    }
}

/// Makes layers, whose first weights are numbers of `dice`.
pub(crate) struct Builder<'a> {
    pub(crate) parameters: Parameters,
    pub(crate) dice: &'a mut Dice,
}

impl Builder<'_> {
    /// A convolution without a bias; He et al., "Delving Deep into Rectifiers" (2015) decide the start.
    pub(crate) fn convolution(
        &mut self,
        name: &str,
        [in_channels, out_channels]: [usize; 2],
        windows: Windows,
    ) -> Result<Convolution> {
        let fan_in = in_channels * windows.kernel * windows.kernel;
        let shape = [out_channels, in_channels, windows.kernel, windows.kernel];
        let weight = self.variable(&format!("{name}.weight"), &shape, (6.0 / fan_in as f32).sqrt())?;
        Ok(Convolution { weight, windows })
    }

    pub(crate) fn norm(&mut self, name: &str, channels: usize) -> Result<Norm> {
        let scale = self.constant(&format!("{name}.weight"), channels, 1.0)?;
        let shift = self.constant(&format!("{name}.bias"), channels, 0.0)?;
        let statistic = |value: f32| Tensor::full(value, channels, &Device::Cpu);
        let (mean, variance) = (statistic(0.0)?, statistic(1.0)?);
        let (scale, shift) = (scale.as_tensor().clone(), shift.as_tensor().clone());
        let norm = BatchNorm::new(channels, mean, variance, scale, shift, 1e-5)?;
        self.parameters.norms.insert(name.to_owned(), norm.clone());
        Ok(Norm(norm))
    }

    pub(crate) fn linear(&mut self, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Linear> {
        let weight =
            self.variable(&format!("{name}.weight"), &[outputs, inputs], (1.0 / inputs as f32).sqrt())?;
        let bias = self.variable(&format!("{name}.bias"), &[outputs], 0.0)?;
        Ok(Linear { weight, bias })
    }

    /// Uniform in `-range..range`.
    fn variable(&mut self, name: &str, shape: &[usize], range: f32) -> Result<Var> {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|_| self.dice.between(-range, range)).collect();
        self.keep(name, Var::from_vec(values, shape, &Device::Cpu)?)
    }

    fn constant(&mut self, name: &str, len: usize, value: f64) -> Result<Var> {
        let variable = Var::ones(len, DType::F32, &Device::Cpu)?;
        variable.set(&variable.affine(value, 0.0)?)?;
        self.keep(name, variable)
    }

    fn keep(&mut self, name: &str, variable: Var) -> Result<Var> {
        self.parameters.variables.insert(name.to_owned(), variable.clone());
        Ok(variable)
    }
}

//! Windows of a map as columns of a matrix, and back: what turns a convolution into one matrix product.
//!
//! candle's own convolution has a slow gradient on the CPU, and its max-pool with overlapping windows has none.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Square windows over a map whose border is padded with zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Windows {
    /// Positions along a side of `length`.
    pub(crate) fn count(&self, length: usize) -> usize {
        (length + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// # Shapes
    /// * `maps`: `[channels, batch, height, width]`, contiguous
    /// * returns: `[channels * kernel * kernel, batch * out_height * out_width]`
    pub(crate) fn unfold(&self, maps: &Tensor) -> Result<Tensor> {
        let (_, batch, height, width) = maps.dims4()?;
        maps.apply_op1(Unfold(Sizes { windows: *self, batch, height, width }))
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    windows: Windows,
    batch: usize,
    height: usize,
    width: usize,
}

impl Sizes {
    fn map_len(&self) -> usize {
        self.batch * self.height * self.width
    }

    fn row_len(&self) -> usize {
        self.batch * self.windows.count(self.height) * self.windows.count(self.width)
    }

    /// Calls `pair` with the places in a map and in a row of columns that belong together, for one offset in the
    /// kernel; what lies in the padding is left out.
    fn pairs(&self, offset: usize, mut pair: impl FnMut(usize, usize)) {
        let Windows { kernel, stride, padding } = self.windows;
        let (down, right) = (offset / kernel, offset % kernel);
        let (out_height, out_width) = (self.windows.count(self.height), self.windows.count(self.width));
        for item in 0..self.batch {
            for out_y in 0..out_height {
                let Some(y) = (out_y * stride + down).checked_sub(padding).filter(|y| *y < self.height)
                else {
                    continue;
                };
                let map = (item * self.height + y) * self.width;
                let row = (item * out_height + out_y) * out_width;
                for out_x in 0..out_width {
                    if let Some(x) = (out_x * stride + right).checked_sub(padding).filter(|x| *x < self.width)
                    {
                        pair(map + x, row + out_x);
                    }
                }
            }
        }
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("windows are cut of contiguous tensors only"),
    }
}

struct Unfold(Sizes);

impl CustomOp1 for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sizes = self.0;
        let maps = values(storage, layout)?;
        let offsets = sizes.windows.kernel * sizes.windows.kernel;
        let rows = maps.len() / sizes.map_len() * offsets;
        let mut columns = vec![0f32; rows * sizes.row_len()];
        columns.par_chunks_mut(sizes.row_len()).enumerate().for_each(|(row, columns)| {
            let map = &maps[row / offsets * sizes.map_len()..][..sizes.map_len()];
            sizes.pairs(row % offsets, |from, to| columns[to] = map[from]);
        });
        Ok((CpuStorage::F32(columns), (rows, sizes.row_len()).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.contiguous()?.apply_op1_no_bwd(&Fold(self.0)).map(Some)
    }
}

/// The adjoint of [`Unfold`]: every value is added where it came from.
struct Fold(Sizes);

impl CustomOp1 for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sizes = self.0;
        let columns = values(storage, layout)?;
        let offsets = sizes.windows.kernel * sizes.windows.kernel;
        let channels = columns.len() / sizes.row_len() / offsets;
        let mut maps = vec![0f32; channels * sizes.map_len()];
        maps.par_chunks_mut(sizes.map_len()).enumerate().for_each(|(channel, map)| {
            for offset in 0..offsets {
                let row = &columns[(channel * offsets + offset) * sizes.row_len()..][..sizes.row_len()];
                sizes.pairs(offset, |to, from| map[to] += row[from]);
            }
        });
        Ok((CpuStorage::F32(maps), (channels, sizes.batch, sizes.height, sizes.width).into()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use neuron_demo::Dice;

    use super::*;

    const WINDOWS: [Windows; 5] = [
        Windows { kernel: 1, stride: 2, padding: 0 },
        Windows { kernel: 2, stride: 2, padding: 0 },
        Windows { kernel: 3, stride: 1, padding: 1 },
        Windows { kernel: 3, stride: 2, padding: 1 },
        Windows { kernel: 7, stride: 2, padding: 3 },
    ];

    fn random(shape: &[usize], dice: &mut Dice) -> Result<Tensor> {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|_| dice.between(-1.0, 1.0)).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }

    #[test]
    fn a_product_with_columns_is_a_convolution() -> Result<()> {
        let mut dice = Dice::new(1, 0);
        for windows in WINDOWS {
            let Windows { kernel, stride, padding } = windows;
            let maps = random(&[3, 2, 8, 11], &mut dice)?;
            let weight = random(&[5, 3, kernel, kernel], &mut dice)?;
            let product = weight.flatten_from(1)?.matmul(&windows.unfold(&maps)?)?;
            let by_candle = maps.transpose(0, 1)?.contiguous()?.conv2d(&weight, padding, stride, 1, 1)?;
            let found = product.reshape((5, 2, windows.count(8), windows.count(11)))?.transpose(0, 1)?;
            let error = (found - by_candle)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(error < 1e-4, "{windows:?}: {error}");
        }
        Ok(())
    }

    /// The gradient of a product with fixed numbers is the adjoint: `<unfold(x), y> = <x, fold(y)>`.
    #[test]
    fn gradients_are_the_adjoint() -> Result<()> {
        let mut dice = Dice::new(2, 0);
        for windows in WINDOWS {
            let maps = Var::from_tensor(&random(&[2, 3, 9, 6], &mut dice)?)?;
            let columns = windows.unfold(&maps)?;
            let numbers = random(columns.dims(), &mut dice)?;
            let product = (&columns * &numbers)?.sum_all()?;
            let gradients = product.backward()?;
            let gradient = gradients.get(&maps).expect("the maps are a variable");
            let adjoint = (gradient * maps.as_tensor())?.sum_all()?.to_scalar::<f32>()?;
            let error = (adjoint - product.to_scalar::<f32>()?).abs();
            assert!(error < 1e-3, "{windows:?}: {error}");
        }
        Ok(())
    }
}

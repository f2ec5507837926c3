//! Values that do not depend on the image, computed while a network is imported.

mod compute;
mod index;

pub(crate) use compute::{SELU, binary, unary};

use std::cell::Cell;

use candle_core::{DType, Device, Tensor};

use crate::program::Reduction;

/// No table that a network computes for itself comes near; a file could ask for any size.
const MOST_ELEMENTS: usize = 1 << 26;

thread_local! {
    /// What holds of constants that are made on this thread now.
    static LIMIT: Cell<usize> = const { Cell::new(MOST_ELEMENTS) };
}

/// Runs `body`, in which no constant may have more elements than so many: a small file has no right to large ones.
pub(crate) fn limited<R>(elements: usize, body: impl FnOnce() -> R) -> R {
    let before = LIMIT.replace(elements.min(MOST_ELEMENTS));
    let result = body();
    LIMIT.set(before);
    result
}

/// What a constant's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
}

/// A tensor, in 64-bit floats: whole numbers up to 2^53 are exact.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) tensor: Tensor,
    pub(crate) kind: Kind,
}

/// What went wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

impl Constant {
    pub(crate) fn new(values: Vec<f64>, shape: &[usize], kind: Kind) -> Result<Self> {
        within(shape)?;
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).map_err(text)?;
        Ok(Self { tensor, kind })
    }

    /// A tensor of one value.
    pub(crate) fn full(shape: &[usize], value: f64, kind: Kind) -> Result<Self> {
        within(shape)?;
        let tensor = Tensor::full(value, shape, &Device::Cpu).map_err(text)?;
        Ok(Self { tensor, kind })
    }

    /// A single number.
    pub(crate) fn scalar(value: f64, kind: Kind) -> Self {
        Self { tensor: Tensor::new(value, &Device::Cpu).expect("a number fits"), kind }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.tensor.dims()
    }

    /// All elements, in rows.
    pub(crate) fn values(&self) -> Result<Vec<f64>> {
        self.tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(text)
    }

    /// Its only element.
    pub(crate) fn single(&self) -> Option<f64> {
        if self.tensor.elem_count() == 1 { self.values().ok()?.first().copied() } else { None }
    }

    /// Whole numbers.
    pub(crate) fn ints(&self) -> Result<Vec<i64>> {
        Ok(self.values()?.into_iter().map(|value| value as i64).collect())
    }

    /// With another tensor of the same kind.
    pub(crate) fn with(&self, tensor: candle_core::Result<Tensor>) -> Result<Self> {
        Ok(Self { tensor: tensor.map_err(text)?, kind: self.kind })
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> Result<Self> {
        let tensor = match kind {
            Kind::Float => self.tensor.clone(),
            Kind::Int => {
                let values = self.values()?.into_iter().map(f64::trunc).collect::<Vec<_>>();
                return Self::new(values, self.shape(), kind);
            }
            Kind::Bool => {
                let values = self.values()?.into_iter().map(|value| f64::from(u8::from(value != 0.0)));
                return Self::new(values.collect(), self.shape(), kind);
            }
        };
        Ok(Self { tensor, kind })
    }

    pub(crate) fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        within(shape)?;
        self.with(self.tensor.reshape(shape))
    }

    /// With repeated axes of size 1, to a shape that may have more axes.
    pub(crate) fn expanded(&self, shape: &[usize]) -> Result<Self> {
        within(shape)?;
        self.with(self.tensor.broadcast_as(shape).and_then(|tensor| tensor.contiguous()))
    }

    pub(crate) fn reduced(&self, kind: Reduction, axes: &[usize], keep: bool) -> Result<Self> {
        let mut tensor = self.tensor.clone();
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        for axis in axes.iter().rev() {
            let next = match kind {
                Reduction::Mean => tensor.mean_keepdim(*axis),
                Reduction::Sum => tensor.sum_keepdim(*axis),
                Reduction::Max | Reduction::Any => tensor.max_keepdim(*axis),
                Reduction::Min | Reduction::All => tensor.min_keepdim(*axis),
                Reduction::Norm => tensor.sqr().and_then(|tensor| tensor.sum_keepdim(*axis)),
            };
            tensor = next.map_err(text)?;
            if kind == Reduction::Norm {
                tensor = tensor.sqrt().map_err(text)?;
            }
        }
        if !keep {
            let kept: Vec<usize> = (0..tensor.rank())
                .filter(|axis| !axes.contains(axis))
                .map(|axis| tensor.dims()[axis])
                .collect();
            tensor = tensor.reshape(kept).map_err(text)?;
        }
        self.with(Ok(tensor))
    }

    /// Joined along an axis.
    pub(crate) fn joined(parts: &[Self], axis: usize) -> Result<Self> {
        let first = parts.first().ok_or("nothing to join")?;
        within(&[parts.iter().map(|part| part.tensor.elem_count()).sum()])?;
        let kind = parts.iter().map(|part| part.kind).find(|kind| *kind == Kind::Float).unwrap_or(first.kind);
        let tensors: Vec<&Tensor> =
            parts.iter().filter(|part| part.tensor.elem_count() > 0).map(|part| &part.tensor).collect();
        if tensors.is_empty() {
            return Ok(first.clone());
        }
        Ok(Self { tensor: Tensor::cat(&tensors, axis).map_err(text)?, kind })
    }

    /// A matrix with rows for columns.
    pub(crate) fn turned(&self) -> Result<Self> {
        self.with(self.tensor.t().and_then(|tensor| tensor.contiguous()))
    }

    pub(crate) fn matmul(&self, other: &Self) -> Result<Self> {
        let ([items @ .., rows, _], [others @ .., _, columns]) = (self.shape(), other.shape()) else {
            return Err("a product of vectors".to_owned());
        };
        let rank = items.len().max(others.len());
        let size = |of: &[usize], back: usize| of.iter().rev().nth(back).copied().unwrap_or(1);
        let batch = (0..rank).map(|back| size(items, back).max(size(others, back)));
        within(&batch.chain([*rows, *columns]).collect::<Vec<_>>())?;
        let product = self.tensor.broadcast_matmul(&other.tensor);
        Ok(Self { tensor: product.map_err(text)?, kind: Kind::Float })
    }

    /// Its elements as the network computes with them.
    pub(crate) fn floats(&self) -> Result<Vec<f32>> {
        self.tensor.to_dtype(DType::F32).and_then(|flat| flat.flatten_all()?.to_vec1()).map_err(text)
    }
}

/// Checks that a tensor of this shape can be made.
pub(crate) fn within(shape: &[usize]) -> Result<()> {
    // As if none of its sizes were 0: strides are computed of the others.
    let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul((*size).max(1)));
    if count.is_none_or(|count| count > LIMIT.get()) {
        return Err(format!("a constant of {shape:?} elements is too large"));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands on")]
pub(crate) fn text(error: candle_core::Error) -> String {
    // The first line: what follows may be a backtrace.
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

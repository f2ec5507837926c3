use cudarc::cudnn::sys::cudnnDataType_t;
use half::bf16;

use super::memory::Kind;
use crate::arithmetic::Precision;
use crate::value::Keep;

/// What the values of maps, weights and biases are stored as; sums are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    F32,
    Bf16,
}

impl Element {
    /// For passes of a precision. Walks back divide by what a pass kept: they want its values in f32.
    pub(crate) fn of(precision: Precision, keep: Keep) -> Self {
        match (precision, keep) {
            (Precision::Bf16, Keep::Taps) => Self::Bf16,
            _ => Self::F32,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::F32,
            Self::Bf16 => Kind::Bf16,
        }
    }

    /// Values as they are stored.
    pub(crate) fn stored(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
            Self::Bf16 => values.iter().flat_map(|value| bf16::from_f32(*value).to_ne_bytes()).collect(),
        }
    }

    /// As cuDNN names it.
    pub(crate) fn cudnn(self) -> cudnnDataType_t {
        match self {
            Self::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
            Self::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        }
    }
}

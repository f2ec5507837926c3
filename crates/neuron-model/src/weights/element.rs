//! From stored little-endian numbers to f32.

use std::sync::Arc;

use half::{bf16, f16};

/// A floating-point type that weights are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    F64,
    F32,
    F16,
    Bf16,
}

impl Float {
    /// Bytes per element.
    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// All elements of `bytes`, in order, each to the nearest f32; a remainder shorter than one element is not read.
    pub(super) fn decode(self, bytes: &[u8]) -> Arc<[f32]> {
        // The match stands outside the loops so that each of them is vectorised.
        let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        match self {
            Self::F64 => {
                let (eights, _) = bytes.as_chunks::<8>();
                eights.iter().map(|eight| f64::from_le_bytes(*eight) as f32).collect()
            }
            Self::F32 => {
                bytes.chunks_exact(4).map(|e| f32::from_le_bytes([e[0], e[1], e[2], e[3]])).collect()
            }
            Self::F16 => pairs.map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
            Self::Bf16 => pairs.map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Float;

    #[test]
    fn decodes_each_type_exactly() {
        assert_eq!(&*Float::F32.decode(&[0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1]), &[1.0, -10.0]);
        assert_eq!(&*Float::F16.decode(&[0x00, 0x3c, 0x55, 0x35]), &[1.0, 0.333_251_95]);
        assert_eq!(&*Float::Bf16.decode(&[0x80, 0x3f, 0x20, 0xc1]), &[1.0, -10.0]);
    }

    #[test]
    fn doubles_are_rounded_to_the_nearest() {
        let bytes: Vec<u8> = [1.0f64, 0.1, -1e-3].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(&*Float::F64.decode(&bytes), &[1.0, 0.1, -1e-3]);
    }
}

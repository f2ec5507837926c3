//! Tensors that a file holds.

use std::sync::Arc;

use half::{bf16, f16};

use crate::error::ImportError;

/// What a tensor's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
    Bool,
}

impl Element {
    /// Bytes of one.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether it has fractions.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    fn read(self, bytes: &[u8]) -> f64 {
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.try_into().expect("as long as an element")
        }
        match self {
            Self::U8 => f64::from(bytes[0]),
            Self::Bool => f64::from(u8::from(bytes[0] != 0)),
            Self::I8 => f64::from(i8::from_le_bytes(array(bytes))),
            Self::I16 => f64::from(i16::from_le_bytes(array(bytes))),
            Self::I32 => f64::from(i32::from_le_bytes(array(bytes))),
            Self::I64 => i64::from_le_bytes(array(bytes)) as f64,
            Self::F16 => f16::from_le_bytes(array(bytes)).to_f64(),
            Self::Bf16 => bf16::from_le_bytes(array(bytes)).to_f64(),
            Self::F32 => f64::from(f32::from_le_bytes(array(bytes))),
            Self::F64 => f64::from_le_bytes(array(bytes)),
        }
    }
}

/// Where the bytes of a tensor are.
pub(crate) trait Payload: Send + Sync {
    /// All of them.
    ///
    /// # Errors
    /// [`ImportError`] if they cannot be read.
    fn bytes(&self) -> Result<Arc<[u8]>, ImportError>;
}

impl Payload for Arc<[u8]> {
    fn bytes(&self) -> Result<Arc<[u8]>, ImportError> {
        Ok(self.clone())
    }
}

/// Elements of a tensor that has more of them than the file.
const MOST_REPEATED: usize = 1 << 26;

/// A tensor of a file, read when it is needed.
#[derive(Clone)]
pub(crate) struct Parameter {
    /// Its name: that of the model's `state_dict`, where the file knows it.
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) shape: Vec<usize>,
    /// Distance of neighbours along each axis, in elements.
    pub(crate) strides: Vec<usize>,
    /// Of the first element.
    pub(crate) offset: usize,
    pub(crate) payload: Arc<dyn Payload>,
}

impl Parameter {
    /// A tensor that lies row by row.
    pub(crate) fn contiguous(
        name: String,
        element: Element,
        shape: Vec<usize>,
        payload: Arc<dyn Payload>,
    ) -> Self {
        let strides = contiguous(&shape);
        Self { name, element, shape, strides, offset: 0, payload }
    }

    /// Its elements in rows, each by `convert`.
    ///
    /// # Errors
    /// [`ImportError::Parameter`] if its bytes are not there, or too few.
    pub(crate) fn read<T>(&self, convert: impl Fn(f64) -> T) -> Result<Vec<T>, ImportError> {
        let bytes = self.payload.bytes()?;
        let wide = self.element.bytes();
        let wrong = |what: String| ImportError::Parameter { name: self.name.clone(), what };
        let held = bytes.len() / wide;
        let count = self.shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
        let count = count.ok_or_else(|| wrong("its shape is too large".to_owned()))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let reach =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (size, stride)| {
                last.checked_add((size - 1).checked_mul(*stride)?)
            });
        if reach.is_none_or(|last| last >= held) {
            return Err(wrong(format!("it reaches beyond the {held} elements that the file has for it")));
        }
        // Repeated by strides of 0.
        if count > held.max(MOST_REPEATED) {
            return Err(wrong(format!("{held} elements are repeated to {count}")));
        }
        let element = |at: usize| convert(self.element.read(&bytes[at * wide..][..wide]));
        if self.strides == contiguous(&self.shape) {
            return Ok((self.offset..self.offset + count).map(element).collect());
        }
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(element(at));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                // Back to where it was, however far an axis of one place says that the next is.
                at = at.wrapping_add(self.strides[axis]);
                if index[axis] < self.shape[axis] {
                    break;
                }
                at = at.wrapping_sub(index[axis].wrapping_mul(self.strides[axis]));
                index[axis] = 0;
            }
        }
        Ok(values)
    }
}

/// Strides of a tensor that lies row by row.
pub(crate) fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(shape: &[usize], strides: &[usize], offset: usize) -> Parameter {
        let bytes: Vec<u8> = (0..12u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
        let payload: Arc<[u8]> = bytes.into();
        Parameter {
            name: "w".into(),
            element: Element::F32,
            shape: shape.into(),
            strides: strides.into(),
            offset,
            payload: Arc::new(payload),
        }
    }

    #[test]
    fn views_of_a_storage_are_read_by_their_strides() {
        let read = |parameter: Parameter| parameter.read(|value| value as u8).unwrap();
        assert_eq!(read(parameter(&[2, 3], &[3, 1], 0)), [0, 1, 2, 3, 4, 5]);
        assert_eq!(read(parameter(&[3, 2], &[1, 3], 1)), [1, 4, 2, 5, 3, 6]);
        assert_eq!(read(parameter(&[0, 2], &[1, 3], 100)), [0; 0]);
        assert_eq!(read(parameter(&[2, 1], &[3, usize::MAX], 1)), [1, 4]);
        assert_eq!(read(parameter(&[2, 2], &[0, 1], 1)), [1, 2, 1, 2]);
    }

    #[test]
    fn what_reaches_beyond_the_storage_is_refused() {
        for (shape, strides, offset) in [
            (&[13][..], &[1][..], 0),
            (&[2, 2], &[usize::MAX, 1], 0),
            (&[1], &[1], 12),
            (&[usize::MAX, 3], &[0, 0], 0),
            (&[1 << 20, 1 << 20], &[0, 0], 0),
        ] {
            assert!(parameter(shape, strides, offset).read(|value| value).is_err(), "{shape:?}");
        }
    }
}

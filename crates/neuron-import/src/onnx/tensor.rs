//! Tensors inside a model.

use std::sync::Arc;

use bytes::Bytes;

use super::external::Folder;
use super::proto::{TensorProto, data_type};
use crate::error::ImportError;
use crate::program::{Element, Parameter, Payload};

/// Bytes inside the file, which are held as long as one of its tensors is.
struct Inside(Bytes);

impl Payload for Inside {
    fn bytes(&self) -> Result<Arc<[u8]>, ImportError> {
        Ok(Arc::from(&self.0[..]))
    }
}

/// The tensor as a parameter of this name.
///
/// # Errors
/// [`ImportError`] if its elements are of a type that is not known here, or are not as many as its shape says.
pub(super) fn parameter(
    tensor: &TensorProto,
    name: String,
    folder: &mut Folder,
) -> Result<Parameter, ImportError> {
    let wrong = |what: String| ImportError::Parameter { name: name.clone(), what };
    let element = element(tensor.data_type).ok_or_else(|| {
        wrong(format!("its elements are of type {}, which is not supported", type_name(tensor.data_type)))
    })?;
    let shape = shape(&tensor.dims)
        .ok_or_else(|| wrong(format!("there is no tensor of the shape {:?}", tensor.dims)))?;
    let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let expected = count.and_then(|count| count.checked_mul(element.bytes()));
    let expected = expected.ok_or_else(|| wrong(format!("the shape {shape:?} is too large")))?;
    if tensor.data_location == 1 {
        let payload = folder.payload(&name, &tensor.external_data, expected)?;
        return Ok(Parameter::contiguous(name, element, shape, payload));
    }
    let bytes = if tensor.raw_data.is_empty() { listed(tensor, element) } else { tensor.raw_data.clone() };
    if bytes.len() != expected {
        let held = bytes.len();
        return Err(wrong(format!("its shape {shape:?} needs {expected} bytes, and the file has {held}")));
    }
    Ok(Parameter::contiguous(name, element, shape, Arc::new(Inside(bytes))))
}

fn shape(dims: &[i64]) -> Option<Vec<usize>> {
    dims.iter().map(|size| usize::try_from(*size).ok()).collect()
}

/// What the elements of a type are called here.
pub(super) fn element(data_type: i32) -> Option<Element> {
    Some(match data_type {
        data_type::FLOAT => Element::F32,
        data_type::UINT8 => Element::U8,
        data_type::INT8 => Element::I8,
        data_type::INT16 => Element::I16,
        data_type::INT32 => Element::I32,
        data_type::INT64 => Element::I64,
        data_type::BOOL => Element::Bool,
        data_type::FLOAT16 => Element::F16,
        data_type::DOUBLE => Element::F64,
        data_type::BFLOAT16 => Element::Bf16,
        _ => return None,
    })
}

/// The name of a type, for messages.
pub(super) fn type_name(data_type: i32) -> String {
    let name = match data_type {
        data_type::UINT16 => "uint16",
        data_type::STRING => "string",
        data_type::UINT32 => "uint32",
        data_type::UINT64 => "uint64",
        other => match element(other) {
            Some(element) => return format!("{element:?}").to_lowercase(),
            None => return format!("number {other}"),
        },
    };
    name.to_owned()
}

/// The elements that are listed one by one, as bytes. Those of two bytes or fewer stand in the list of `i32`.
fn listed(tensor: &TensorProto, element: Element) -> Bytes {
    let small = tensor.int32_data.iter();
    match element {
        Element::F32 => tensor.float_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::F64 => tensor.double_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::I64 => tensor.int64_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::I32 => small.flat_map(|value| value.to_le_bytes()).collect(),
        Element::I16 | Element::F16 | Element::Bf16 => {
            small.flat_map(|value| (*value as u16).to_le_bytes()).collect()
        }
        Element::U8 | Element::I8 | Element::Bool => small.map(|value| *value as u8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(tensor: &TensorProto) -> Result<Vec<f64>, ImportError> {
        parameter(tensor, "w".to_owned(), &mut Folder::of(Path::new("net.onnx")))?.read(|value| value)
    }

    #[test]
    fn elements_are_read_from_raw_bytes_and_from_lists() {
        let shaped = |data_type| TensorProto { dims: vec![2], data_type, ..Default::default() };
        let raw = Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 192]);
        let cases = [
            TensorProto { raw_data: raw, ..shaped(data_type::FLOAT) },
            TensorProto { float_data: vec![1.0, -2.0], ..shaped(data_type::FLOAT) },
            TensorProto { double_data: vec![1.0, -2.0], ..shaped(data_type::DOUBLE) },
            TensorProto { int64_data: vec![1, -2], ..shaped(data_type::INT64) },
            TensorProto { int32_data: vec![1, -2], ..shaped(data_type::INT32) },
            TensorProto { int32_data: vec![1, -2], ..shaped(data_type::INT16) },
            TensorProto { int32_data: vec![1, -2], ..shaped(data_type::INT8) },
            // The bits of 1 and -2 in half precision.
            TensorProto { int32_data: vec![0x3c00, 0xc000], ..shaped(data_type::FLOAT16) },
        ];
        for tensor in cases {
            assert_eq!(read(&tensor).unwrap(), [1.0, -2.0], "{tensor:?}");
        }
    }

    #[test]
    fn what_does_not_fit_its_shape_or_has_no_type_is_refused() {
        let tensor = |dims: &[i64], data_type, values: usize| TensorProto {
            dims: dims.to_vec(),
            data_type,
            float_data: vec![0.0; values],
            ..Default::default()
        };
        let float = data_type::FLOAT;
        for (tensor, told) in [
            (tensor(&[3], float, 2), "needs 12 bytes"),
            (tensor(&[], float, 0), "needs 4 bytes"),
            (tensor(&[-1], float, 1), "no tensor of the shape"),
            (tensor(&[i64::MAX, 4], float, 1), "too large"),
            (tensor(&[1], data_type::STRING, 1), "string"),
            (tensor(&[1], 23, 1), "number 23"),
        ] {
            let error = read(&tensor).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(read(&tensor(&[0, 5], float, 0)).unwrap(), [0.0; 0]);
    }
}

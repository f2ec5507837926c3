//! Nodes that make a constant: parameters without a name of their own.

use bytes::Bytes;

use super::attributes::Attributes;
use super::external::Folder;
use super::proto::{TensorProto, data_type};
use super::refusal::Refusal;
use super::tensor;
use crate::program::Parameter;

/// What a `Constant` makes; none if it is no tensor of numbers.
pub(super) fn parameter(
    attributes: &Attributes,
    name: String,
    folder: &mut Folder,
) -> Result<Option<Parameter>, Refusal> {
    if let Some(value) = attributes.tensor("value")? {
        return Ok(Some(tensor::parameter(value, name, folder)?));
    }
    let float = attributes.optional_float("value_float")?.map(|value| value as f32);
    let tensor = if let Some(value) = float {
        floats(&[value], Vec::new())
    } else if let Some(value) = attributes.optional_int("value_int")? {
        ints(&[value], Vec::new())
    } else if let Some(values) = attributes.floats("value_floats")? {
        floats(values, vec![values.len() as i64])
    } else if let Some(values) = attributes.ints("value_ints")? {
        ints(values, vec![values.len() as i64])
    } else {
        return Ok(None);
    };
    Ok(Some(tensor::parameter(&tensor, name, folder)?))
}

fn floats(values: &[f32], dims: Vec<i64>) -> TensorProto {
    let raw_data: Bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto { dims, data_type: data_type::FLOAT, raw_data, ..Default::default() }
}

fn ints(values: &[i64], dims: Vec<i64>) -> TensorProto {
    let raw_data: Bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto { dims, data_type: data_type::INT64, raw_data, ..Default::default() }
}

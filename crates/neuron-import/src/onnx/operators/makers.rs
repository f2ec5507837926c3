//! Tensors that are made, and other types of elements.

use super::super::proto::data_type;
use super::super::tensor;
use super::{Call, Mapped, Refusal, Work, decimal};
use crate::program::{Element, Operand, Operator};

pub(super) fn map(call: &Call, work: &mut Work) -> Option<Result<Mapped, Refusal>> {
    Some(match call.operator {
        "ConstantOfShape" => constant_of_shape(call, work),
        "Range" => range(call, work),
        "EyeLike" => eye(call, work),
        "Cast" => cast(call),
        "CastLike" => cast_like(call, work),
        _ => return None,
    })
}

/// How a value gets another type of elements.
fn to(element: Element) -> Operator {
    match element {
        Element::Bool => Operator::ToBool,
        element if element.is_float() => Operator::ToFloat,
        _ => Operator::ToInt,
    }
}

fn constant_of_shape(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let sizes = work.sizes(call.input(0)?)?;
    let Some(value) = call.attributes.tensor("value")? else {
        return Ok((Operator::Full { sizes, value: Operand::Float(0.0) }, Vec::new()));
    };
    let (element, value) = one(value)?;
    let full = Operator::Full { sizes, value };
    if element != Element::Bool {
        return Ok((full, Vec::new()));
    }
    let full = work.step(full, []);
    Ok((Operator::ToBool, vec![full]))
}

/// The one element of a tensor among a node's settings.
fn one(value: &super::super::proto::TensorProto) -> Result<(Element, Operand), Refusal> {
    // A setting has no other file.
    if value.data_location == 1 {
        return Err(Refusal::damaged("its value is in another file"));
    }
    let mut nowhere = super::super::external::Folder::of(std::path::Path::new(""));
    let parameter = tensor::parameter(value, "value".to_owned(), &mut nowhere)?;
    let element = parameter.element;
    match parameter.read(|value| value)?[..] {
        [value] if element == Element::F32 => Ok((element, Operand::Float(decimal(value as f32)))),
        [value] if element.is_float() => Ok((element, Operand::Float(value))),
        [value] => Ok((element, Operand::Int(value as i64))),
        _ => Err(Refusal::damaged("its value has not one element")),
    }
}

fn range(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let operand = |at| work.literal(call.input(at)?);
    Ok((Operator::Range { start: operand(0)?, end: operand(1)?, step: operand(2)? }, Vec::new()))
}

/// In the shape of a matrix.
fn eye(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let x = call.input(0)?;
    if call.attributes.int("k", 0)? != 0 {
        return Err(Refusal::because("with k"));
    }
    let rows = work.step(Operator::Size { axis: 0 }, [x]);
    let columns = work.step(Operator::Size { axis: 1 }, [x]);
    let eye = Operator::Eye { rows, columns };
    let element = match call.attributes.optional_int("dtype")? {
        Some(target) => Some(element(target)?),
        None => work.element(x),
    };
    match element {
        Some(element) if !element.is_float() => {
            let eye = work.step(eye, []);
            Ok((to(element), vec![eye]))
        }
        _ => Ok((eye, Vec::new())),
    }
}

fn element(target: i64) -> Result<Element, Refusal> {
    let target = i32::try_from(target).map_err(|_| Refusal::damaged("its type is no number of one"))?;
    match tensor::element(target) {
        Some(element) => Ok(element),
        // Lengths and indices, which are far from the ends of these types.
        None if [data_type::UINT16, data_type::UINT32, data_type::UINT64].contains(&target) => {
            Ok(Element::I64)
        }
        None => Err(Refusal::because(format!("to {}", tensor::type_name(target)))),
    }
}

fn cast(call: &Call) -> Result<Mapped, Refusal> {
    let target = call.attributes.optional_int("to")?;
    let target = target.ok_or_else(|| Refusal::damaged("it does not say to what"))?;
    Ok((to(element(target)?), call.inputs(1, 1)?))
}

fn cast_like(call: &Call, work: &Work) -> Result<Mapped, Refusal> {
    let element = work.element(call.input(1)?).ok_or_else(|| Refusal::because("to an unknown type"))?;
    Ok((to(element), call.inputs(1, 1)?))
}

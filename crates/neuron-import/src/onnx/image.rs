//! What a file declares of its values, and of the image among them.

use super::operators::Declared;
use super::proto::ValueInfoProto;
use super::tensor;
use crate::program::Element;

/// Height and width where a file leaves them open: what most networks were trained with. It is only a hint: nothing is
/// computed from it that does not hold at other sizes, too.
const USUAL_SIDE: usize = 224;

/// The type and the shape of a value, as far as the file has them.
pub(super) fn declared(info: &ValueInfoProto) -> Declared {
    let Some(tensor) = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()) else {
        return Declared::default();
    };
    let length = |length: Option<i64>| length.and_then(|length| usize::try_from(length).ok());
    let shape =
        tensor.shape.as_ref().map(|shape| shape.dim.iter().map(|dim| length(dim.dim_value)).collect());
    Declared { element: tensor::element(tensor.elem_type), shape }
}

/// The shape `[images, channels, height, width]` of an input, with 3 channels or, of grey images, 1: one image, and
/// [`USUAL_SIDE`], where they are open.
///
/// # Errors
/// Why it is no image.
pub(super) fn shape(input: &ValueInfoProto) -> Result<Vec<usize>, String> {
    let name = &input.name;
    let elements =
        input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).map(|tensor| tensor.elem_type);
    let declared = declared(input);
    if !declared.element.is_some_and(Element::is_float) {
        let found = elements
            .map_or("no tensor".to_owned(), |elements| format!("of type {}", tensor::type_name(elements)));
        return Err(format!("its input {name} is {found}, and an image is of numbers with a fraction"));
    }
    let shape = declared.shape.ok_or_else(|| format!("it does not say what shape its input {name} has"))?;
    let [images, channels, height, width] = shape[..] else {
        return Err(format!(
            "its input {name} has {} axes, and an image has four: images, channels, height, width",
            shape.len()
        ));
    };
    let channels = match (channels, width) {
        (Some(channels @ (1 | 3)), _) => channels,
        (_, Some(1 | 3)) => {
            return Err(format!(
                "its input {name} has channels last; convert it to images, channels, height, width (tf2onnx: \
                 --inputs-as-nchw {name})"
            ));
        }
        (None, _) => {
            return Err(format!(
                "it leaves open how many channels its input {name} has; export it with 3, or 1"
            ));
        }
        (Some(channels), _) => {
            return Err(format!(
                "its input {name} has {channels} channels, and an image has 3, or 1 if it is grey"
            ));
        }
    };
    let shape = [images.unwrap_or(1), channels, height.unwrap_or(USUAL_SIDE), width.unwrap_or(USUAL_SIDE)];
    if shape.contains(&0) {
        return Err(format!("its input {name} has the shape {shape:?}, which is empty"));
    }
    Ok(shape.to_vec())
}

/// An input of this type and shape; 0 stands for a length that is left open.
#[cfg(test)]
pub(super) fn input(name: &str, elem_type: i32, shape: &[i64]) -> ValueInfoProto {
    use super::proto::{DimensionProto, TensorShapeProto, TensorTypeProto, TypeProto};
    let dim = |length: &i64| DimensionProto {
        dim_value: (*length != 0).then_some(*length),
        dim_param: if *length == 0 { "n".to_owned() } else { String::new() },
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

#[cfg(test)]
mod tests {
    use super::super::proto::data_type;
    use super::*;

    #[test]
    fn what_is_open_gets_what_is_usual() {
        let of = |lengths| shape(&input("x", data_type::FLOAT, lengths));
        assert_eq!(of(&[2, 3, 160, 192]).unwrap(), [2, 3, 160, 192]);
        assert_eq!(of(&[0, 3, 0, 96]).unwrap(), [1, 3, 224, 96]);
        assert_eq!(of(&[0, 3, 0, 3]).unwrap(), [1, 3, 224, 3]);
        assert_eq!(of(&[0, 1, 28, 28]).unwrap(), [1, 1, 28, 28]);
    }

    #[test]
    fn what_is_no_image_is_refused_with_the_reason() {
        for (elements, lengths, told) in [
            (data_type::FLOAT, &[1, 224, 224, 3][..], "channels last"),
            (data_type::FLOAT, &[1, 28, 28, 1], "channels last"),
            (data_type::FLOAT, &[1, 2, 28, 28], "2 channels"),
            (data_type::FLOAT, &[0, 0, 0, 0], "leaves open how many channels"),
            (data_type::FLOAT, &[1, 128], "2 axes"),
            (data_type::UINT8, &[1, 3, 8, 8], "of type u8"),
            (data_type::INT64, &[1, 3, 8, 8], "of type i64"),
        ] {
            let error = shape(&input("x", elements, lengths)).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!(shape(&ValueInfoProto { name: "x".into(), r#type: None }).unwrap_err().contains("no tensor"));
    }
}

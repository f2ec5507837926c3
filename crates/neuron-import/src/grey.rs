//! Networks of grey images read the luminance of coloured ones.

use std::sync::Arc;

use neuron_model::weights::{LUMINANCE, WeightTensor};

use crate::error::ImportError;
use crate::program::{Element, Node, Operand, Operator, Padding, Parameter, Program, ValueId};

/// The name of the convolution that is put before a network. It belongs to no module, and is no layer.
const NAME: &str = "luminance";

/// Lets a network whose image has one channel read one of three; `false` if its image has others.
///
/// Where nothing but convolutions reads the image, they are given weights for three channels: so relevance reaches pixels by
/// the rule for the first convolution. Elsewhere a convolution is put before the network.
///
/// # Errors
/// [`ImportError`] if weights cannot be read.
pub(crate) fn in_colours(program: &mut Program) -> Result<bool, ImportError> {
    if program.image.1.get(1) != Some(&1) {
        return Ok(false);
    }
    program.image.1[1] = LUMINANCE.len();
    let image = program.image.0;
    let reads_channels =
        |node: &Node| node.reads().any(|value| value == image) && !is_other_length(&node.operator);
    let readers: Vec<usize> =
        (0..program.nodes.len()).filter(|index| reads_channels(&program.nodes[*index])).collect();
    let weights: Option<Vec<ValueId>> =
        readers.iter().map(|index| weight(program, &program.nodes[*index])).collect();
    match weights {
        Some(weights) if !program.outputs.contains(&image) => {
            for (index, weight) in readers.into_iter().zip(weights) {
                let wide = wide(&program.parameters[&weight])?;
                program.nodes[index].inputs[1] = Operand::Value(add(program, wide));
            }
        }
        _ => put_before(program),
    }
    Ok(true)
}

/// Whether an operator asks how many images there are, or how large they are.
fn is_other_length(operator: &Operator) -> bool {
    matches!(operator, Operator::Size { axis } if ![1, -3].contains(axis))
}

/// The weights of a convolution of the image alone; `None` of any other operator.
fn weight(program: &Program, node: &Node) -> Option<ValueId> {
    let (Operator::Convolution { groups: 1, .. }, Some(weight)) = (&node.operator, node.inputs.get(1)) else {
        return None;
    };
    let weight = weight.value()?;
    let is_of_grey = matches!(program.parameters.get(&weight)?.shape[..], [_, 1, _, _]);
    is_of_grey.then_some(weight)
}

/// Weights of one channel as those of three.
fn wide(parameter: &Parameter) -> Result<Parameter, ImportError> {
    let narrow = WeightTensor::new(&parameter.shape[..], parameter.read(|value| value as f32)?);
    let wide = narrow.of_luminance().expect("weights of one channel");
    Ok(of_numbers(&parameter.name, wide))
}

/// A convolution of one position from red, green and blue to what the network reads.
fn put_before(program: &mut Program) {
    let weight = of_numbers(NAME, WeightTensor::new([1, LUMINANCE.len(), 1, 1], LUMINANCE));
    let weight = add(program, weight);
    let grey = program.image.0;
    let image = program.add("image");
    program.image.0 = image;
    let nothing = || vec![0; 2];
    let operator = Operator::Convolution {
        stride: vec![1; 2],
        padding: Padding::Explicit { before: nothing(), after: nothing() },
        dilation: vec![1; 2],
        groups: 1,
    };
    let node = Node {
        name: NAME.to_owned(),
        operator,
        inputs: vec![Operand::Value(image), Operand::Value(weight), Operand::Nothing],
        outputs: vec![grey],
        scopes: Vec::new(),
    };
    program.nodes.insert(0, node);
}

fn add(program: &mut Program, parameter: Parameter) -> ValueId {
    let value = program.add(parameter.name.clone());
    program.parameters.insert(value, parameter);
    value
}

fn of_numbers(name: &str, WeightTensor { shape, data }: WeightTensor) -> Parameter {
    let bytes: Arc<[u8]> = data.iter().flat_map(|number| number.to_le_bytes()).collect();
    Parameter::contiguous(name.to_owned(), Element::F32, shape, Arc::new(bytes))
}

//! Convolutions, fully connected layers and products of matrices.

use neuron_model::ops::{Convolution, Exchange, Linear, Scatter, Stored};
use neuron_model::weights::WeightTensor;
use neuron_model::{ConvGeometry, Shape, Window};

use super::map::{Axis, size, whole};
use super::rearrange::Grid;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::program::{Operand, Padding};

/// Stride, padding, dilation and groups.
type Slide<'a> = (&'a [usize], &'a Padding, &'a [usize], usize);

impl Translator<'_> {
    pub(super) fn convolution(&mut self, inputs: &[Operand], slide: Slide<'_>) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a convolution without weights")?;
        let bias = self.weight(operand(inputs, 2))?;
        let input = self.map(inputs, 0)?;
        self.slid(&input, weight, bias, slide).map(Value::Map)
    }

    /// A convolution of a map.
    fn slid(
        &mut self,
        input: &Map,
        weight: WeightTensor,
        bias: Option<WeightTensor>,
        (stride, padding, dilation, groups): Slide<'_>,
    ) -> Result<Map, Obstacle> {
        let [out_channels, per_group, kernel @ ..] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        if let (&[width], [1, 1], [1], [1]) = (kernel, [*out_channels, *per_group], stride, dilation) {
            let slid = self.along_channels(input, (&weight, width), (bias.clone(), padding));
            if slid.is_ok() {
                return slid;
            }
        }
        if let &[width] = kernel {
            return self.along_line(input, (&weight, width), bias, (stride, padding, dilation, groups));
        }
        if kernel.len() == 3 {
            return self.slid_in_planes(input, (weight, bias), (stride, padding, dilation, groups));
        }
        let &[down, right] = kernel else { return Err(format!("a convolution over {} axes", kernel.len())) };
        let at = self.at.clone();
        let node = match self.as_image(input) {
            Ok(node) => node,
            Err(why) if input.dims.len() == 4 && self.items == 1 && size(&input.dims[0]) > 1 => {
                return self
                    .of_each(input, (&weight, bias), (stride, padding, dilation, groups))
                    .map_err(|_| why);
            }
            Err(why) => return Err(why),
        };
        let shape = self.shapes[&node];
        let window = Window {
            kernel: [down, right],
            stride: pair(stride)?,
            dilation: pair(dilation)?,
            ..Window::square(1, 1, 0)
        };
        let size = [shape.height, shape.width];
        let (node, padding) = self.padded_for(node, (padding, window, size), 0.0)?;
        let window = Window { padding, ..window };
        let geometry = ConvGeometry {
            in_channels: per_group.checked_mul(groups).ok_or("too many groups")?,
            out_channels: *out_channels,
            groups,
            window,
        };
        if groups == 0
            || out_channels % groups != 0
            || [down, right].contains(&0)
            || window.stride.contains(&0)
        {
            return Err("windows or groups of size 0".to_owned());
        }
        let operation = Convolution { geometry, bias: bias.is_some() };
        let (node, shape) = self.push_as(&at, operation, &[node])?;
        self.give(
            [("weight", Some(weight)), ("bias", bias)]
                .into_iter()
                .filter_map(|(name, tensor)| Some((name, tensor?))),
        );
        Ok(Map::image(node, shape, self.items))
    }

    /// A convolution over one axis, as over the columns of an image of one row.
    fn along_line(
        &mut self,
        input: &Map,
        (weight, width): (&WeightTensor, usize),
        bias: Option<WeightTensor>,
        (stride, padding, dilation, groups): Slide<'_>,
    ) -> Result<Map, Obstacle> {
        let rank = input.dims.len();
        if rank < 2 {
            return Err("a convolution over a vector".to_owned());
        }
        let mut image = input.clone();
        image.dims.insert(rank - 1, Vec::new());
        let along = |list: &[usize], other: usize| [&[other], list].concat();
        let padding = match padding {
            Padding::Explicit { before, after } => {
                Padding::Explicit { before: along(before, 0), after: along(after, 0) }
            }
            same => same.clone(),
        };
        let &[out_channels, per_group, _] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        let weight =
            WeightTensor { shape: vec![out_channels, per_group, 1, width], data: weight.data.clone() };
        let slide = (&along(stride, 1)[..], &padding, &along(dilation, 1)[..], groups);
        let mut made = self.slid(&image, weight, bias, slide)?;
        made.dims.remove(rank - 1);
        Ok(made)
    }

    /// A convolution over three axes along one of which it is one place wide: that many images.
    fn slid_in_planes(
        &mut self,
        input: &Map,
        (weight, bias): (WeightTensor, Option<WeightTensor>),
        (stride, padding, dilation, groups): Slide<'_>,
    ) -> Result<Map, Obstacle> {
        let &[out_channels, per_group, ref kernel @ ..] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        let Padding::Explicit { before, after } = padding else {
            return Err("a convolution over three axes with padding that depends on them".to_owned());
        };
        let is_flat = |axis: &usize| {
            let nothing = |list: &[usize], none: usize| list.get(*axis).or(list.first()) == Some(&none);
            kernel[*axis] == 1 && nothing(stride, 1) && nothing(before, 0) && nothing(after, 0)
        };
        let flat = (0..3).rev().find(is_flat).ok_or("a convolution over three axes")?;
        if input.dims.len() != 5 || self.items != 1 || size(&input.dims[0]) != 1 {
            return Err("a convolution over three axes of a batch".to_owned());
        }
        // The axis changes places with the batch.
        let mut order: Vec<usize> = (0..5).filter(|dim| *dim != 2 + flat).collect();
        order[0] = 2 + flat;
        order.insert(0, 0);
        let mut planes = input.permuted(&order);
        planes.dims.remove(0);
        let without = |list: &[usize]| {
            if list.len() < 3 {
                return list.to_vec();
            }
            (0..3).filter(|axis| *axis != flat).map(|axis| list[axis]).collect::<Vec<usize>>()
        };
        let shape = [vec![out_channels, per_group], without(kernel)].concat();
        let weight = WeightTensor { shape, data: weight.data };
        let padding = Padding::Explicit { before: without(before), after: without(after) };
        let slide = (&without(stride)[..], &padding, &without(dilation)[..], groups);
        let mut made = self.slid(&planes, weight, bias, slide)?;
        let planes = made.dims.remove(0);
        made.dims.insert(0, Vec::new());
        made.dims.insert(2 + flat, planes);
        Ok(made)
    }

    /// A convolution of every image of a first dimension that is no batch, as one of groups with the same weights.
    fn of_each(
        &mut self,
        input: &Map,
        (weight, bias): (&WeightTensor, Option<WeightTensor>),
        (stride, padding, dilation, groups): Slide<'_>,
    ) -> Result<Map, Obstacle> {
        let [count, channels, height, width] = input.sizes()[..] else {
            return Err("a convolution of no images".to_owned());
        };
        self.afford(weight.data.len().saturating_mul(count))?;
        let joint = self.reshaped(input, &[1, count * channels, height, width])?;
        let repeated = |tensor: &WeightTensor| {
            let mut shape = tensor.shape.clone();
            shape[0] *= count;
            let values = std::iter::repeat_n(&tensor.data[..], count).flatten().copied();
            WeightTensor::new(shape, values.collect::<Vec<_>>())
        };
        let out = weight.shape[0];
        let slide = (stride, padding, dilation, groups * count);
        let made = self.slid(&joint, repeated(weight), bias.as_ref().map(repeated), slide)?;
        let [_, _, height, width] = made.sizes()[..] else { return Ok(made) };
        self.reshaped(&made, &[count, out, height, width])
    }

    /// As a convolution over the map with zeros between its positions, by the weights in reverse.
    pub(super) fn transposed_convolution(
        &mut self,
        inputs: &[Operand],
        [stride, padding, more, dilation]: [&[usize]; 4],
        groups: usize,
    ) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a convolution without weights")?;
        let bias = self.weight(operand(inputs, 2))?;
        let &[in_channels, per_group, down, right] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        let (kernel, stride, padding) = ([down, right], pair(stride)?, pair(padding)?);
        let (more, dilation) = (pair(more)?, pair(dilation)?);
        if groups == 0
            || in_channels % groups != 0
            || kernel.contains(&0)
            || stride.contains(&0)
            || dilation.contains(&0)
        {
            return Err("windows or groups of size 0".to_owned());
        }
        let window = Window { kernel, dilation, ..Window::square(1, 1, 0) };
        let reach = window.extent().map(|extent| extent - 1);
        if padding[0] > reach[0] || padding[1] > reach[1] {
            return Err("padding that is wider than the windows".to_owned());
        }
        let window = Window { padding: [reach[0] - padding[0], reach[1] - padding[1]], ..window };
        let (of_group, places, out_channels) = (in_channels / groups, down * right, per_group * groups);
        let mut data = Vec::with_capacity(weight.data.len());
        for to in 0..out_channels {
            for from in 0..of_group {
                let row = (to / per_group * of_group + from) * per_group + to % per_group;
                data.extend(weight.data[row * places..][..places].iter().rev());
            }
        }
        let at = self.at.clone();
        let input = self.map(inputs, 0)?;
        let node = self.as_image(&input)?;
        let (node, _) = self.push(Scatter { stride, after: more }, &[node])?;
        let geometry = ConvGeometry { in_channels, out_channels, groups, window };
        let operation = Convolution { geometry, bias: bias.is_some() };
        let (node, shape) = self.push_as(&at, operation, &[node])?;
        let weight = WeightTensor::new([out_channels, of_group, down, right], data);
        self.give(
            [("weight", Some(weight)), ("bias", bias)]
                .into_iter()
                .filter_map(|(name, tensor)| Some((name, tensor?))),
        );
        Ok(Value::Map(Map::image(node, shape, self.items)))
    }

    /// A convolution that slides along channels (Wang et al., "ECA-Net", CVPR 2020), as the layer with its weights on diagonals.
    fn along_channels(
        &mut self,
        input: &Map,
        (weight, width): (&WeightTensor, usize),
        (bias, padding): (Option<WeightTensor>, &Padding),
    ) -> Result<Map, Obstacle> {
        let channels = input.shape.channels;
        let before = match padding {
            Padding::Explicit { before, after } if before == after => before.first().copied().unwrap_or(0),
            Padding::Same { .. } => width / 2,
            Padding::Explicit { .. } => {
                return Err("a convolution along channels with uneven padding".to_owned());
            }
        };
        if input.channel_dim() != Some(input.dims.len() - 1) || 2 * before + 1 != width {
            return Err("a convolution along tokens".to_owned());
        }
        self.afford(channels.saturating_mul(channels))?;
        let mut rows = vec![0.0; channels * channels];
        for to in 0..channels {
            for (at, value) in weight.data.iter().enumerate() {
                if let Some(from) = (to + at).checked_sub(before).filter(|from| *from < channels) {
                    rows[to * channels + from] = *value;
                }
            }
        }
        let bias = bias.map(|bias| WeightTensor::new([channels], vec![bias.data[0]; channels]));
        self.fully_connected(input, WeightTensor::new([channels, channels], rows), bias)
    }

    pub(super) fn linear(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
        let bias = self.weight(operand(inputs, 2))?;
        let input = self.map(inputs, 0)?;
        self.fully_connected(&input, weight, bias).map(Value::Map)
    }

    /// A fully connected layer along the last dimension.
    pub(super) fn fully_connected(
        &mut self,
        input: &Map,
        weight: WeightTensor,
        bias: Option<WeightTensor>,
    ) -> Result<Map, Obstacle> {
        let &[out_features, in_features] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        let at = self.at.clone();
        let last = input.dims.len().checked_sub(1).ok_or("a map without dimensions")?;
        let whole = self.arranged(input)?;
        let whole = if whole.channel_dim() == Some(last) { whole } else { self.exchanged(&whole)? };
        let fits =
            |map: &Map| in_features == map.shape.channels && map.channel_dim().is_none_or(|dim| dim == last);
        let input = if fits(&whole) {
            whole
        } else {
            let ordered = self.rearranged(input, &[last], Grid::Kept)?;
            self.scaled(&ordered)?
        };
        if !fits(&input) {
            return Err(format!("a layer of {in_features} inputs along {} places", size(&input.dims[last])));
        }
        let stored = if bias.is_some() { Stored::WithBias } else { Stored::WithoutBias };
        let (node, shape) = self.push_as(&at, Linear { in_features, out_features, stored }, &[input.node])?;
        self.give(
            [("weight", Some(weight)), ("bias", bias)]
                .into_iter()
                .filter_map(|(name, tensor)| Some((name, tensor?))),
        );
        Ok(input.moved_to(node, shape))
    }

    /// Positions as channels, where all of them are the last dimension.
    fn exchanged(&mut self, input: &Map) -> Result<Map, Obstacle> {
        let Shape { channels, height, width, extra } = input.shape;
        let positions = [whole(Axis::Row, height), whole(Axis::Column, width)].concat();
        let is_along = extra == 0
            && height * width > 1
            && input.dims.last() == Some(&positions)
            && input.rolled == [0; 2];
        let Some(dim) = input.channel_dim().filter(|_| is_along) else { return Ok(input.clone()) };
        let exchange = Exchange { from: [height, width], to: [channels, 1] };
        let (node, shape) = self.push(exchange, &[input.node])?;
        let mut dims = input.dims.clone();
        dims[dim] = whole(Axis::Row, channels);
        dims.pop();
        dims.push(whole(Axis::Channel, shape.channels));
        Ok(Map { exchanged: Some([height, width]), ..Map::of(node, shape, dims) })
    }

    /// Positions in their places again, once they come before the channels.
    pub(super) fn exchanged_back(&mut self, map: Map) -> Result<Map, Obstacle> {
        let Shape { channels, height, width, .. } = map.shape;
        let Some(grid) = map.exchanged.filter(|grid| grid[0] * grid[1] == channels) else { return Ok(map) };
        let last = map.dims.len().saturating_sub(1);
        let is_back =
            map.dims.last() == Some(&whole(Axis::Row, height)) && width == 1 && map.has_all_channels();
        let Some(dim) = map.channel_dim().filter(|dim| is_back && *dim != last) else { return Ok(map) };
        let map = self.scaled(&map)?;
        let (node, shape) = self.push(Exchange { from: [height, 1], to: grid }, &[map.node])?;
        let mut dims = map.dims.clone();
        dims[dim] = [whole(Axis::Row, grid[0]), whole(Axis::Column, grid[1])].concat();
        dims[last] = whole(Axis::Channel, shape.channels);
        Ok(Map::of(node, shape, dims))
    }

    pub(super) fn matmul(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        match (self.value(inputs, 0)?, self.value(inputs, 1)?) {
            (Value::Map(input), Value::Constant(_) | Value::Parameter(_)) => {
                let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
                match transposed(&weight) {
                    Ok(weight) => self.fully_connected(&input, weight, None).map(Value::Map),
                    Err(_) => {
                        let constant = self.constant(inputs[1])?.ok_or("a product without a factor")?;
                        let table = self.table(&input, &constant)?;
                        self.matrix_product(&input, &table.turned()?).map(Value::Map)
                    }
                }
            }
            (Value::Map(a), Value::Map(b)) => {
                let turned = b.turned()?;
                match self.similarity(a.clone(), turned.clone()) {
                    Ok(scores) => Ok(Value::scores(scores)),
                    Err(_) => self.matrix_product(&a, &turned).map(Value::Map),
                }
            }
            (Value::Scores(scores), Value::Map(values)) => self.weighted(&scores, &values).map(Value::Map),
            (Value::Constant(_) | Value::Parameter(_), b) => {
                // As `(b' a')'`.
                let b = self.as_map(b)?;
                let a = self.weight(operand(inputs, 0))?.ok_or("a product without a factor")?;
                let [.., rows, inner] = a.shape[..] else { return Err("a vector times a map".to_owned()) };
                if a.data.len() != rows * inner {
                    return Err("several matrices times a map".to_owned());
                }
                let a = WeightTensor { shape: vec![rows, inner], data: a.data };
                self.fully_connected(&b.turned()?, a, None)?.turned().map(Value::Map)
            }
            (a, b) => {
                let (a, b) = (self.as_map(a)?, self.as_map(b)?);
                self.matrix_product(&a, &b.turned()?).map(Value::Map)
            }
        }
    }

    /// `alpha * a b + beta * c`
    pub(super) fn gemm(
        &mut self,
        inputs: &[Operand],
        (alpha, beta): (f64, f64),
        [of_a, of_b]: [bool; 2],
    ) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
        let weight = if of_b { weight } else { transposed(&weight)? };
        let times = |tensor: WeightTensor, by: f64| {
            if by == 1.0 {
                return tensor;
            }
            let data: Vec<f32> = tensor.data.iter().map(|value| (f64::from(*value) * by) as f32).collect();
            WeightTensor::new(tensor.shape, data)
        };
        let out = weight.shape.first().copied().unwrap_or(0);
        let bias = match operand(inputs, 2) {
            Operand::Nothing => None,
            bias => Some(times(self.vector(bias, out, 0.0)?, beta)),
        };
        let mut input = self.map(inputs, 0)?;
        if of_a {
            input = input.permuted(&[1, 0]);
        }
        self.fully_connected(&input, times(weight, alpha), bias).map(Value::Map)
    }
}

/// The operand at a place, which may not be there.
pub(super) fn operand(inputs: &[Operand], index: usize) -> Operand {
    inputs.get(index).copied().unwrap_or(Operand::Nothing)
}

/// Two numbers, of which a single one is both.
pub(super) fn pair(list: &[usize]) -> Result<[usize; 2], Obstacle> {
    match *list {
        [both] => Ok([both; 2]),
        [down, right] => Ok([down, right]),
        _ => Err(format!("windows over {} axes", list.len())),
    }
}

/// A matrix with rows for columns.
pub(super) fn transposed(matrix: &WeightTensor) -> Result<WeightTensor, Obstacle> {
    let &[rows, columns] = &matrix.shape[..] else { return Err("weights of another rank".to_owned()) };
    let data: Vec<f32> = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| matrix.data[row * columns + column]))
        .collect();
    Ok(WeightTensor::new([columns, rows], data))
}

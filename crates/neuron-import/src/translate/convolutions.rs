//! Convolutions, over one, two or three axes, and their transposes.

use neuron_model::ops::{Convolution, Scatter};
use neuron_model::weights::WeightTensor;
use neuron_model::{ConvGeometry, Window};

use super::map::size;
use super::products::{operand, pair};
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
        let (of_group, places) = (in_channels / groups, down * right);
        let out_channels = per_group.checked_mul(groups).ok_or("too many groups")?;
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
        let one = |bias: WeightTensor| bias.data.first().copied().ok_or("a bias without values");
        let bias = bias.map(one).transpose()?;
        let bias = bias.map(|bias| WeightTensor::new([channels], vec![bias; channels]));
        self.fully_connected(input, WeightTensor::new([channels, channels], rows), bias)
    }
}

//! The state of an optimisation as bytes: a safetensors file that docs/formats.md specifies.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::FvisError;
use crate::item::{Item, Step};
use crate::optimizer::Optimizer;
use crate::parametrisation::Parametrisation;
use crate::prior::PriorLoss;

const FORMAT: &str = "neuron-fvis-checkpoint-2";

/// A tensor that holds one picture's state, by its name, and how to reach it.
type Field = (&'static str, fn(&mut Item) -> &mut Vec<f32>);
/// Those that have its size, `[items, height, width, 3]`.
const OF_PICTURES: [Field; 2] =
    [("picture", |item| &mut item.picture), ("gradient", |item| &mut item.gradient)];
/// Those with a value for each number that it is made of: of pixels, again that size, else `[items, numbers]`.
const OF_NUMBERS: [Field; 2] =
    [("adam.mean", |item| &mut item.adam.mean), ("adam.square", |item| &mut item.adam.square)];
/// These numbers, unless they are the pixels.
const NUMBERS: Field = ("parameters", |item| &mut item.parameters);
const HISTORY: &str = "history";
/// Numbers of a step beside the layers' losses: the loss, three priors, the activation.
const BESIDE_LAYERS: usize = 5;

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Steps that were taken.
    pub steps: usize,
    /// The run's [`Settings`](crate::Settings) as JSON.
    pub settings: String,
    /// What was handed to [`Optimizer::checkpoint`].
    pub inputs: String,
}

impl CheckpointState {
    /// Reads it from a checkpoint's bytes, without its tensors.
    ///
    /// # Errors
    /// [`FvisError::Checkpoint`] if the bytes are no checkpoint, or are damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, FvisError> {
        let damaged = |source: SafeTensorError| refused(format!("it is damaged ({source})"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let Some(state) = metadata.get(FORMAT) else {
            return Err(refused(format!("its metadata has no {FORMAT}")));
        };
        serde_json::from_str(state).map_err(|error| refused(format!("it is damaged ({error})")))
    }
}

impl Optimizer<'_> {
    /// Everything from which the same run can go on to the same bits.
    ///
    /// `inputs` is what the run depends on beside its settings (the weights, the units and their references), in
    /// any words: [`Optimizer::restore`] compares them.
    pub fn checkpoint(&mut self, inputs: &str) -> Vec<u8> {
        let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for ((name, field), shape) in self.fields() {
            let values = self.items.iter_mut().flat_map(|item| field(item).iter());
            tensors.push((name, Dtype::F32, shape, values.flat_map(|v| v.to_le_bytes()).collect()));
        }
        let terms = self.objective().layers().len() + BESIDE_LAYERS;
        let history = self.items.iter().flat_map(|item| item.history.iter().flat_map(Step::numbers));
        let history = history.flat_map(f64::to_le_bytes).collect();
        tensors.push((HISTORY, Dtype::F64, vec![self.items.len(), self.steps_done, terms], history));

        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view =
                TensorView::new(*dtype, shape.clone(), bytes).expect("each shape was made for its bytes");
            (*name, view)
        });
        // One entry: the crate writes several in an order that differs from run to run.
        let state =
            CheckpointState { steps: self.steps_done, settings: self.described(), inputs: inputs.to_owned() };
        let state = serde_json::to_string(&state).expect("a state is plain data");
        let metadata = HashMap::from([(FORMAT.to_owned(), state)]);
        safetensors::serialize(views, Some(metadata)).expect("names and shapes are sound")
    }

    /// Goes on from a checkpoint that a run with the same settings and `inputs` left.
    ///
    /// # Errors
    /// [`FvisError::Checkpoint`] if the bytes are damaged or were left by another run; nothing has changed then.
    pub fn restore(&mut self, bytes: &[u8], inputs: &str) -> Result<(), FvisError> {
        let damaged = |source: SafeTensorError| refused(format!("it is damaged ({source})"));
        let CheckpointState { steps, settings, inputs: made_from } = CheckpointState::read(bytes)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        for (what, found, expected) in
            [("settings", settings, self.described()), ("inputs", made_from, inputs.to_owned())]
        {
            if found != expected {
                return Err(refused(format!("its {what} are {found}, those of this run {expected}")));
            }
        }
        if steps > self.settings().schedule.steps() {
            return Err(refused(format!("it was written after {steps} steps, more than there are")));
        }

        let mut items = self.items.clone();
        for ((name, field), shape) in self.fields() {
            let len: usize = shape[1..].iter().product();
            let bytes = data(&file, name, Dtype::F32, items.len() * len * 4)?;
            for (item, bytes) in items.iter_mut().zip(bytes.chunks_exact(len * 4)) {
                let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
                *field(item) = bytes.chunks_exact(4).map(number).collect();
            }
        }
        let terms = self.objective().layers().len() + BESIDE_LAYERS;
        let bytes = data(&file, HISTORY, Dtype::F64, items.len() * steps * terms * 8)?;
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let numbers: Vec<f64> = bytes.chunks_exact(8).map(number).collect();
        let phase_step = steps.checked_sub(1).and_then(|step| self.settings().schedule.at(step));
        for (at, item) in items.iter_mut().enumerate() {
            let numbers = &numbers[at * steps * terms..][..steps * terms];
            item.history = numbers.chunks_exact(terms).map(Step::from_numbers).collect();
            if self.has_pixels() {
                item.parameters.clone_from(&item.picture);
            }
            item.adam.steps = phase_step.map_or(0, |(_, index)| index as i32 + 1);
        }
        (self.items, self.steps_done) = (items, steps);
        Ok(())
    }

    /// Whether a picture is made of its pixels.
    fn has_pixels(&self) -> bool {
        self.settings().parametrisation == Parametrisation::Pixels
    }

    /// Every tensor of the pictures, with its shape.
    fn fields(&self) -> Vec<(Field, Vec<usize>)> {
        let (height, width) = self.settings().size;
        let of_pictures = vec![self.items.len(), height, width, 3];
        let of_numbers = match self.has_pixels() {
            true => of_pictures.clone(),
            false => vec![self.items.len(), self.canvas.parameters()],
        };
        let numbers = (!self.has_pixels()).then_some(NUMBERS);
        let of_pictures = OF_PICTURES.map(|field| (field, of_pictures.clone()));
        let of_numbers = OF_NUMBERS.into_iter().chain(numbers).map(|field| (field, of_numbers.clone()));
        of_pictures.into_iter().chain(of_numbers).collect()
    }

    fn described(&self) -> String {
        serde_json::to_string(self.settings()).expect("settings are plain data")
    }
}

impl Step {
    fn numbers(&self) -> Vec<f64> {
        let PriorLoss { tv_l1, tv_l2, l2 } = self.priors;
        [&[self.loss], &self.layers[..], &[tv_l1, tv_l2, l2, self.activation]].concat()
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        let (layers, rest) = numbers[1..].split_at(numbers.len() - BESIDE_LAYERS);
        let priors = PriorLoss { tv_l1: rest[0], tv_l2: rest[1], l2: rest[2] };
        Self { loss: numbers[0], layers: layers.to_vec(), priors, activation: rest[3] }
    }
}

/// The bytes of a tensor of a known length.
fn data<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype, len: usize) -> Result<&'a [u8], FvisError> {
    let tensor = file.tensor(name).map_err(|_| refused(format!("it has no {name}")))?;
    if tensor.dtype() != dtype || tensor.data().len() != len {
        return Err(refused(format!("its {name} is of another size or type")));
    }
    Ok(tensor.data())
}

fn refused(reason: String) -> FvisError {
    FvisError::Checkpoint { reason }
}

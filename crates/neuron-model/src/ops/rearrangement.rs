use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Values of a map in another order: what exporters write as reshapes and transpositions, where positions and channels mix.
/// Some may be left out, and some repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rearrangement {
    /// Channels of the map that comes in.
    pub channels: usize,
    /// Its height and width; they fix the size of the image.
    pub grid: [usize; 2],
    /// Its positions before the grid. With any, its positions are one line: rows do not count.
    pub extra: usize,
    /// Channels, height and width of the map that comes out.
    pub to: [usize; 3],
    /// Channel, row and column where the steps begin.
    pub first: [usize; 3],
    /// How far rows and columns are moved up and left, round the edges, before steps are taken.
    pub rolled: [usize; 2],
    /// Where the output's values stand, in its order: position by position, and of each channel by channel. The last step is
    /// the fastest; together they are as many as there are values, and some of the last ones as many as there are channels.
    pub steps: [Step; MOST_STEPS],
}

/// How many steps there can be.
pub const MOST_STEPS: usize = 12;

/// Steps along an axis of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which axis.
    pub axis: StepAxis,
    /// How many places it has; 1 if it is none.
    pub count: u32,
    /// How far they are apart; 0 where one place is repeated.
    pub apart: u32,
}

/// An axis of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepAxis {
    /// The channels.
    Channel,
    /// The rows of its grid.
    Row,
    /// The columns of its grid; of a map with positions before the grid, all positions.
    Column,
}

impl Step {
    /// No step.
    pub const NONE: Self = Self { axis: StepAxis::Channel, count: 1, apart: 0 };
}

impl StepAxis {
    fn place(self) -> usize {
        match self {
            Self::Channel => 0,
            Self::Row => 1,
            Self::Column => 2,
        }
    }
}

/// Channel, row and column.
type Place = [usize; 3];

impl Rearrangement {
    /// Lengths of the axes of the map that comes in.
    fn lengths(&self) -> Place {
        let [height, width] = self.grid;
        let positions = height.saturating_mul(width).saturating_add(self.extra);
        if self.extra > 0 { [self.channels, 1, positions] } else { [self.channels, height, width] }
    }

    /// Number of the last steps that lie within a position; `None` if there are none that are as many as the channels.
    fn within(&self) -> Option<usize> {
        let mut count = 1usize;
        // As few as possible: steps of one place are none.
        for within in 0..=MOST_STEPS {
            if count == self.to[0] {
                return Some(within);
            }
            let step = self.steps.get(MOST_STEPS.checked_sub(within + 1)?)?;
            count = count.checked_mul(step.count as usize)?;
        }
        None
    }

    /// The place of every combination of steps, the last one the fastest.
    fn places(steps: &[Step], first: Place) -> Vec<Place> {
        let mut places = vec![first];
        for step in steps {
            let further = |place: &Place| {
                let place = *place;
                (0..step.count).map(move |at| {
                    let mut there = place;
                    there[step.axis.place()] += at as usize * step.apart as usize;
                    there
                })
            };
            places = places.iter().flat_map(further).collect();
        }
        places
    }

    /// Calls `body` with every position of the output and the places of its channels in an item of the input.
    fn sources(&self) -> Sources {
        let within = self.within().expect("checked when the graph was built");
        let (outer, inner) = self.steps.split_at(MOST_STEPS - within);
        let [channels, rows, columns] = self.lengths();
        Sources {
            positions: Self::places(outer, self.first),
            channels: Self::places(inner, [0; 3]),
            rows,
            columns,
            stride: channels,
            rolled: self.rolled,
        }
    }
}

/// Where the values of an output stand in an item of the input.
struct Sources {
    positions: Vec<Place>,
    channels: Vec<Place>,
    rows: usize,
    columns: usize,
    stride: usize,
    rolled: [usize; 2],
}

impl Sources {
    /// The places of a position's channels.
    fn of(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        let [channel, row, column] = self.positions[position];
        let [down, right] = self.rolled;
        self.channels.iter().map(move |[more, rows, columns]| {
            let row = row + rows + down;
            let column = column + columns + right;
            let row = if row >= self.rows { row - self.rows } else { row };
            let column = if column >= self.columns { column - self.columns } else { column };
            (row * self.columns + column) * self.stride + channel + more
        })
    }
}

impl Op for Rearrangement {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let Shape { channels, height, width, extra } = inputs[0];
        if channels != self.channels {
            return Err(ShapeError::Channels { expected: self.channels, found: channels });
        }
        if extra != self.extra {
            return Err(ShapeError::Extra { extra });
        }
        if [height, width] != self.grid {
            return Err(ShapeError::Grid { expected: self.grid, found: [height, width] });
        }
        let [channels, height, width] = self.to;
        let shape = Shape::grid(channels, height, width);
        let count = self.steps.iter().map(|step| step.count as usize).fold(1, usize::saturating_mul);
        let mut last = self.first;
        for step in self.steps {
            let far = (step.count.saturating_sub(1) as usize).saturating_mul(step.apart as usize);
            last[step.axis.place()] = last[step.axis.place()].saturating_add(far);
        }
        let lengths = self.lengths();
        let is_inside = last.iter().zip(lengths).all(|(last, length)| *last < length);
        let is_rolled = self.rolled[0] < lengths[1].max(1) && self.rolled[1] < lengths[2].max(1);
        if count != shape.len() || self.within().is_none() || !is_inside || !is_rolled {
            return Err(ShapeError::Steps);
        }
        Ok(shape)
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.to[0]
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn only_grid(&self) -> Option<[usize; 2]> {
        Some(self.grid)
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every value gets its signal back, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Rearrangement {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let sources = self.sources();
        let positions = sources.positions.len();
        let item_len = call.input.item_len();
        neuron_threads::for_each(output.chunks_mut(self.to[0].max(1)), |index, values| {
            let input = &call.input.data[index / positions * item_len..][..item_len];
            let sources = sources.of(index % positions);
            values.iter_mut().zip(sources).for_each(|(value, source)| *value = input[source]);
        });
    }

    /// What was read several times gets the sum, in the output's order.
    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let sources = self.sources();
        let size = call.sizes[0];
        let item_len = size.height * size.width * size.channels;
        let signal_len = self.to.iter().product::<usize>();
        let mut back = pool.take(size.len());
        neuron_threads::for_each(back.chunks_mut(item_len.max(1)), |item, back| {
            back.fill(0.0);
            let signal = &signal[item * signal_len..][..signal_len];
            for (position, signal) in signal.chunks_exact(self.to[0].max(1)).enumerate() {
                sources.of(position).zip(signal).for_each(|(source, signal)| back[source] += signal);
            }
        });
        pool.release(signal);
        vec![Arc::new(back)]
    }
}

//! What a task has to do with: a head of a group of an item.
use super::{Attention, BLOCK, Similarity};
use crate::microkernel::{
    Isa, MatrixMut, Members, OUTSIDE, Panels, Rows, Similarities, Stage, gemm, pack_flipped, soften,
    to_units, with_scratch,
};
use crate::shape::View;
use std::ops::Range;

/// Sums that start from 0.
pub(super) const FRESH: Stage<'static> = Stage { resume: false, epilogue: None };

/// A third of a map's channels.
#[derive(Clone, Copy)]
pub(super) enum Third {
    Queries,
    Keys,
    Values,
}

/// A head of a group of an item.
pub(super) struct Head<'a> {
    pub(super) isa: &'static Isa,
    attention: &'a Attention<'a>,
    /// `[positions, 3 * channels]`
    item: &'a [f32],
    channels: usize,
    /// Its channels.
    first: usize,
    pub(super) width: usize,
    /// Which head and group it is.
    index: usize,
    group: usize,
    members: &'a [u32],
}

/// Members of a group that lie in the map, at most [`BLOCK`].
pub(super) struct Block {
    members: [usize; BLOCK],
    len: usize,
}

impl Block {
    pub(super) fn members(&self) -> &[usize] {
        &self.members[..self.len]
    }
}

/// A group's keys, and what else its similarities are made of.
pub(super) struct Keys<'a> {
    /// `[padded members, width]`: without their offset, by cosine of length 1.
    pub(super) rows: &'a [f32],
    /// By cosine, what they were multiplied by for that.
    pub(super) shrink: &'a [f32],
    /// The same as the columns of a product.
    columns: &'a [f32],
    pub(super) similarities: Similarities<'a>,
}

impl<'a> Head<'a> {
    pub(super) fn new(
        isa: &'static Isa,
        map: View<'a>,
        attention: &'a Attention<'a>,
        task: &Members<'_>,
    ) -> Self {
        let channels = map.channels / 3;
        let width = channels / attention.heads;
        Self {
            isa,
            attention,
            item: &map.data[task.item * map.item_len()..][..map.item_len()],
            channels,
            first: task.head * width,
            width,
            index: task.head,
            group: task.group,
            members: attention.neighbourhoods.places().group(task.group),
        }
    }

    /// Members of the group.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Members, and channels of the head, as columns in whole panels.
    pub(super) fn padded(&self) -> [usize; 2] {
        [self.len(), self.width].map(|columns| self.isa.padded(columns))
    }

    pub(super) fn is_cosine(&self) -> bool {
        matches!(self.attention.similarity, Similarity::Cosine { .. })
    }

    /// The blocks of some members.
    pub(super) fn blocks(&self, members: Range<usize>) -> impl Iterator<Item = Block> {
        members.clone().step_by(BLOCK).map(move |start| {
            let mut block = Block { members: [0; BLOCK], len: 0 };
            for member in (start..members.end.min(start + BLOCK)).filter(|at| self.members[*at] != OUTSIDE) {
                block.members[block.len] = member;
                block.len += 1;
            }
            block
        })
    }

    /// A member's part of a third of the map.
    pub(super) fn row(&self, third: Third, member: usize) -> &'a [f32] {
        let at = third as usize * self.channels + self.first;
        match self.members[member] {
            OUTSIDE => &self.attention.outside.expect("checked: padding has values")[at..][..self.width],
            position => &self.item[position as usize * 3 * self.channels + at..][..self.width],
        }
    }

    /// A member's part of a signal at the item's output; the member is in the map.
    pub(super) fn signal<'s>(&self, signal: &'s [f32], member: usize) -> &'s [f32] {
        &signal[self.members[member] as usize * self.channels + self.first..][..self.width]
    }

    /// The rows of a third as columns of a product.
    pub(super) fn columns(&self, third: Third, [rows, columns]: [&mut [f32]; 2]) {
        self.gather((0..self.len()).map(|member| self.row(third, member)), rows);
        pack_flipped(self.isa, rows, self.width, columns);
    }

    /// `rows` one behind the other; 0 behind them.
    pub(super) fn gather<'r>(&self, rows: impl ExactSizeIterator<Item = &'r [f32]>, to: &mut [f32]) {
        let (to, behind) = to.split_at_mut(rows.len() * self.width);
        rows.zip(to.chunks_exact_mut(self.width)).for_each(|(row, to)| to.copy_from_slice(row));
        behind.fill(0.0);
    }

    /// Packs rows as the right side of a product.
    pub(super) fn pack<'r>(&self, rows: impl ExactSizeIterator<Item = &'r [f32]>, to: &mut [f32]) {
        let (depth, width, panel) = (rows.len(), self.width, self.isa.panel);
        for (step, row) in rows.enumerate() {
            for first in (0..width).step_by(panel) {
                let columns = self.isa.panel_for(width - first);
                let (held, beyond) =
                    to[first * depth + step * columns..][..columns].split_at_mut(columns.min(width - first));
                held.copy_from_slice(&row[first..][..held.len()]);
                beyond.fill(0.0);
            }
        }
    }

    /// Gathers a block's queries; by cosine they get length 1, and `shrink` is what they were multiplied by for that.
    pub(super) fn queries(&self, block: &Block, rows: &mut [f32], shrink: &mut [f32]) {
        let members = block.members();
        let rows = &mut rows[..members.len() * self.width];
        self.gather(members.iter().map(|member| self.row(Third::Queries, *member)), rows);
        if self.is_cosine() {
            to_units(self.isa, rows, self.width, &mut shrink[..members.len()]);
        }
    }

    /// How much memory [`Head::keys`] needs.
    pub(super) fn keys_lens(&self) -> [usize; 4] {
        let [len, _] = self.padded();
        [len * self.width, self.len(), len * self.width, self.len()]
    }

    pub(super) fn keys<'k>(&self, [rows, shrink, columns, regions]: [&'k mut [f32]; 4]) -> Keys<'k>
    where
        'a: 'k,
    {
        let len = self.len();
        self.gather((0..len).map(|member| self.row(Third::Keys, member)), rows);
        let keys = &mut rows[..len * self.width];
        if let Some(offset) = self.attention.key_offset {
            let offset = &offset[self.first..][..self.width];
            for key in keys.chunks_exact_mut(self.width) {
                key.iter_mut().zip(offset).for_each(|(key, offset)| *key -= offset);
            }
        }
        let factor = match self.attention.similarity {
            Similarity::Dot { factor } => factor,
            Similarity::Cosine { factors } => {
                to_units(self.isa, keys, self.width, shrink);
                factors[self.index]
            }
        };
        pack_flipped(self.isa, rows, self.width, columns);
        let regions = self.attention.neighbourhoods.regions(self.group).map(|of| {
            regions.iter_mut().zip(of).for_each(|(region, of)| *region = f32::from(*of));
            &*regions
        });
        let bias = self.attention.bias.map(|bias| &bias[self.index * len * len..][..len * len]);
        let similarities = Similarities { keys: len, factor, bias, regions };
        Keys { rows, shrink, columns, similarities }
    }

    /// `[block, padded members]`: how much each member counts for each query.
    pub(super) fn weights(&self, keys: &Keys<'_>, block: &Block, queries: &[f32], weights: &mut [f32]) {
        let (rows, [pitch, _]) = (block.members().len(), self.padded());
        let to = &mut MatrixMut::new(weights, rows, pitch, pitch);
        let columns = Panels { data: keys.columns, depth: self.width };
        gemm(self.isa, Rows::new(queries, self.width), columns, to, FRESH);
        soften(self.isa, &keys.similarities, block.members(), (weights, pitch));
    }
}

/// Lends `body` scratch of several lengths, each of which begins at a cache line.
pub(super) fn with_scratches<const N: usize>(lens: [usize; N], body: impl FnOnce([&mut [f32]; N])) {
    /// Values of a cache line.
    const LINE: usize = 16;
    let padded = lens.map(|len| len.next_multiple_of(LINE));
    with_scratch(padded.iter().sum(), |mut rest: &mut [f32]| {
        body(std::array::from_fn(|index| {
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(padded[index]);
            rest = behind;
            &mut part[..lens[index]]
        }));
    });
}

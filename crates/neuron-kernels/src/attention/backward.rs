//! What means pass back: to queries, keys and values, or by constant weights to values alone.
use super::head::{Block, FRESH, Head, Third, with_scratches};
use super::{Attention, BLOCK};
use crate::microkernel::{
    Isa, MatrixMut, Members, Panels, Rows, Shares, Stage, gemm, pass_through_units, to_slopes,
};
use crate::shape::View;

pub(super) fn gradient(
    isa: &'static Isa,
    map: View<'_>,
    attention: &Attention<'_>,
    signal: &[f32],
    output: &mut [f32],
) {
    pass_back(isa, map, attention, (signal, output), Head::gradient);
}

pub(super) fn transpose(
    isa: &'static Isa,
    map: View<'_>,
    attention: &Attention<'_>,
    signal: &[f32],
    output: &mut [f32],
) {
    pass_back(isa, map, attention, (signal, output), Head::transpose);
}

/// Calls `body` with each head, the item's signal and what becomes of the head's part of the output. Not in parts of a
/// group: every query adds to all keys and values.
fn pass_back<'a>(
    isa: &'static Isa,
    map: View<'a>,
    attention: &'a Attention<'a>,
    (signal, output): (&[f32], &mut [f32]),
    body: impl Fn(&Head<'a>, &[f32], &mut Members<'_>) + Sync,
) {
    let channels = attention.check(map);
    assert_eq!(output.len(), map.data.len(), "what an attention passes back");
    assert_eq!(signal.len() * 3, map.data.len(), "signal of the attention");
    if output.is_empty() {
        return;
    }
    let shares = Shares {
        places: attention.neighbourhoods.places(),
        items: map.batch,
        thirds: 3,
        heads: attention.heads,
        width: channels / attention.heads,
        parts: 1,
    };
    shares.for_each(output, |mut to| {
        let signal = &signal[to.item * map.item_len() / 3..][..map.item_len() / 3];
        body(&Head::new(isa, map, attention, &to), signal, &mut to);
    });
}

impl Head<'_> {
    fn gradient(&self, signal: &[f32], to: &mut Members<'_>) {
        let (len, width, [pitch, columns]) = (self.len(), self.width, self.padded());
        let [a, b, c, d] = self.keys_lens();
        let packed = BLOCK * columns;
        let of_all = [a, b, c, d, pitch * width, pitch * width, len * columns, len * columns, len * columns];
        let of_block =
            [BLOCK * width, BLOCK, packed, BLOCK * width, packed, BLOCK * pitch, BLOCK * pitch, packed];
        with_scratches(of_all, |[a, b, c, d, value_rows, values, packed_keys, key_sums, value_sums]| {
            let keys = self.keys([a, b, c, d]);
            self.pack(keys.rows.chunks_exact(width).take(len), packed_keys);
            self.columns(Third::Values, [value_rows, values]);
            let (values, packed_keys) =
                (Panels { data: values, depth: width }, Panels { data: packed_keys, depth: len });
            with_scratches(
                of_block,
                |[queries, shrink, packed_queries, rows, packed, weights, slopes, sums]| {
                    let mut resume = false;
                    for block in self.blocks(0..len).filter(|block| !block.members().is_empty()) {
                        let (count, stage) = (block.members().len(), Stage { resume, ..FRESH });
                        self.queries(&block, queries, shrink);
                        self.weights(&keys, &block, queries, weights);
                        self.signals(&block, signal, [rows, packed]);
                        let to_slopes_of = &mut MatrixMut::new(slopes, count, pitch, pitch);
                        gemm(self.isa, Rows::new(rows, width), values, to_slopes_of, FRESH);
                        to_slopes(self.isa, &keys.similarities, weights, (slopes, count, pitch));
                        self.add_columns(weights, packed, count, (value_sums, stage));
                        self.pack(queries.chunks_exact(width).take(count), packed_queries);
                        self.add_columns(slopes, packed_queries, count, (key_sums, stage));
                        let of_queries = &mut MatrixMut::new(sums, count, columns, columns);
                        gemm(self.isa, Rows::new(slopes, pitch), packed_keys, of_queries, FRESH);
                        if self.is_cosine() {
                            pass_through_units(self.isa, (queries, &shrink[..count]), width, (sums, columns));
                        }
                        self.put(block.members().iter().copied(), sums, (Third::Queries, to));
                        resume = true;
                    }
                },
            );
            if self.is_cosine() {
                pass_through_units(self.isa, (keys.rows, keys.shrink), width, (key_sums, columns));
            }
            self.put(0..len, key_sums, (Third::Keys, to));
            self.put(0..len, value_sums, (Third::Values, to));
        });
    }

    fn transpose(&self, signal: &[f32], to: &mut Members<'_>) {
        let (len, width, [pitch, columns]) = (self.len(), self.width, self.padded());
        let [a, b, c, d] = self.keys_lens();
        let lens = [a, b, c, d, len * columns, BLOCK * width, BLOCK, BLOCK * columns, BLOCK * pitch];
        with_scratches(lens, |[a, b, c, d, sums, queries, shrink, packed, weights]| {
            let (keys, mut resume) = (self.keys([a, b, c, d]), false);
            for block in self.blocks(0..len).filter(|block| !block.members().is_empty()) {
                let members = block.members();
                self.queries(&block, queries, shrink);
                self.weights(&keys, &block, queries, weights);
                self.pack(members.iter().map(|member| self.signal(signal, *member)), packed);
                self.add_columns(weights, packed, members.len(), (sums, Stage { resume, ..FRESH }));
                resume = true;
            }
            self.put(0..len, sums, (Third::Values, to));
        });
        for member in 0..len {
            for third in [Third::Queries, Third::Keys] {
                if let Some(row) = to.row(member, third as usize) {
                    row.fill(0.0);
                }
            }
        }
    }

    /// A block's signals as the left and as the right side of products.
    fn signals(&self, block: &Block, signal: &[f32], [rows, packed]: [&mut [f32]; 2]) {
        let signals = || block.members().iter().map(|member| self.signal(signal, *member));
        self.gather(signals(), rows);
        self.pack(signals(), packed);
    }

    /// `sums (+)= left^T packed`, over `count` rows of both; `left` is `[block, padded members]`.
    fn add_columns(
        &self,
        left: &[f32],
        packed: &[f32],
        count: usize,
        (sums, stage): (&mut [f32], Stage<'_>),
    ) {
        let [pitch, columns] = self.padded();
        // Neighbouring columns are rows, and each of their values is a line of its own.
        let left = Rows { data: left, pitch: 1, segments: [count, 1], line: pitch, gap: 0 };
        let sums = &mut MatrixMut::new(sums, self.len(), columns, columns);
        gemm(self.isa, left, Panels { data: packed, depth: count }, sums, stage);
    }

    /// Stores rows of sums at members, where these are in the map.
    fn put(
        &self,
        members: impl Iterator<Item = usize>,
        sums: &[f32],
        (third, to): (Third, &mut Members<'_>),
    ) {
        let [_, columns] = self.padded();
        for (member, sums) in members.zip(sums.chunks_exact(columns)) {
            if let Some(row) = to.row(member, third as usize) {
                row.copy_from_slice(&sums[..self.width]);
            }
        }
    }
}

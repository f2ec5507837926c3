//! The weighted means.
use super::head::{FRESH, Head, Third, with_scratches};
use super::{Attention, BLOCK};
use crate::microkernel::{Isa, MatrixMut, Members, Panels, Rows, Shares, gemm};
use crate::shape::View;

/// Tasks a thread, at least, where there are as many.
const A_THREAD: usize = 4;
/// Queries a task, at least, where a head's are shared out: each task packs the keys and values again.
const QUERIES: usize = 48;

pub(super) fn forward(isa: &'static Isa, map: View<'_>, attention: &Attention<'_>, output: &mut [f32]) {
    let channels = attention.check(map);
    assert_eq!(output.len() * 3, map.data.len(), "output of the attention");
    if output.is_empty() {
        return;
    }
    let places = attention.neighbourhoods.places();
    let heads = map.batch * places.groups() * attention.heads;
    let shares = Shares {
        places,
        items: map.batch,
        thirds: 1,
        heads: attention.heads,
        width: channels / attention.heads,
        parts: parts(heads, places.len()),
    };
    shares.for_each(output, |mut to| Head::new(isa, map, attention, &to).attend(&mut to));
}

/// Into how many parts the queries of each head are cut.
fn parts(heads: usize, queries: usize) -> usize {
    let wanted = match neuron_threads::threads() {
        1 => 1,
        threads => A_THREAD * threads,
    };
    wanted.div_ceil(heads).min(queries / QUERIES).max(1)
}

impl Head<'_> {
    fn attend(&self, to: &mut Members<'_>) {
        let (len, width, [pitch, columns]) = (self.len(), self.width, self.padded());
        let [a, b, c, d] = self.keys_lens();
        let lens = [a, b, c, d, len * columns, BLOCK * width, BLOCK, BLOCK * pitch, BLOCK * columns];
        with_scratches(lens, |[a, b, c, d, values, queries, shrink, weights, means]| {
            let keys = self.keys([a, b, c, d]);
            self.pack((0..len).map(|member| self.row(Third::Values, member)), values);
            for block in self.blocks(to.range.clone()) {
                self.queries(&block, queries, shrink);
                self.weights(&keys, &block, queries, weights);
                let rows = &mut MatrixMut::new(means, block.members().len(), columns, columns);
                let values = Panels { data: values, depth: len };
                gemm(self.isa, Rows::new(weights, pitch), values, rows, FRESH);
                for (member, mean) in block.members().iter().zip(means.chunks_exact(columns)) {
                    let row = to.row(*member, 0).expect("a member in the map");
                    row.copy_from_slice(&mean[..width]);
                }
            }
        });
    }
}

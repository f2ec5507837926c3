//! What a step adds, at the positions that its own map has.

use std::borrow::Cow;

use neuron_kernels::{Number, thin_positions};

/// Every `every`-th line and column of maps `[batch, height, width, pixel]`; themselves, if that is all of them.
pub(super) fn thinned<N: Number + Default + Send + Sync>(
    maps: &[N],
    sizes: [usize; 4],
    every: usize,
) -> Cow<'_, [N]> {
    if every == 1 {
        return Cow::Borrowed(maps);
    }
    let [batch, height, width, pixel] = sizes;
    let mut thin = vec![N::default(); batch * height.div_ceil(every) * width.div_ceil(every) * pixel];
    thin_positions(maps, sizes, every, &mut thin);
    Cow::Owned(thin)
}

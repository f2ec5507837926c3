//! Pictures that are more than noise to a network.

pub(crate) const SIZE: (usize, usize) = (64, 48);
pub(crate) const PIXELS: usize = 3 * SIZE.0 * SIZE.1;

/// Pictures of stripes, each of another width: `[count, height, width, 3]`.
pub(crate) fn stripes(count: usize) -> Vec<f32> {
    let pixel = |index: usize| {
        let (item, at) = (index / PIXELS, index % PIXELS);
        let (y, x) = (at / 3 / SIZE.1, at / 3 % SIZE.1);
        (((y + 2 * x) as f32) / (2.0 + item as f32)).sin() * (1.0 + (at % 3) as f32 / 4.0)
    };
    (0..count * PIXELS).map(pixel).collect()
}

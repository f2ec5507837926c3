//! What the network sees of a picture in a step: pooled, rolled, mirrored.

/// How a picture is moved before the network sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Pixels downwards; what leaves at the bottom comes back at the top.
    pub down: isize,
    /// Pixels to the right; what leaves on one side comes back on the other.
    pub right: isize,
    /// Whether left and right are exchanged after that.
    pub mirrored: bool,
}

/// The network's view of a picture of `height x width`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    height: usize,
    width: usize,
    pooling: usize,
    shift: Shift,
}

impl View {
    pub(crate) fn new((height, width): (usize, usize), pooling: usize, shift: Shift) -> Self {
        Self { height, width, pooling, shift }
    }

    /// Height and width of a view.
    pub(crate) fn size((height, width): (usize, usize), pooling: usize) -> (usize, usize) {
        (height / pooling, width / pooling)
    }

    /// Writes the view of a picture.
    ///
    /// # Shapes
    /// * `picture`: `[height, width, 3]`
    /// * `view`: `[height / pooling, width / pooling, 3]`
    pub(crate) fn write(&self, picture: &[f32], view: &mut [f32]) {
        if self.pooling == 1 {
            return self.roll(picture, view);
        }
        let share = 1.0 / (self.pooling * self.pooling) as f32;
        for (at, pixel) in view.chunks_exact_mut(3).enumerate() {
            pixel.fill(0.0);
            for from in self.sources(at) {
                pixel.iter_mut().zip(&picture[from..][..3]).for_each(|(pixel, value)| *pixel += value);
            }
            pixel.iter_mut().for_each(|pixel| *pixel *= share);
        }
    }

    /// Writes the gradient with respect to the picture for one with respect to its view.
    pub(crate) fn pull_back(&self, view: &[f32], picture: &mut [f32]) {
        if self.pooling == 1 {
            return self.back().roll(view, picture);
        }
        let share = 1.0 / (self.pooling * self.pooling) as f32;
        picture.fill(0.0);
        for (at, pixel) in view.chunks_exact(3).enumerate() {
            for to in self.sources(at) {
                picture[to..][..3].iter_mut().zip(pixel).for_each(|(value, pixel)| *value = share * pixel);
            }
        }
    }

    /// Rolls and mirrors a picture without pooling, row by row.
    fn roll(&self, picture: &[f32], rolled: &mut [f32]) {
        let Shift { down, right, mirrored } = self.shift;
        let row_len = 3 * self.width;
        let first = 3 * (-right).rem_euclid(self.width as isize) as usize;
        neuron_threads::for_each(rolled.chunks_exact_mut(row_len), |y, rolled| {
            let y = (y as isize - down).rem_euclid(self.height as isize) as usize;
            let (end, start) = picture[y * row_len..][..row_len].split_at(first);
            if mirrored {
                let pixels = start.chunks_exact(3).chain(end.chunks_exact(3)).rev();
                rolled.chunks_exact_mut(3).zip(pixels).for_each(|(to, from)| to.copy_from_slice(from));
            } else {
                rolled[..start.len()].copy_from_slice(start);
                rolled[start.len()..].copy_from_slice(end);
            }
        });
    }

    /// What undoes this view, if nothing is pooled.
    fn back(&self) -> Self {
        let Shift { down, right, mirrored } = self.shift;
        // Mirrored once more, what was rolled to the right lies to the left.
        let right = if mirrored { right } else { -right };
        Self { shift: Shift { down: -down, right, mirrored }, ..*self }
    }

    /// Where the picture's pixels begin that are averaged to pixel `at` of the view.
    fn sources(&self, at: usize) -> impl Iterator<Item = usize> {
        let (height, width) = Self::size((self.height, self.width), self.pooling);
        let (y, x) = (at / width, at % width);
        let x = if self.shift.mirrored { width - 1 - x } else { x };
        let rolled = |at: usize, by: isize, len: usize| (at as isize - by).rem_euclid(len as isize) as usize;
        let (y, x) = (rolled(y, self.shift.down, height), rolled(x, self.shift.right, width));
        let (pooling, row_len) = (self.pooling, self.width);
        (0..pooling * pooling).map(move |cell| {
            let (y, x) = (y * pooling + cell / pooling, x * pooling + cell % pooling);
            (y * row_len + x) * 3
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[2, 3, 3]`: every pixel is three times its number.
    fn picture() -> Vec<f32> {
        (0..18).map(|at| (at / 3) as f32).collect()
    }

    fn viewed(pooling: usize, shift: Shift, size: (usize, usize), picture: &[f32]) -> Vec<f32> {
        let (height, width) = View::size(size, pooling);
        let mut view = vec![0.0; height * width * 3];
        View::new(size, pooling, shift).write(picture, &mut view);
        view.chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn pictures_are_rolled_then_mirrored() {
        let shift = Shift { down: 1, right: -1, mirrored: false };
        assert_eq!(viewed(1, shift, (2, 3), &picture()), [4.0, 5.0, 3.0, 1.0, 2.0, 0.0]);
        let shift = Shift { mirrored: true, ..shift };
        assert_eq!(viewed(1, shift, (2, 3), &picture()), [3.0, 5.0, 4.0, 0.0, 2.0, 1.0]);
    }

    #[test]
    fn squares_are_averaged_and_the_rest_is_left_out() {
        assert_eq!(viewed(2, Shift::default(), (2, 3), &picture()), [2.0]);
    }

    #[test]
    fn a_gradient_goes_back_the_way_the_picture_came() {
        // <view(p), g> = <p, pull_back(g)>
        let size = (6, 5);
        let picture: Vec<f32> = (0..90).map(|at| (at * 31 % 17) as f32).collect();
        for pooling in [1, 2] {
            let view = View::new(size, pooling, Shift { down: 2, right: -1, mirrored: true });
            let (height, width) = View::size(size, pooling);
            let gradient: Vec<f32> = (0..height * width * 3).map(|at| (at * 13 % 11) as f32).collect();
            let (mut seen, mut back) = (vec![0.0; gradient.len()], vec![0.0; picture.len()]);
            view.write(&picture, &mut seen);
            view.pull_back(&gradient, &mut back);
            let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            assert_eq!(dot(&seen, &gradient), dot(&picture, &back));
        }
    }
}

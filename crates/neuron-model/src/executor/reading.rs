//! How the CPU reads the images of a chunk: threads share them, and the lines of one where a part of it costs no more than
//! its share.

use crate::images::Images;

/// Pixels that a thread reads at a time.
const PIXELS: usize = 1 << 12;

/// Images that are read a few lines at a time.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    images: &'a dyn Images,
    /// Lines at a time.
    lines: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(images: &'a dyn Images) -> Self {
        let (height, width) = images.size();
        let lines = if images.is_by_line() { PIXELS / width.max(1) } else { height };
        Self { images, lines: lines.clamp(1, height.max(1)) }
    }

    /// Cuts what whole images are written to, `per_pixel` elements for each pixel, into the parts that [`Reading::read`]
    /// fills.
    pub(super) fn parts<T>(self, to: &mut [T], per_pixel: usize) -> impl Iterator<Item = &mut [T]> {
        let (height, width) = self.images.size();
        let line = (width * per_pixel).max(1);
        to.chunks_mut((height * line).max(1)).flat_map(move |image| image.chunks_mut(self.lines * line))
    }

    /// Writes a part, counted from that of the image `first` on.
    ///
    /// # Shapes
    /// * `pixels`: `[lines of the part, width, 3]`
    pub(super) fn read(self, first: usize, part: usize, pixels: &mut [f32]) {
        let (height, _) = self.images.size();
        let parts = height.div_ceil(self.lines).max(1);
        let (index, line) = (first + part / parts, part % parts * self.lines);
        if parts == 1 {
            self.images.write(index, pixels);
        } else {
            self.images.write_lines(index, line, pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{ByteImages, ChannelsFirst, ChannelsLast, ImageRange};

    /// Those of another, without their lines.
    struct Whole<'a>(&'a dyn Images);

    impl Images for Whole<'_> {
        fn count(&self) -> usize {
            self.0.count()
        }

        fn size(&self) -> (usize, usize) {
            self.0.size()
        }

        fn write(&self, index: usize, pixels: &mut [f32]) {
            self.0.write(index, pixels);
        }
    }

    fn read(images: &dyn Images, first: usize) -> (usize, Vec<f32>) {
        let (height, width) = images.size();
        let mut pixels = vec![f32::NAN; (images.count() - first) * height * width * 3];
        let reading = Reading::new(images);
        let mut parts = 0;
        for (part, pixels) in reading.parts(&mut pixels, 3).enumerate() {
            reading.read(first, part, pixels);
            parts += 1;
        }
        (parts, pixels)
    }

    #[test]
    fn lines_make_the_image() {
        // Three parts and a shorter one.
        let (height, width) = (3 * 100 + 7, PIXELS / 100);
        let len = 3 * height * width;
        let bytes: Vec<u8> = (0..3 * len).map(|at| (at * 37 % 251) as u8).collect();
        let values: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 7.0).collect();
        let lookup = std::array::from_fn(|colour| std::array::from_fn(|byte| (1000 * colour + byte) as f32));
        let of_bytes = ByteImages::new(&bytes, height, width, lookup);
        let (first, last) =
            (ChannelsFirst::new(&values, height, width), ChannelsLast::new(&values, height, width));
        let range = ImageRange::new(&last, 1..3);
        for images in [&of_bytes as &dyn Images, &first, &last, &range] {
            let whole = Whole(images);
            let (parts, expected) = read(&whole, 1);
            assert_eq!(parts, images.count() - 1);
            assert_eq!(read(images, 1), (4 * parts, expected));
            // As it is where an implementation says nothing about lines.
            let mut some = vec![0.0; 3 * width * 5];
            let mut same = some.clone();
            images.write_lines(1, 11, &mut some);
            whole.write_lines(1, 11, &mut same);
            assert_eq!(some, same);
        }
    }
}

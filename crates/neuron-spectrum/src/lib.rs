#![doc = include_str!("../README.md")]

use std::f64::consts::SQRT_2;
use std::fmt;
use std::sync::Arc;

use rustfft::{Fft, FftPlannerScalar};

pub use rustfft::num_complex::Complex32;

/// Transforms of planes of one size.
#[derive(Clone)]
pub struct Transform {
    height: usize,
    width: usize,
    rows: Direction,
    columns: Direction,
}

/// A one-dimensional transform and its inverse, neither of them scaled.
#[derive(Clone)]
struct Direction {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl Direction {
    fn new(len: usize) -> Self {
        let mut planner = FftPlannerScalar::new();
        Self { forward: planner.plan_fft_forward(len), inverse: planner.plan_fft_inverse(len) }
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transform({} x {})", self.height, self.width)
    }
}

impl Transform {
    /// Transforms of planes of `height` times `width` values.
    ///
    /// # Panics
    /// If one of them is 0.
    pub fn new(height: usize, width: usize) -> Self {
        assert!(height > 0 && width > 0, "a plane of {height} x {width} has no spectrum");
        Self { height, width, rows: Direction::new(width), columns: Direction::new(height) }
    }

    /// Columns of a spectrum.
    pub fn columns(&self) -> usize {
        self.width / 2 + 1
    }

    /// Coefficients of a spectrum: its rows, as many as the plane has, times its columns.
    pub fn len(&self) -> usize {
        self.height * self.columns()
    }

    /// Whether a spectrum has no coefficients: never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many of the plane's whole spectrum a coefficient stands for: 2, or 1 where it is its own mirror's column.
    pub fn multiplicity(&self, at: usize) -> f32 {
        let column = at % self.columns();
        if column == 0 || 2 * column == self.width { 1.0 } else { 2.0 }
    }

    /// The frequency of a coefficient in cycles per pixel, from 0 to the square root of 1/2.
    pub fn frequency(&self, at: usize) -> f64 {
        let (row, column) = (at / self.columns(), at % self.columns());
        let down = row.min(self.height - row) as f64 / self.height as f64;
        down.hypot(column as f64 / self.width as f64)
    }

    /// The highest frequency that there can be in any direction.
    pub const HIGHEST: f64 = SQRT_2 / 2.0;

    /// The spectrum of a plane: the sum over its pixels, not scaled.
    ///
    /// # Shapes
    /// * `plane`: `[height, width]`
    /// * `spectrum`: `[height, width / 2 + 1]`
    pub fn forward(&self, plane: &[f32], spectrum: &mut [Complex32]) {
        self.check(plane, spectrum);
        let columns = self.columns();
        let fft = &self.rows.forward;
        let rows = plane.chunks_exact(self.width).zip(spectrum.chunks_exact_mut(columns));
        neuron_threads::for_each_with(Scratch::default, rows, |scratch, _, (plane, spectrum)| {
            scratch.line.clear();
            scratch.line.extend(plane.iter().map(|value| Complex32::new(*value, 0.0)));
            scratch.transform(&**fft);
            spectrum.copy_from_slice(&scratch.line[..columns]);
        });
        self.along_columns(&*self.columns.forward, spectrum);
    }

    /// The plane of a spectrum, scaled so that it undoes [`Transform::forward`].
    ///
    /// What no real plane could have (imaginary parts of coefficients that are their own mirrors) is left out.
    ///
    /// # Shapes
    /// As of [`Transform::forward`]; what `spectrum` holds is lost.
    pub fn inverse(&self, spectrum: &mut [Complex32], plane: &mut [f32]) {
        self.check(plane, spectrum);
        let (columns, width) = (self.columns(), self.width);
        self.along_columns(&*self.columns.inverse, spectrum);
        let fft = &self.rows.inverse;
        let scale = 1.0 / plane.len() as f32;
        let rows = plane.chunks_exact_mut(width).zip(spectrum.chunks_exact(columns));
        neuron_threads::for_each_with(Scratch::default, rows, |scratch, _, (plane, spectrum)| {
            scratch.line.clear();
            scratch.line.extend_from_slice(spectrum);
            // The other half mirrors the first.
            scratch.line.extend((columns..width).map(|column| spectrum[width - column].conj()));
            scratch.transform(&**fft);
            plane.iter_mut().zip(&scratch.line).for_each(|(value, sum)| *value = scale * sum.re);
        });
    }

    /// The gradient with respect to a spectrum (real and imaginary parts) for one with respect to the plane that
    /// [`Transform::inverse`] makes of it.
    ///
    /// # Shapes
    /// As of [`Transform::forward`].
    pub fn pull_back(&self, plane: &[f32], spectrum: &mut [Complex32]) {
        self.forward(plane, spectrum);
        let scale = 1.0 / plane.len() as f32;
        for (at, value) in spectrum.iter_mut().enumerate() {
            *value *= scale * self.multiplicity(at);
        }
    }

    fn check(&self, plane: &[f32], spectrum: &[Complex32]) {
        assert_eq!(plane.len(), self.height * self.width, "values of a plane");
        assert_eq!(spectrum.len(), self.len(), "coefficients of its spectrum");
    }

    /// Transforms every column: gathered, some neighbours at a time, which share cache lines.
    fn along_columns(&self, fft: &dyn Fft<f32>, spectrum: &mut [Complex32]) {
        const TOGETHER: usize = 8;
        let (columns, height) = (self.columns(), self.height);
        let source = &*spectrum;
        let mut turned = vec![Complex32::default(); spectrum.len()];
        neuron_threads::for_each_with(
            Scratch::default,
            turned.chunks_mut(TOGETHER * height),
            |scratch, group, turned| {
                for (column, turned) in turned.chunks_exact_mut(height).enumerate() {
                    let column = group * TOGETHER + column;
                    scratch.line.clear();
                    scratch.line.extend((0..height).map(|row| source[row * columns + column]));
                    scratch.transform(fft);
                    turned.copy_from_slice(&scratch.line);
                }
            },
        );
        neuron_threads::for_each(spectrum.chunks_exact_mut(columns), |row, spectrum| {
            let turned = turned.iter().skip(row).step_by(height);
            spectrum.iter_mut().zip(turned).for_each(|(value, turned)| *value = *turned);
        });
    }
}

/// Memory for one line.
#[derive(Default)]
struct Scratch {
    line: Vec<Complex32>,
    rest: Vec<Complex32>,
}

impl Scratch {
    fn transform(&mut self, fft: &dyn Fft<f32>) {
        self.rest.resize(fft.get_inplace_scratch_len(), Complex32::default());
        fft.process_with_scratch(&mut self.line, &mut self.rest);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const SIZES: [(usize, usize); 6] = [(1, 1), (1, 6), (4, 1), (4, 6), (5, 7), (9, 4)];

    fn plane(len: usize) -> Vec<f32> {
        (0..len).map(|at| ((at * 7919) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn a_spectrum_by_definition() {
        for (height, width) in SIZES {
            let transform = Transform::new(height, width);
            let plane = plane(height * width);
            let mut spectrum = vec![Complex32::default(); transform.len()];
            transform.forward(&plane, &mut spectrum);
            for (at, found) in spectrum.iter().enumerate() {
                let (u, v) = (at / transform.columns(), at % transform.columns());
                let (mut re, mut im) = (0.0, 0.0);
                for (pixel, value) in plane.iter().enumerate() {
                    let (y, x) = (pixel / width, pixel % width);
                    let angle = -TAU * ((u * y) as f64 / height as f64 + (v * x) as f64 / width as f64);
                    re += f64::from(*value) * angle.cos();
                    im += f64::from(*value) * angle.sin();
                }
                let error = (re - f64::from(found.re)).hypot(im - f64::from(found.im));
                assert!(error < 1e-4, "{height} x {width} at {at}: {found}, expected {re} {im}");
            }
        }
    }

    #[test]
    fn the_inverse_undoes_it() {
        for (height, width) in SIZES {
            let transform = Transform::new(height, width);
            let plane = plane(height * width);
            let mut spectrum = vec![Complex32::default(); transform.len()];
            transform.forward(&plane, &mut spectrum);
            let mut back = vec![0.0; plane.len()];
            transform.inverse(&mut spectrum, &mut back);
            for (found, want) in back.iter().zip(&plane) {
                assert!((found - want).abs() < 1e-5, "{height} x {width}: {found}, expected {want}");
            }
        }
    }

    #[test]
    fn gradients_go_back_the_way_planes_came() {
        // <inverse(s), g> = <s, pull_back(g)> over real and imaginary parts, for any s.
        for (height, width) in SIZES {
            let transform = Transform::new(height, width);
            let parts = plane(2 * transform.len() + 3);
            let spectrum: Vec<Complex32> = (0..transform.len())
                .map(|at| Complex32::new(parts[at], parts[at + transform.len()]))
                .collect();
            let gradient: Vec<f32> = plane(height * width + 5)[5..].to_vec();
            let (mut made, mut back) =
                (vec![0.0; gradient.len()], vec![Complex32::default(); spectrum.len()]);
            transform.inverse(&mut spectrum.clone(), &mut made);
            transform.pull_back(&gradient, &mut back);
            let forwards: f32 = made.iter().zip(&gradient).map(|(a, b)| a * b).sum();
            // A column that is its own mirror counts what its mirrored rows say of one another once: the inverse takes
            // the real part of a sum in which they meet.
            let backwards: f32 = spectrum.iter().zip(&back).map(|(a, b)| a.re * b.re + a.im * b.im).sum();
            assert!((forwards - backwards).abs() < 1e-4, "{height} x {width}: {forwards} and {backwards}");
        }
    }

    #[test]
    fn frequencies_are_cycles_per_pixel() {
        let transform = Transform::new(4, 6);
        assert_eq!((transform.columns(), transform.len()), (4, 16));
        assert_eq!((transform.frequency(0), transform.frequency(2 * 4)), (0.0, 0.5));
        assert_eq!(transform.frequency(3 * 4), transform.frequency(4));
        assert!((transform.frequency(2 * 4 + 3) - Transform::HIGHEST).abs() < 1e-12);
        let whole: f32 = (0..transform.len()).map(|at| transform.multiplicity(at)).sum();
        assert_eq!(whole, 24.0);
    }
}

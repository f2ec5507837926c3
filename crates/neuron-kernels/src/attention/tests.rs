//! Attention against its definition, in f64.
use super::*;
use proptest::prelude::*;

const OUTSIDE: u32 = u32::MAX;
/// Miri, which is slow, has few.
const MOST_WIDTH: usize = if cfg!(miri) { 6 } else { 40 };

/// An attention and its map.
#[derive(Clone)]
struct Case {
    batch: usize,
    size: [usize; 2],
    heads: usize,
    width: usize,
    neighbourhoods: Neighbourhoods,
    /// Of a cosine, one a head.
    factors: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    outside: Option<Vec<f32>>,
    key_offset: Option<Vec<f32>>,
    map: Vec<f32>,
    signal: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    All,
    Windows { side: usize, shift: usize },
    Spread { side: usize },
}

impl Case {
    fn new(kind: Kind, batch: usize, size: [usize; 2], heads: usize, width: usize, seed: usize) -> Self {
        let neighbourhoods = match kind {
            Kind::All => Neighbourhoods::all(size[0] * size[1]),
            Kind::Windows { side, shift } => Neighbourhoods::windows(size, side, shift),
            Kind::Spread { side } => Neighbourhoods::spread(size, side),
        };
        let (channels, group) = (heads * width, neighbourhoods.group_len());
        let len = batch * size[0] * size[1] * channels;
        Self {
            batch,
            size,
            heads,
            width,
            factors: None,
            bias: Some(noise(heads * group * group, seed + 2)),
            outside: neighbourhoods.has_padding().then(|| noise(3 * channels, seed + 3)),
            key_offset: None,
            map: noise(3 * len, seed),
            signal: noise(len, seed + 1),
            neighbourhoods,
        }
    }

    fn cosine(mut self, factor: f32, seed: usize) -> Self {
        self.factors = Some((0..self.heads).map(|head| factor / (head + 1) as f32).collect());
        self.key_offset = Some(noise(self.heads * self.width, seed + 4));
        self
    }

    fn view(&self) -> View<'_> {
        View::new(self.batch, self.size[0], self.size[1], 3 * self.heads * self.width, &self.map)
    }

    fn attention(&self) -> Attention<'_> {
        Attention {
            neighbourhoods: &self.neighbourhoods,
            heads: self.heads,
            similarity: match &self.factors {
                Some(factors) => Similarity::Cosine { factors },
                None => Similarity::Dot { factor: self.dot_factor() },
            },
            bias: self.bias.as_deref(),
            outside: self.outside.as_deref(),
            key_offset: self.key_offset.as_deref(),
        }
    }

    fn dot_factor(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// Output, gradient and transpose.
    fn computed(&self, isa: &'static Isa) -> [Vec<f32>; 3] {
        let (mut output, mut gradient) = (vec![f32::NAN; self.signal.len()], vec![f32::NAN; self.map.len()]);
        let mut transposed = gradient.clone();
        let by = &self.attention();
        forward::forward(isa, self.view(), by, &mut output);
        backward::gradient(isa, self.view(), by, &self.signal, &mut gradient);
        backward::transpose(isa, self.view(), by, &self.signal, &mut transposed);
        [output, gradient, transposed]
    }

    /// The same by definition, for a map in f64.
    fn defined(&self, map: &[f64]) -> [Vec<f64>; 3] {
        let (heads, width) = (self.heads, self.width);
        let (channels, len) = (heads * width, self.neighbourhoods.group_len());
        let mut results = [vec![0.0; self.signal.len()], vec![0.0; map.len()], vec![0.0; map.len()]];
        let places = self.neighbourhoods.places();
        let positions = self.size[0] * self.size[1];
        let tasks = (0..self.batch * places.groups() * heads)
            .map(|task| (task / heads / places.groups(), task / heads % places.groups(), task % heads));
        for (item, group, head) in tasks {
            let members = places.group(group);
            let place = |member: usize| item * positions + members[member] as usize;
            let inside = |member: usize| members[member] != OUTSIDE;
            let row = |third: usize, member: usize| -> Vec<f64> {
                let at = third * channels + head * width;
                match inside(member) {
                    true => map[place(member) * 3 * channels + at..][..width].to_vec(),
                    false => wide(&self.outside.as_ref().expect("padding has values")[at..][..width]),
                }
            };
            let offset = |index: usize| {
                self.key_offset.as_ref().map_or(0.0, |offset| f64::from(offset[head * width + index]))
            };
            let raw = |third: usize, member: usize| -> Vec<f64> {
                let row = row(third, member).into_iter().enumerate();
                row.map(|(index, value)| if third == 1 { value - offset(index) } else { value }).collect()
            };
            // What is multiplied, and the matrix of its derivatives applied to a gradient.
            let length = |x: &[f64]| if self.factors.is_some() { dot(x, x).sqrt() } else { 1.0 };
            let unit = |third: usize, member: usize| -> Vec<f64> {
                let x = raw(third, member);
                let length = length(&x);
                x.iter().map(|x| x / length).collect()
            };
            let back = |third: usize, member: usize, gradient: &[f64]| -> Vec<f64> {
                let (x, unit) = (raw(third, member), unit(third, member));
                let along = if self.factors.is_some() { dot(&unit, gradient) } else { 0.0 };
                let length = length(&x);
                gradient
                    .iter()
                    .zip(&unit)
                    .map(|(gradient, unit)| (gradient - along * unit) / length)
                    .collect()
            };
            let factor = self
                .factors
                .as_ref()
                .map_or(f64::from(self.dot_factor()), |factors| f64::from(factors[head]));
            let regions = self.neighbourhoods.regions(group);
            let weights: Vec<Vec<f64>> = (0..len)
                .map(|i| {
                    let similarities: Vec<f64> = (0..len)
                        .map(|j| {
                            let bias = self.bias.as_ref();
                            let bias = bias.map_or(0.0, |bias| f64::from(bias[(head * len + i) * len + j]));
                            let far = regions.is_some_and(|regions| regions[i] != regions[j]);
                            factor * dot(&unit(0, i), &unit(1, j)) + bias - if far { 100.0 } else { 0.0 }
                        })
                        .collect();
                    let most = similarities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = similarities.iter().map(|value| (value - most).exp()).sum();
                    similarities.iter().map(|value| (value - most).exp() / sum).collect()
                })
                .collect();
            let signal =
                |member: usize| wide(&self.signal[place(member) * channels + head * width..][..width]);
            let queries: Vec<usize> = (0..len).filter(|member| inside(*member)).collect();
            let mut add = |result: usize, third: usize, member: usize, factor: f64, from: &[f64]| {
                if inside(member) {
                    let pitch = if result == 0 { 1 } else { 3 };
                    let to =
                        &mut results[result][(place(member) * pitch + third) * channels + head * width..];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
                }
            };
            for &i in &queries {
                let slopes: Vec<f64> = (0..len).map(|j| dot(&signal(i), &row(2, j))).collect();
                let mean = dot(&slopes, &weights[i]);
                for j in 0..len {
                    let weight = weights[i][j];
                    add(0, 0, i, weight, &row(2, j));
                    add(1, 2, j, weight, &signal(i));
                    add(2, 2, j, weight, &signal(i));
                    let slope = factor * weight * (slopes[j] - mean);
                    add(1, 0, i, slope, &back(0, i, &unit(1, j)));
                    add(1, 1, j, slope, &back(1, j, &unit(0, i)));
                }
            }
        }
        results
    }

    /// Compares with the definition, every instruction set, other numbers of threads and single items.
    fn check(&self, tolerance: f64) {
        let results = self.computed(Isa::detected());
        let expected = self.defined(&wide(&self.map));
        for ((name, got), expected) in ["output", "gradient", "transpose"].iter().zip(&results).zip(&expected)
        {
            let most = expected.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
            for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
                let error = (f64::from(*got) - expected).abs();
                assert!(error <= tolerance * most, "{name} {index}: {got}, not {expected}, of {most}");
            }
        }
        for isa in Isa::available() {
            assert_eq!(self.computed(isa).map(bits), results.clone().map(bits), "{isa:?}");
        }
        for threads in if cfg!(miri) { 1..1 } else { 1..4 } {
            let pool = neuron_threads::Pool::new(threads).expect("threads can be started");
            let shared = pool.install(|| self.computed(Isa::detected()));
            assert_eq!(shared.map(bits), results.clone().map(bits), "{threads} threads");
        }
        for item in 0..self.batch {
            let of = |values: &[f32]| values.chunks(values.len() / self.batch).nth(item).unwrap().to_vec();
            let single = Self { batch: 1, map: of(&self.map), signal: of(&self.signal), ..self.clone() };
            let whole = results.clone().map(|result| bits(of(&result)));
            assert_eq!(single.computed(Isa::detected()).map(bits), whole, "item {item} alone");
        }
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn bits(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// Rounding, of values up to about 1 and sums of at most hundreds of them.
const TOLERANCE: f64 = 4e-6;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]

    #[test]
    fn attention_to_all_is_what_it_is_defined_to_be(
        batch in 1usize..3, height in 1usize..6, width in 1usize..9, heads in 1usize..4, head in 1..MOST_WIDTH,
        biased: bool, seed in 0usize..1000,
    ) {
        let mut case = Case::new(Kind::All, batch, [height, width], heads, head, seed);
        case.bias = case.bias.filter(|_| biased);
        case.check(TOLERANCE);
    }

    #[test]
    fn windows_with_regions_and_padding_are_what_they_are_defined_to_be(
        batch in 1usize..3, height in 1usize..10, width in 1usize..10, side in 1usize..5, shift in 0usize..4,
        heads in 1usize..3, head in 1..MOST_WIDTH, cosine: bool, seed in 0usize..1000,
    ) {
        let kind = Kind::Windows { side, shift: shift % side };
        let case = Case::new(kind, batch, [height, width], heads, head, seed);
        // A vector of one number has a direction of 1 or -1: nothing is left to pass back but rounding errors.
        if cosine && head > 1 { case.cosine(5.0, seed).check(2e-5) } else { case.check(TOLERANCE) }
    }

    #[test]
    fn spread_attention_is_what_it_is_defined_to_be(
        batch in 1usize..3, height in 1usize..4, width in 1usize..4, side in 1usize..5,
        heads in 1usize..3, head in 1..MOST_WIDTH, seed in 0usize..1000,
    ) {
        Case::new(Kind::Spread { side }, batch, [height * side, width * side], heads, head, seed).check(TOLERANCE);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn several_blocks_of_queries() {
    Case::new(Kind::All, 1, [1, 2 * BLOCK + 5], 1, 80, 3).check(TOLERANCE);
    Case::new(Kind::All, 2, [3, 33], 2, 32, 4).cosine(10.0, 4).check(2e-5);
    // The second block is all padding but for a row.
    Case::new(Kind::Windows { side: 9, shift: 4 }, 1, [10, 10], 1, 8, 5).check(TOLERANCE);
}

#[test]
fn gradients_are_finite_differences() {
    let windows = Kind::Windows { side: 2, shift: 1 };
    for case in [
        Case::new(Kind::All, 1, [2, 3], 2, 3, 1),
        Case::new(windows, 1, [3, 4], 1, 4, 2),
        Case::new(windows, 1, [3, 4], 2, 3, 3).cosine(2.0, 3),
    ] {
        let [_, gradient, _] = case.computed(Isa::detected());
        let map = wide(&case.map);
        let value = |map: &[f64]| dot(&case.defined(map)[0], &wide(&case.signal));
        for index in 0..map.len() {
            let moved = |by: f64| {
                let mut map = map.clone();
                map[index] += by;
                value(&map)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (f64::from(gradient[index]) - slope).abs() < 1e-5,
                "{index}: {} {slope}",
                gradient[index]
            );
        }
    }
}

#[test]
fn large_similarities_do_not_overflow() {
    let case = Case::new(Kind::Windows { side: 3, shift: 1 }, 1, [6, 6], 2, 5, 7);
    // An error of a cosine is multiplied by 100.
    case.clone().cosine(100.0, 7).check(2e-4);
    let mut steep = case;
    steep.map.iter_mut().for_each(|value| *value *= 1e3);
    for values in steep.computed(Isa::detected()) {
        assert!(values.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn what_is_not_a_number_stays_visible() {
    let (size, heads, width) = ([2, 10], 2, 5);
    let channels = heads * width;
    for (third, bad) in [(0, f32::NAN), (1, f32::NAN), (2, f32::NAN), (2, f32::INFINITY)] {
        let mut case = Case::new(Kind::All, 1, size, heads, width, 8);
        let position = 7;
        case.map[position * 3 * channels + third * channels + width] = bad;
        for isa in Isa::available() {
            let [output, gradient, _] = case.computed(isa);
            for (index, row) in output.chunks(width).enumerate() {
                let (position_of, head) = (index / heads, index % heads);
                let meets = head == 1 && (third != 0 || position_of == position);
                assert_eq!(
                    row.iter().any(|value| !value.is_finite()),
                    meets,
                    "{isa:?} third {third}, {bad}: position {position_of}, head {head}"
                );
            }
            assert!(gradient.iter().any(|value| value.is_nan()));
        }
    }
}

#[test]
fn vectors_of_length_zero_are_like_nothing() {
    let mut case = Case::new(Kind::All, 1, [1, 3], 1, 4, 9).cosine(3.0, 9);
    (case.bias, case.key_offset) = (None, None);
    case.map[..4].fill(0.0);
    let [output, gradient, _] = case.computed(Isa::detected());
    for (channel, output) in output[..4].iter().enumerate() {
        let mean = (0..3).map(|position| case.map[position * 12 + 8 + channel]).sum::<f32>() / 3.0;
        assert!((output - mean).abs() < 1e-6);
    }
    assert!(gradient.iter().all(|value| value.is_finite()));
}

#[test]
fn no_items_attend_to_nothing() {
    let case = Case::new(Kind::All, 0, [2, 3], 2, 4, 1);
    assert!(case.computed(Isa::detected()).iter().all(Vec::is_empty));
    assert!(Case::new(Kind::All, 2, [0, 3], 2, 4, 1).computed(Isa::detected()).iter().all(Vec::is_empty));
}

#[test]
#[should_panic(expected = "what is outside of the map")]
fn padding_without_values_is_refused() {
    let mut case = Case::new(Kind::Windows { side: 2, shift: 0 }, 1, [3, 3], 1, 2, 1);
    case.outside = None;
    case.computed(Isa::detected());
}

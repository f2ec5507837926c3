/// Place of a value among all by size, the greatest first, from 1. Equals count as better: where all are the same, none is
/// the first.
///
/// # Panics
/// If there is no value `at`.
pub fn place<T: PartialOrd>(values: &[T], at: usize) -> usize {
    let others = values.iter().enumerate().filter(|(other, _)| *other != at);
    1 + others.filter(|(_, value)| **value >= values[at]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_are_not_the_first() {
        assert_eq!([0, 1, 2, 3].map(|at| place(&[0.0, 2.0, 0.0, -1.0], at)), [3, 1, 3, 4]);
        assert_eq!((place(&[0.0; 5], 2), place(&[-1.0], 0)), (5, 1));
    }
}

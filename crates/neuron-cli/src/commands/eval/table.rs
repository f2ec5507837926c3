//! Numbers as a table of text.

use neuron_eval::{Estimate, Interval};

/// Lines of cells, in columns: the first is aligned to the left, the others to the right.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cell = |(column, cell): (usize, &String)| match column {
            0 => format!("{cell:<width$}", width = widths[0]),
            _ => format!("  {cell:>width$}", width = widths[column]),
        };
        let line: String = line.iter().enumerate().map(cell).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A mean and its interval, and how many units say it, where not all of them do.
pub(super) fn estimate(estimate: Option<&Estimate>, all: usize) -> String {
    let Some(Estimate { mean, interval, units }) = estimate else { return "-".to_owned() };
    let interval = interval.map_or_else(String::new, |Interval { lower, upper }| {
        format!(" [{}, {}]", number(lower), number(upper))
    });
    let some = if *units < all { format!(" n={units}") } else { String::new() };
    format!("{}{interval}{some}", number(*mean))
}

/// A number with about three digits that say something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let lines = [vec!["a".into(), "long".into(), "x".into()], vec!["name".into(), "1".into()]];
        assert_eq!(aligned(&lines), "a     long  x\nname     1\n");
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.1234, -1.5, 12.345, 2047.6].map(number), ["0.123", "-1.50", "12.3", "2048"]);
        let one = Estimate { mean: 0.5, interval: None, units: 1 };
        assert_eq!((estimate(Some(&one), 3), estimate(None, 3)), ("0.500 n=1".to_owned(), "-".to_owned()));
        let many = Estimate { interval: Some(Interval { lower: 0.25, upper: 1.0 }), ..one };
        assert_eq!(estimate(Some(&many), 1), "0.500 [0.250, 1.00]");
    }
}

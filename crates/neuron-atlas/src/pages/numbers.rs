/// A score with as many decimals as say something.
pub(super) fn score(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_keep_what_matters() {
        let shown = [123.456, 23.44, 5.0, 0.1234, 0.01234, 0.0, -7.891].map(score);
        assert_eq!(shown, ["123", "23.4", "5.00", "0.12", "0.0123", "0", "-7.89"]);
    }
}

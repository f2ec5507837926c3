use super::numbers::score;

/// Height of a plot in its own units; widths are one unit a bar, or this for a curve.
const HEIGHT: f64 = 100.0;

/// Most points of a curve: more than pixels help nobody.
const MOST_POINTS: usize = 240;

/// Scores as bars, best first.
pub(super) struct Bars {
    count: usize,
    /// The bars as SVG paths: those of the class that describes the unit, and the others.
    pub(super) marked: String,
    pub(super) others: String,
    pub(super) highest: String,
    pub(super) lowest: String,
}

impl Bars {
    /// Bars from zero to each score; `None` for fewer than two.
    ///
    /// The scale takes in zero and all scores; what is not finite has no bar.
    pub(super) fn new(scores: &[(f64, bool)]) -> Option<Self> {
        let finite: Vec<(f64, bool)> =
            scores.iter().copied().filter(|(score, _)| score.is_finite()).collect();
        let values = || finite.iter().map(|(score, _)| *score);
        let (highest, lowest) = (values().reduce(f64::max)?, values().reduce(f64::min)?);
        if finite.len() < 2 {
            return None;
        }
        let (top, bottom) = (highest.max(0.0), lowest.min(0.0));
        let scale = if top > bottom { HEIGHT / (top - bottom) } else { 0.0 };
        let (mut marked, mut others) = (String::new(), String::new());
        for (x, (score, own)) in finite.iter().enumerate() {
            let (y, height) = (short((top - score.max(0.0)) * scale), short(score.abs() * scale));
            let path = if *own { &mut marked } else { &mut others };
            *path += &format!("M{x} {y}h.8v{height}h-.8z");
        }
        Some(Self { count: finite.len(), marked, others, highest: score(highest), lowest: score(lowest) })
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// A falling curve as the points of an SVG polyline in a box of 100 x 100; `None` for fewer than two values.
pub(super) fn curve(values: &[f64]) -> Option<String> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let (highest, lowest) =
        (finite.iter().copied().reduce(f64::max)?, finite.iter().copied().reduce(f64::min)?);
    if finite.len() < 2 {
        return None;
    }
    let range = if highest > lowest { highest - lowest } else { 1.0 };
    let points = finite.len().min(MOST_POINTS);
    let point = |point: usize| {
        let at = point * (finite.len() - 1) / (points - 1);
        let x = HEIGHT * at as f64 / (finite.len() - 1) as f64;
        format!("{},{}", short(x), short(HEIGHT * (highest - finite[at]) / range))
    };
    Some((0..points).map(point).collect::<Vec<_>>().join(" "))
}

/// A coordinate to a hundredth.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_zero() {
        let bars = Bars::new(&[(4.0, true), (1.0, false), (-1.0, false)]).unwrap();
        assert_eq!(bars.marked, "M0 0h.8v80h-.8z");
        assert_eq!(bars.others, "M1 60h.8v20h-.8zM2 80h.8v20h-.8z");
        assert_eq!((bars.highest.as_str(), bars.lowest.as_str()), ("4.00", "-1.00"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        assert!(Bars::new(&[(1.0, false)]).is_none());
        let bars =
            Bars::new(&[(f64::INFINITY, false), (2.0, false), (0.0, false), (f64::NAN, true)]).unwrap();
        assert_eq!(bars.len(), 2);
        let flat = Bars::new(&[(0.0, false), (0.0, false)]).unwrap();
        assert_eq!(flat.others, "M0 0h.8v0h-.8zM1 0h.8v0h-.8z");
        assert!(curve(&[1.0]).is_none());
        assert!(curve(&[]).is_none());
    }

    #[test]
    fn curves_run_from_corner_to_corner() {
        assert_eq!(curve(&[3.0, 2.0, 1.0]).unwrap(), "0,0 50,50 100,100");
        let long: Vec<f64> = (0..5000).rev().map(f64::from).collect();
        let points = curve(&long).unwrap();
        assert_eq!(points.split(' ').count(), MOST_POINTS);
        assert!(points.starts_with("0,0 ") && points.ends_with(" 100,100"));
    }
}

use super::numbers::score;

/// Height of a plot in its own units; widths are one unit a bar, or this for a curve.
const HEIGHT: f64 = 100.0;

/// Most points of a curve: more than pixels help nobody.
const MOST_POINTS: usize = 240;

/// Scores as bars, best first.
pub(super) struct Bars {
    pub(super) bars: Vec<Bar>,
    pub(super) highest: String,
    pub(super) lowest: String,
    /// Whether some bars are of the most frequent class.
    pub(super) marks: bool,
}

/// A bar of one unit width at its place in the row.
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: String,
    pub(super) height: String,
    pub(super) marked: bool,
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
        let bar = |(x, (score, marked)): (usize, &(f64, bool))| Bar {
            x,
            y: short((top - score.max(0.0)) * scale),
            height: short(score.abs() * scale),
            marked: *marked,
        };
        Some(Self {
            bars: finite.iter().enumerate().map(bar).collect(),
            highest: score(highest),
            lowest: score(lowest),
            marks: finite.iter().any(|(_, marked)| *marked),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.bars.len()
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
        let shown: Vec<_> = bars.bars.iter().map(|bar| (bar.y.as_str(), bar.height.as_str())).collect();
        assert_eq!(shown, [("0", "80"), ("60", "20"), ("80", "20")]);
        assert!(bars.marks);
        assert_eq!((bars.highest.as_str(), bars.lowest.as_str()), ("4.00", "-1.00"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        assert!(Bars::new(&[(1.0, false)]).is_none());
        let bars =
            Bars::new(&[(f64::INFINITY, false), (2.0, false), (0.0, false), (f64::NAN, true)]).unwrap();
        assert_eq!(bars.len(), 2);
        let flat = Bars::new(&[(0.0, false), (0.0, false)]).unwrap();
        assert!(flat.bars.iter().all(|bar| bar.height == "0"));
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

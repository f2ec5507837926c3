//! The loss curve of a picture as SVG.

use std::fmt::Display;

use anyhow::anyhow;
use plotters::prelude::*;

use super::record::Record;

const SIZE_PX: (u32, u32) = (800, 500);
/// Terms below this share of the largest loss are not shown: a logarithmic axis has no end.
const SMALLEST_SHARE: f64 = 1e-6;

/// Draws the total and every weighted term over the steps, on a logarithmic axis.
pub(super) fn draw(record: &Record) -> anyhow::Result<String> {
    let total = ("total".to_owned(), record.loss.clone());
    let weighted = record.terms.iter().map(|(name, values)| {
        let weight = record.weights.get(name).copied().unwrap_or(0.0);
        (name.clone(), values.iter().map(|value| weight * value).collect::<Vec<f64>>())
    });
    let curves: Vec<(String, Vec<f64>)> = std::iter::once(total).chain(weighted).collect();
    let caption = format!("{}:{}", record.layer, record.channel);
    draw_curves(&caption, record.loss.len(), curves)
}

/// Draws curves of which the first is the total.
fn draw_curves(caption: &str, steps: usize, mut curves: Vec<(String, Vec<f64>)>) -> anyhow::Result<String> {
    let (low, high) = range(curves.first().map_or(&[][..], |(_, total)| &total[..]));
    curves.retain(|(_, values)| values.iter().any(|value| drawable(*value) && *value > low));
    let seen = curves.iter().flat_map(|(_, values)| values).copied().filter(|value| *value > low);
    let smallest = seen.filter(|value| drawable(*value)).fold(high, f64::min);

    let mut svg = String::new();
    plot(&mut svg, caption, steps, (smallest * 0.8, high * 1.25), &curves)
        .map_err(|error| anyhow!("cannot draw the loss curve: {error}"))?;
    Ok(svg)
}

/// From where to where losses are shown: down to a share of the largest total, or of 1 where no total can be shown.
///
/// A logarithm has no place for 0 and below, and an axis none for what is not finite.
fn range(total: &[f64]) -> (f64, f64) {
    let largest = total.iter().copied().filter(|value| drawable(*value)).reduce(f64::max).unwrap_or(1.0);
    (largest * SMALLEST_SHARE, largest)
}

/// Whether a value has a place on a logarithmic axis, with some room to both sides.
fn drawable(value: f64) -> bool {
    (1e-290..1e290).contains(&value)
}

fn plot(
    svg: &mut String,
    caption: &str,
    steps: usize,
    (low, high): (f64, f64),
    curves: &[(String, Vec<f64>)],
) -> Result<(), impl Display> {
    let area = SVGBackend::with_string(svg, SIZE_PX).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0..steps.max(2) - 1, (low..high).log_scale())?;
    chart.configure_mesh().x_desc("step").y_desc("weighted loss").light_line_style(TRANSPARENT).draw()?;
    for (index, (name, values)) in curves.iter().enumerate() {
        let style = if index == 0 { BLACK.stroke_width(2) } else { Palette99::pick(index).stroke_width(1) };
        let shown = |(_, value): &(usize, f64)| drawable(*value) && (low..=high).contains(value);
        let points = values.iter().copied().enumerate().filter(shown);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_all(total: &[f64], term: &[f64]) -> String {
        let curves = vec![("total".to_owned(), total.to_vec()), ("term".to_owned(), term.to_vec())];
        draw_curves("layer4:1", total.len(), curves).unwrap()
    }

    #[test]
    fn curves_are_drawn_of_whatever_can_be() {
        let usual = draw_all(&[2.0, 1.0, 0.5], &[1.0, 0.5, 0.25]);
        assert_eq!(
            usual.matches("<polyline").count(),
            draw_all(&[2.0, 0.0, 0.5], &[1.0; 3]).matches("<polyline").count()
        );
        assert!(usual.contains(">total<") || usual.contains("total"), "{usual}");
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MAX, f64::MIN_POSITIVE];
        for value in odd {
            for total in [&[value][..], &[value; 3], &[1.0, value, 0.5], &[]] {
                let svg = draw_all(total, &vec![value; total.len()]);
                assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{value}: {svg}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{value}: {svg}");
            }
        }
    }
}

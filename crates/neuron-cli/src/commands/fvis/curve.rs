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
    let largest = record.loss.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let floor = largest * SMALLEST_SHARE;
    let curves: Vec<(String, Vec<f64>)> = std::iter::once(total)
        .chain(weighted)
        .filter(|(_, values)| values.iter().any(|value| *value > floor))
        .collect();
    let smallest = curves.iter().flat_map(|(_, values)| values).copied().filter(|value| *value > floor);
    let smallest = smallest.fold(largest, f64::min);

    let mut svg = String::new();
    let caption = format!("{}:{}", record.layer, record.channel);
    plot(&mut svg, &caption, record.loss.len(), (smallest * 0.8, largest * 1.25), &curves)
        .map_err(|error| anyhow!("cannot draw the loss curve: {error}"))?;
    Ok(svg)
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
        let points = values.iter().copied().enumerate().filter(|(_, value)| *value >= low);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    area.present()
}

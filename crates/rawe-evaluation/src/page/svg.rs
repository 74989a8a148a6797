//! Plots as inline SVG. Colours are variables of the page's style, so that light and dark both fit.

use super::{escape, number};
use crate::report::{Plot, Series};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;
const COLOURS: usize = 8;

/// The plot as a figure with its caption and legend.
pub(super) fn figure(plot: &Plot) -> String {
    match plot {
        Plot::Lines {
            title,
            labels,
            series,
            filled,
        } => framed(title, series, &lines(title, labels, series, *filled)),
        Plot::Bars {
            title,
            labels,
            series,
        } => framed(title, series, &bars(title, labels, series)),
        Plot::Heat {
            title,
            labels,
            values,
        } => framed(title, &[], &heat(title, labels, values)),
    }
}

fn framed(title: &str, series: &[Series], drawing: &str) -> String {
    let mut html = format!(
        "<figure><figcaption>{}</figcaption>{drawing}",
        escape(title)
    );
    if series.len() > 1 {
        html.push_str("<div class=\"legend\">");
        for (index, line) in series.iter().enumerate() {
            html.push_str(&format!(
                "<span><i style=\"background:var(--c{})\"></i>{}</span>",
                index % COLOURS,
                escape(&line.name)
            ));
        }
        html.push_str("</div>");
    }
    html.push_str("</figure>");
    html
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    )
}

/// The vertical axis: its range in round steps.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    fn of(series: &[Series], with_zero: bool) -> Self {
        let values = series.iter().flat_map(|line| line.values.iter().flatten());
        let finite = values.copied().filter(|value| value.is_finite());
        let (mut low, mut high) = if with_zero {
            (0.0_f64, 0.0_f64)
        } else {
            (f64::MAX, f64::MIN)
        };
        for value in finite {
            low = low.min(value);
            high = high.max(value);
        }
        if low >= high {
            (low, high) = (low.clamp(-1e9, 0.0), low.clamp(0.0, 1e9) + 1.0);
        }
        let rough = (high - low) / 4.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * power);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        TOP + (1.0 - share.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self) -> String {
        let mut svg = String::new();
        let digits = if self.step >= 1.0 {
            0
        } else if self.step >= 0.1 {
            1
        } else if self.step >= 0.01 {
            2
        } else {
            3
        };
        let mut at = self.low;
        while at <= self.high + self.step / 2.0 {
            let y = self.y(at);
            let weight = if at.abs() < self.step / 2.0 {
                "var(--soft)"
            } else {
                "var(--grid)"
            };
            svg.push_str(&format!(
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{weight}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                number(at, digits)
            ));
            at += self.step;
        }
        svg
    }
}

fn lines(title: &str, labels: &[String], series: &[Series], filled: bool) -> String {
    let axis = Axis::of(series, filled || title.contains("return"));
    let mut svg = open(title, HEIGHT);
    svg.push_str(&axis.grid());
    let last = labels.len().saturating_sub(1).max(1) as f64;
    let x = |place: usize| LEFT + place as f64 / last * (WIDTH - LEFT - RIGHT);
    let ends = [
        (0, "start"),
        (labels.len() / 2, "middle"),
        (labels.len().saturating_sub(1), "end"),
    ];
    for (place, anchor) in ends {
        if let Some(label) = labels.get(place) {
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                x(place),
                HEIGHT - 6.0,
                escape(label)
            ));
        }
    }
    for (index, line) in series.iter().enumerate() {
        let mut path = String::new();
        let mut pen_down = false;
        for (place, value) in line.values.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                pen_down = false;
                continue;
            };
            let letter = if pen_down { 'L' } else { 'M' };
            path.push_str(&format!("{letter}{:.1} {:.1}", x(place), axis.y(value)));
            pen_down = true;
        }
        let colour = index % COLOURS;
        if filled && !path.is_empty() {
            svg.push_str(&format!(
                "<path d=\"{path}L{:.1} {:.1}L{LEFT} {:.1}Z\" fill=\"var(--c{colour})\" opacity=\".22\"/>",
                x(line.values.len().saturating_sub(1)),
                axis.y(0.0),
                axis.y(0.0)
            ));
        }
        svg.push_str(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"var(--c{colour})\" stroke-width=\"1.7\" \
             stroke-linejoin=\"round\"/>"
        ));
    }
    svg.push_str("</svg>");
    svg
}

fn bars(title: &str, labels: &[String], series: &[Series]) -> String {
    let axis = Axis::of(series, true);
    let mut svg = open(title, HEIGHT);
    svg.push_str(&axis.grid());
    let group = (WIDTH - LEFT - RIGHT) / labels.len().max(1) as f64;
    let bar = (group * 0.78 / series.len().max(1) as f64).min(34.0);
    let zero = axis.y(0.0);
    for (place, label) in labels.iter().enumerate() {
        let middle = LEFT + group * (place as f64 + 0.5);
        svg.push_str(&format!(
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\"{}>{}</text>",
            HEIGHT - 6.0,
            if labels.len() > 7 {
                " style=\"font-size:8px\""
            } else {
                ""
            },
            escape(label)
        ));
        let left = middle - bar * series.len() as f64 / 2.0;
        for (index, line) in series.iter().enumerate() {
            let Some(value) = line.values.get(place).copied().flatten() else {
                continue;
            };
            let y = axis.y(value);
            svg.push_str(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1.5\" \
                 fill=\"var(--c{})\"><title>{} {}: {}</title></rect>",
                left + bar * index as f64,
                y.min(zero),
                (bar - 1.0).max(1.0),
                (y - zero).abs().max(0.5),
                index % COLOURS,
                escape(&line.name),
                escape(label),
                number(value, 3)
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

fn heat(title: &str, labels: &[String], values: &[Vec<f64>]) -> String {
    let left = 150.0;
    let cell = (WIDTH - left - RIGHT) / labels.len().max(1) as f64;
    let tall = 34.0;
    let mut svg = open(title, TOP + tall * labels.len() as f64 + 4.0);
    for (row, (label, cells)) in labels.iter().zip(values).enumerate() {
        let y = TOP + tall * row as f64;
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + tall / 2.0 + 4.0,
            escape(label)
        ));
        for (column, value) in cells.iter().enumerate() {
            let colour = usize::from(*value < 0.0);
            let x = left + cell * column as f64;
            let strength = value.abs().clamp(0.0, 1.0).mul_add(0.8, 0.04);
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" \
                 fill=\"var(--c{colour})\" opacity=\"{strength:.2}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" style=\"fill:var(--ink)\">{}</text>",
                cell - 3.0,
                tall - 3.0,
                x + cell / 2.0 - 1.5,
                y + tall / 2.0 + 3.0,
                number(*value, 2)
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

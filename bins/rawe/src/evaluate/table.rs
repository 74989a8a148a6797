//! A report as text for a terminal.

use rawe_evaluation::report::{Report, Row};

/// The columns between the measure and what stands beside.
const HEAD: [&str; 6] = ["ours", "95 %", "t", "n", "asked", "hoped"];
/// The widest measure shown whole.
const MEASURE_WIDTH: usize = 46;

/// Every section with its rows.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for section in &report.sections {
        text += &format!(
            "\n{} · {}\n",
            printable(&section.set),
            printable(&section.title)
        );
        for note in &section.notes {
            text += &format!("  {}\n", printable(note));
        }
        let cells: Vec<[String; 6]> = section.rows.iter().map(cells).collect();
        let widths: Vec<usize> = HEAD
            .iter()
            .enumerate()
            .map(|(column, head)| {
                let own = cells.iter().filter_map(|row| row.get(column));
                own.map(|cell| cell.chars().count())
                    .chain([head.len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        text += &line("", &HEAD.map(str::to_owned), &widths, "beside");
        for (row, cells) in section.rows.iter().zip(&cells) {
            text += &line(
                &row.measure,
                cells,
                &widths,
                row.beside.as_deref().unwrap_or(""),
            );
        }
    }
    text
}

fn line(measure: &str, cells: &[String; 6], widths: &[usize], beside: &str) -> String {
    let mut line = format!("  {:<MEASURE_WIDTH$}", printable(measure));
    for (cell, width) in cells.iter().zip(widths) {
        line += &format!("  {cell:>width$}");
    }
    format!("{line}  {}", printable(beside))
        .trim_end()
        .to_owned()
        + "\n"
}

fn cells(row: &Row) -> [String; 6] {
    let number = |value: f64| format!("{value:.*}", row.digits);
    let mark = match row.is_met() {
        Some(true) => "✓ ",
        Some(false) => "✗ ",
        None => "",
    };
    [
        format!("{mark}{}", number(row.value)),
        row.interval.map_or_else(String::new, |interval| {
            format!("{}..{}", number(interval.low), number(interval.high))
        }),
        row.t.map_or_else(String::new, |t| format!("{t:.1}")),
        row.count
            .map_or_else(String::new, |count| count.to_string()),
        row.at_least.map_or_else(String::new, number),
        row.moonshot.map_or_else(String::new, number),
    ]
}

/// Without controls, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_evaluation::report::Section;

    #[test]
    fn targets_are_marked_and_controls_dropped() {
        let mut section = Section::new("tone", "phrasebank", "Tone\u{1b}[31m");
        section.row(Row::new("accuracy, lexicon", 0.70).digits(3));
        let report = Report {
            version: "0".to_owned(),
            sections: vec![section],
        };
        let text = text(&report);
        assert!(
            text.contains("✗ 0.700") && text.contains("VADER .544"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}

//! A report as one HTML page that needs nothing else: no script, no font, no request. Every text is
//! escaped: names of sets and narratives come from data.

mod svg;

use crate::report::{Report, Row, Section};

const STYLE: &str = include_str!("page/style.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut html =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    html.push_str("<title>RAWE: how good is the engine?</title>\n<style>");
    html.push_str(STYLE);
    html.push_str("</style></head><body><main>\n<header><p class=\"kicker\">RAWE ");
    html.push_str(&escape(&report.version));
    html.push_str("</p><h1>How good is the engine?</h1><p class=\"lead\">");
    html.push_str(
        "Measured on dated and labelled data, with 95 % intervals, beside what was asked for and \
         what others published.</p>",
    );
    html.push_str(&headline(report));
    html.push_str("</header>\n");
    html.push_str(&contents(report));
    for (index, section) in report.sections.iter().enumerate() {
        html.push_str(&section_html(index, section));
    }
    html.push_str(
        "<footer><p>Past figures promise nothing. Signals were chosen on the development data; \
         expect less than every number here. NVX is a gauge, not a forecast.</p></footer>\n\
         </main></body></html>\n",
    );
    html
}

/// The rows that had a target, as tiles.
fn headline(report: &Report) -> String {
    let mut html = String::from("<div class=\"tiles\">");
    for section in &report.sections {
        for row in &section.rows {
            let Some(met) = row.is_met() else { continue };
            let least = row.at_least.unwrap_or(0.0);
            html.push_str(&format!(
                "<div class=\"tile {}\"><b>{}</b><span>{} · {}</span><i>asked {}</i></div>",
                if met { "met" } else { "missed" },
                number(row.value, row.digits),
                escape(&section.set),
                escape(&row.measure),
                number(least, row.digits),
            ));
        }
    }
    html.push_str("</div>");
    html
}

fn contents(report: &Report) -> String {
    let mut html = String::from("<nav>");
    for (index, section) in report.sections.iter().enumerate() {
        html.push_str(&format!(
            "<a href=\"#s{index}\">{} <small>{}</small></a>",
            escape(&section.set),
            escape(&section.part)
        ));
    }
    html.push_str("</nav>\n");
    html
}

fn section_html(index: usize, section: &Section) -> String {
    let mut html = format!(
        "<section id=\"s{index}\"><h2><em>{}</em> {}</h2>\n",
        escape(&section.set),
        escape(&section.title)
    );
    for note in &section.notes {
        html.push_str(&format!("<p class=\"note\">{}</p>", escape(note)));
    }
    if !section.plots.is_empty() {
        html.push_str("<div class=\"plots\">");
        for plot in &section.plots {
            html.push_str(&svg::figure(plot));
        }
        html.push_str("</div>");
    }
    if !section.rows.is_empty() {
        html.push_str(&table(&section.rows));
    }
    html.push_str("</section>\n");
    html
}

fn table(rows: &[Row]) -> String {
    let mut html = String::from(
        "<div class=\"scroll\"><table><thead><tr><th>measure</th><th>ours</th><th>95 %</th>\
         <th>t</th><th>n</th><th>asked</th><th>hoped</th><th>beside</th></tr></thead><tbody>",
    );
    for row in rows {
        let or_dash = |text: Option<String>| text.unwrap_or_default();
        let class = match row.is_met() {
            Some(true) => " class=\"met\"",
            Some(false) => " class=\"missed\"",
            None => "",
        };
        html.push_str(&format!(
            "<tr{class}><td>{}</td><td><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td></tr>",
            escape(&row.measure),
            number(row.value, row.digits),
            or_dash(row.interval.map(|i| format!(
                "{} … {}",
                number(i.low, row.digits),
                number(i.high, row.digits)
            ))),
            or_dash(row.t.map(|t| number(t, 1))),
            or_dash(row.count.map(|count| count.to_string())),
            or_dash(row.at_least.map(|least| number(least, row.digits))),
            or_dash(row.moonshot.map(|most| number(most, row.digits))),
            escape(row.beside.as_deref().unwrap_or("")),
        ));
    }
    html.push_str("</tbody></table></div>");
    html
}

/// A number with so many decimals, and no minus before a zero.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.chars().any(|c| ('1'..='9').contains(&c)) {
        text.replace('-', "\u{2212}")
    } else {
        text.trim_start_matches('-').to_owned()
    }
}

/// Text as HTML shows it, whatever is in it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Controls, and marks that turn the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Interval;
    use crate::report::{Plot, Series};

    #[test]
    fn hostile_names_stay_texts() {
        let evil = "<script>alert('x')</script>\u{202e}\"&";
        let mut section = Section::new("clusters", evil, evil);
        section.note(evil);
        section.row(Row::new(evil, -0.0).beside(evil).interval(Some(Interval {
            low: -1.0,
            high: 2.0,
        })));
        let labels = vec![evil.to_owned(), "b".to_owned()];
        let series = vec![Series::whole(evil, [1.0, -2.0])];
        section.plots = vec![
            Plot::lines(evil, &labels, series.clone(), true),
            Plot::Bars {
                title: evil.to_owned(),
                labels: labels.clone(),
                series,
            },
            Plot::Heat {
                title: evil.to_owned(),
                labels,
                values: vec![vec![1.0, -0.2], vec![-0.2, 1.0]],
            },
        ];
        let html = page(&Report {
            version: evil.to_owned(),
            sections: vec![section],
        });
        assert!(!html.contains("<script") && !html.contains('\u{202e}'));
        assert!(!html.contains("http") || html.contains("http://www.w3.org/2000/svg"));
        assert!(!html.contains("NaN") && !html.contains("inf"));
        assert_eq!(html.matches("<svg").count(), 3);
    }

    #[test]
    fn numbers_have_no_negative_zero() {
        assert_eq!(number(-0.004, 2), "0.00");
        assert_eq!(number(-0.5, 1), "\u{2212}0.5");
    }
}

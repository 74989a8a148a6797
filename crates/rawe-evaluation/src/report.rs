//! What an evaluation says: sections of rows, each with its target and the published number beside
//! ours, and plots as data. How they are drawn is for `page` and the `rawe` command.

use serde::{Deserialize, Serialize};

use crate::metrics::Interval;
use crate::references::reference;

/// A whole evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the program.
    pub version: String,
    /// What was measured, in the order of the sets.
    pub sections: Vec<Section>,
}

/// One part of an evaluation on one set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// `tone`, `clusters`, `direction`, `votes`, `volatility`, `linking`, `attack`, `gauges`.
    pub part: String,
    /// Name of the set: its folder or file.
    pub set: String,
    /// What was measured, in one line for people.
    pub title: String,
    /// What to know before reading the numbers.
    pub notes: Vec<String>,
    /// The numbers.
    pub rows: Vec<Row>,
    /// The pictures.
    pub plots: Vec<Plot>,
}

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub measure: String,
    /// Its value.
    pub value: f64,
    /// Decimals worth reading.
    pub digits: usize,
    /// 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// t, Newey-West.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t: Option<f64>,
    /// Over how many rows, sessions or hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The least that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// What was hoped for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moonshot: Option<f64>,
    /// What others published, or a plain model scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// One line of a plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its values; `None` leaves a gap.
    pub values: Vec<Option<f64>>,
}

/// A picture as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plot {
    /// Lines over a common axis.
    Lines {
        /// What is shown.
        title: String,
        /// The axis, one label per value.
        labels: Vec<String>,
        /// The lines.
        series: Vec<Series>,
        /// Whether the room between the line and 0 is filled.
        filled: bool,
    },
    /// Groups of bars.
    Bars {
        /// What is shown.
        title: String,
        /// The groups.
        labels: Vec<String>,
        /// One bar per group each.
        series: Vec<Series>,
    },
    /// A square of correlations.
    Heat {
        /// What is shown.
        title: String,
        /// Names of rows and columns.
        labels: Vec<String>,
        /// -1 to 1.
        values: Vec<Vec<f64>>,
    },
}

/// The most points of a line that is drawn.
const POINTS_MAX: usize = 400;

impl Row {
    /// A number with two decimals.
    pub fn new(measure: impl Into<String>, value: f64) -> Self {
        Self {
            measure: measure.into(),
            value,
            digits: 2,
            ..Self::default()
        }
    }

    /// With so many decimals.
    #[must_use]
    pub fn digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// With its interval, if there is one.
    #[must_use]
    pub fn interval(mut self, interval: Option<Interval>) -> Self {
        self.interval = interval;
        self
    }

    /// With its t, if there is one.
    #[must_use]
    pub fn t(mut self, t: Option<f64>) -> Self {
        self.t = t;
        self
    }

    /// Over so many observations.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// With a number of others or of a plain model beside it.
    #[must_use]
    pub fn beside(mut self, beside: impl Into<String>) -> Self {
        self.beside = Some(beside.into());
        self
    }

    /// Whether the least asked for was reached; `None` where nothing was asked.
    pub fn is_met(&self) -> Option<bool> {
        // As a reader sees it: .74 is reached by .7396 shown as .74.
        let rounding = 0.5 * 10f64.powi(-i32::try_from(self.digits).unwrap_or(3));
        self.at_least.map(|least| self.value + rounding >= least)
    }
}

impl Section {
    /// An empty section.
    pub fn new(part: &str, set: &str, title: impl Into<String>) -> Self {
        Self {
            part: part.to_owned(),
            set: set.to_owned(),
            title: title.into(),
            ..Self::default()
        }
    }

    /// Adds a number, with the targets and published numbers that are known for it.
    pub fn row(&mut self, mut row: Row) {
        if let Some(known) = reference(&self.part, &self.set, &row.measure) {
            row.at_least = row.at_least.or(known.at_least);
            row.moonshot = row.moonshot.or(known.moonshot);
            let beside = known.beside.map(str::to_owned);
            row.beside = row.beside.or(beside);
        }
        if row.value.is_finite() {
            self.rows.push(row);
        }
    }

    /// Adds a sentence.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl Plot {
    /// Lines, thinned to a number of points that can be seen.
    pub fn lines(
        title: impl Into<String>,
        labels: &[String],
        series: Vec<Series>,
        filled: bool,
    ) -> Self {
        let step = labels.len().div_ceil(POINTS_MAX).max(1);
        let kept = |index: &usize| index.is_multiple_of(step) || index + 1 == labels.len();
        let thin = |values: &[Option<f64>]| {
            let places = (0..values.len()).filter(kept);
            places
                .filter_map(|place| values.get(place).copied())
                .collect()
        };
        Self::Lines {
            title: title.into(),
            labels: (0..labels.len())
                .filter(kept)
                .filter_map(|place| labels.get(place).cloned())
                .collect(),
            series: series
                .into_iter()
                .map(|line| Series {
                    values: thin(&line.values),
                    name: line.name,
                })
                .collect(),
            filled,
        }
    }
}

impl Series {
    /// A line without gaps.
    pub fn whole(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        Self {
            name: name.into(),
            values: values.into_iter().map(Some).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_targets() {
        let mut section = Section::new("tone", "phrasebank", "Tone");
        section.row(Row::new("accuracy, lexicon", 0.7396));
        section.row(Row::new("something else", f64::NAN));
        section.row(Row::new("something else", 1.0));
        assert_eq!(section.rows.len(), 2);
        assert_eq!(section.rows[0].at_least, Some(0.74));
        assert_eq!(section.rows[0].is_met(), Some(true));
        assert_eq!(section.rows[0].clone().digits(4).is_met(), Some(false));
        assert_eq!(section.rows[1].is_met(), None);
    }

    #[test]
    fn long_lines_are_thinned_and_keep_their_ends() {
        let labels: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
        let line = Series::whole("x", (0..1_001).map(f64::from));
        let Plot::Lines { labels, series, .. } = Plot::lines("t", &labels, vec![line], false)
        else {
            panic!("lines expected");
        };
        assert!(labels.len() <= POINTS_MAX + 1);
        assert_eq!(
            (labels[0].as_str(), labels.last().unwrap().as_str()),
            ("0", "1000")
        );
        assert_eq!(series[0].values.len(), labels.len());
        assert_eq!(series[0].values.last(), Some(&Some(1000.0)));
    }
}

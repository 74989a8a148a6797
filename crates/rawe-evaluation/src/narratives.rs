//! Which narrative every item ended up in, merges of later items included; and how pure narratives
//! of each rating are on streams whose true stories are known.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use rawe_core::{NewsItem, Register};
use rawe_narrative::{EngineConfig, NarrativeEffect, NarrativeEngine, Rating};

use crate::metrics::Partition;
use crate::report::{Plot, Row, Section, Series};

/// The narratives of items in the order in which they were applied.
#[derive(Clone, Debug, Default)]
pub struct Assignments {
    names: Vec<String>,
    numbers: BTreeMap<String, usize>,
    parents: Vec<usize>,
    items: Vec<Option<usize>>,
}

impl Assignments {
    /// Takes note of the item just applied: its effects, and the narrative it is in now, if any.
    pub fn note(&mut self, effects: &[NarrativeEffect], narrative: Option<&str>) {
        for effect in effects {
            if let NarrativeEffect::Merged { from, into, .. } = effect {
                let (from, into) = (self.number(from), self.number(into));
                let into = self.root(into);
                if let Some(parent) = self.parents.get_mut(from) {
                    *parent = into;
                }
            }
        }
        let number = narrative.map(|id| self.number(id));
        self.items.push(number);
    }

    /// The final narrative of the item at `place`, aliases resolved; `None` if it has none.
    pub fn of(&self, place: usize) -> Option<&str> {
        let root = self.root((*self.items.get(place)?)?);
        self.names.get(root).map(String::as_str)
    }

    /// The number of the final narrative of the item at `place`.
    fn root_of(&self, place: usize) -> Option<usize> {
        Some(self.root((*self.items.get(place)?)?))
    }

    fn number(&mut self, id: &str) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.names.len();
        self.names.push(id.to_owned());
        self.parents.push(number);
        self.numbers.insert(id.to_owned(), number);
        number
    }

    fn root(&self, number: usize) -> usize {
        let mut at = number;
        // No chain is longer than there are narratives.
        for _ in 0..self.parents.len() {
            match self.parents.get(at) {
                Some(parent) if *parent != at => at = *parent,
                _ => break,
            }
        }
        at
    }
}

/// The ratings, worst first.
const RATINGS: [Rating; 11] = [
    Rating::NotRated,
    Rating::D,
    Rating::C,
    Rating::Cc,
    Rating::Ccc,
    Rating::B,
    Rating::Bb,
    Rating::Bbb,
    Rating::A,
    Rating::Aa,
    Rating::Aaa,
];

/// A stream without times, clustered.
#[derive(Clone, Debug, Default)]
pub struct ClusteredStream {
    assignments: Assignments,
    ratings: BTreeMap<String, Rating>,
}

/// Clusters texts in their order, a second apart, so that only their number ages them. `progress`
/// hears of every text done.
pub fn cluster_stream<'a>(
    texts: impl Iterator<Item = &'a str>,
    mut progress: impl FnMut(),
) -> ClusteredStream {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut clustered = ClusteredStream::default();
    let start = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    for (place, text) in texts.enumerate() {
        let seconds = i64::try_from(place).unwrap_or(i64::MAX / 1_000_000);
        let at = start + TimeDelta::seconds(seconds);
        let item = NewsItem {
            id: place.to_string(),
            published: at,
            first_seen: at,
            source: "stream".to_owned(),
            register: Register::News,
            author: None,
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: Vec::new(),
            headline: text.to_owned(),
            text: String::new(),
            backfill: false,
        };
        let effects = engine.apply_item(&item);
        clustered.note_deaths(&effects);
        clustered
            .assignments
            .note(&effects, engine.last_narrative_id());
        progress();
    }
    clustered.rate_the_living(&engine);
    clustered
}

impl ClusteredStream {
    /// The dead keep the rating of their end.
    fn note_deaths(&mut self, effects: &[NarrativeEffect]) {
        for effect in effects {
            if let NarrativeEffect::Died { id, rating, .. } = effect {
                self.ratings.insert(id.clone(), *rating);
            }
        }
    }

    fn rate_the_living(&mut self, engine: &NarrativeEngine) {
        for name in &self.assignments.names {
            if let Some(rating) = engine.rating(name) {
                self.ratings.insert(name.clone(), rating);
            }
        }
    }

    /// The final narrative of the text at `place`; `None` for a text without terms.
    pub fn narrative(&self, place: usize) -> Option<&str> {
        self.assignments.of(place)
    }

    /// BCubed, mutual information and purity by rating against the true stories.
    pub fn section(&self, set: &str, stories: &[Option<String>]) -> Section {
        let mut partition = Partition::default();
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        let alone = self.assignments.names.len() as u64;
        for (place, story) in stories.iter().enumerate() {
            let Some(story) = story else { continue };
            let next = numbers.len() as u64;
            let story = *numbers.entry(story).or_insert(next);
            // A text without terms is a cluster of its own.
            let cluster = self.assignments.root_of(place);
            partition.add(cluster.map_or(alone + place as u64, |c| c as u64), story);
        }
        let rating = |cluster: u64| -> Rating {
            let name = usize::try_from(cluster)
                .ok()
                .and_then(|n| self.assignments.names.get(n));
            name.and_then(|name| self.ratings.get(name))
                .copied()
                .unwrap_or(Rating::NotRated)
        };
        section_of(set, &partition, rating)
    }
}

fn section_of(set: &str, partition: &Partition, rating: impl Fn(u64) -> Rating) -> Section {
    let mut section = Section::new("clusters", set, "Narratives against the true stories");
    let (clusters, stories) = partition.sizes();
    section.note(format!(
        "{clusters} narratives, {stories} stories. One pass, no look ahead. The published numbers \
         normalise by the geometric mean and see the stream in batches, ten times over."
    ));
    if let Some(found) = partition.mutual_information() {
        section.row(
            Row::new("NMI, geometric", found.geometric)
                .digits(3)
                .count(partition.total()),
        );
        section.row(Row::new("NMI, arithmetic", found.arithmetic).digits(3));
    }
    if let Some(found) = partition.bcubed() {
        section.row(Row::new("BCubed precision", found.precision).digits(3));
        section.row(Row::new("BCubed recall", found.recall).digits(3));
        section.row(Row::new("BCubed F1", found.f1).digits(3));
    }
    if let Some((purity, items)) = partition.purity(|c| rating(c).is_investment_grade()) {
        let row = Row::new("purity, rated BBB or better", purity);
        section.row(row.digits(3).count(items));
    }
    let mut labels = Vec::new();
    let mut values = Vec::new();
    for grade in RATINGS {
        if let Some((purity, items)) = partition.purity(|c| rating(c) == grade) {
            labels.push(format!("{grade} ({items})"));
            values.push(purity);
        }
    }
    section.plots.push(Plot::Bars {
        title: "Purity by rating (items)".to_owned(),
        labels,
        series: vec![Series::whole("purity", values)],
    });
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_reach_back_to_earlier_items() {
        let merged = |from: &str, into: &str| NarrativeEffect::Merged {
            from: from.into(),
            into: into.into(),
            at: DateTime::default(),
        };
        let mut found = Assignments::default();
        found.note(&[], Some("a"));
        found.note(&[], None);
        found.note(&[], Some("b"));
        found.note(&[merged("a", "b")], Some("b"));
        found.note(&[merged("b", "c")], Some("c"));
        let names: Vec<_> = (0..6).map(|place| found.of(place)).collect();
        assert_eq!(
            names,
            [Some("c"), None, Some("c"), Some("c"), Some("c"), None]
        );
    }

    #[test]
    fn two_plain_stories_are_told_apart() {
        let texts: Vec<String> = (0..40)
            .map(|n| match n % 2 {
                0 => format!("spd labor talk german coalition demand w{n}"),
                _ => format!("latvian pm resign shop mall disaster v{n}"),
            })
            .collect();
        let mut heard = 0;
        let found = cluster_stream(texts.iter().map(String::as_str), || heard += 1);
        assert_eq!(heard, 40);
        let stories: Vec<_> = (0..40).map(|n| Some((n % 2).to_string())).collect();
        let section = found.section("stream-x", &stories);
        let f1 = section
            .rows
            .iter()
            .find(|row| row.measure == "BCubed F1")
            .unwrap();
        assert!(f1.value > 0.99, "{section:?}");
    }
}

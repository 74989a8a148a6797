//! Scores at bar closes, for outside scorers: every bar of a set gets a row, and a row uses nothing
//! that was not known at its bar's end.

use rawe_core::{AssetClass, Bar, NewsItem};

use crate::narratives::Assignments;
use crate::walk::{Event, Walk, events, scans_at_bar_closes};

/// What is known at the close of one bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarScores {
    /// The signals, in the order of the set; 0 while unknown.
    pub scores: Vec<f64>,
    /// Expected ln(high / low - 1) of the coming session by prices alone; `None` while unknown.
    pub har: Option<f64>,
    /// The same with what is told.
    pub forecast: Option<f64>,
}

/// The rows of a set.
#[derive(Clone, Debug, Default)]
pub struct ScoreTable {
    /// One row per bar, in the order of the bars.
    pub rows: Vec<BarScores>,
    /// The narrative of every item, in the order of the items.
    pub narratives: Assignments,
}

/// Plays a set; items and bars are sorted by time. `signals` is how many scores a row has;
/// `progress` hears of every event.
pub fn score_table(
    mut walk: Walk,
    items: &[NewsItem],
    bars: &[Bar],
    signals: usize,
    mut progress: impl FnMut(),
) -> ScoreTable {
    let scans = scans_at_bar_closes(items, bars);
    let unknown = BarScores {
        scores: vec![0.0; signals],
        ..BarScores::default()
    };
    let mut table = ScoreTable {
        rows: Vec::with_capacity(bars.len()),
        narratives: Assignments::default(),
    };
    // Places of bars that ended and were not scanned yet.
    let mut ended: Vec<(usize, &Bar)> = Vec::new();
    for event in events(items, bars, &scans) {
        match event {
            Event::Item(item) => {
                let effects = walk.item(item);
                let narrative = walk.engine().last_narrative_id();
                table.narratives.note(&effects, narrative);
            }
            Event::Bar(bar) => {
                walk.bar(bar);
                ended.push((table.rows.len(), bar));
                table.rows.push(unknown.clone());
            }
            Event::Scan(at, class) => {
                let scan = walk.scan(at, class);
                ended.retain(|(place, bar)| {
                    if bar.symbol.class() != class {
                        return bar.end >= at;
                    }
                    let found = scan
                        .assets
                        .binary_search_by(|seen| seen.symbol.cmp(&bar.symbol));
                    let seen = found.ok().and_then(|found| scan.assets.get(found));
                    if let (Some(seen), Some(row)) = (seen, table.rows.get_mut(*place))
                        && bar.end == at
                    {
                        for (slot, score) in row.scores.iter_mut().zip(&seen.scores) {
                            *slot = score.unwrap_or(0.0).clamp(-1.0, 1.0);
                        }
                        row.har = seen.features.range_har;
                        row.forecast = seen.features.range_forecast;
                    }
                    false
                });
            }
        }
        progress();
    }
    table
}

/// Whether any bar is of this class.
pub fn has_class(bars: &[Bar], class: AssetClass) -> bool {
    bars.iter().any(|bar| bar.symbol.class() == class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::SignalSet;
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;
    use rawe_core::{Register, Symbol, Timeframe, Timestamp};
    use rawe_narrative::NarrativeEngine;

    fn hour(n: u32) -> Timestamp {
        DateTime::from_timestamp(1_600_000_000 / 3_600 * 3_600, 0).unwrap()
            + TimeDelta::hours(i64::from(n))
    }

    fn item(n: u32, minutes: u32, word: u8) -> NewsItem {
        let time = hour(0) + TimeDelta::minutes(i64::from(minutes));
        let words = ["profit surge", "crash fear", "upgrade talk", "hack loss"];
        NewsItem {
            id: n.to_string(),
            published: time,
            first_seen: time,
            source: "reddit/x".to_owned(),
            register: Register::Social,
            author: Some((n % 7).to_string()),
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: vec![Symbol::new("BTC/USD").unwrap()],
            headline: format!("bitcoin {}", words[usize::from(word) % 4]),
            text: String::new(),
            backfill: false,
        }
    }

    fn bar(n: u32, price: f64) -> Bar {
        Bar {
            symbol: Symbol::new("BTC/USD").unwrap(),
            start: hour(n),
            end: hour(n + 1),
            timeframe: Timeframe::Hour,
            open: price,
            high: price * 1.01,
            low: price * 0.99,
            close: price,
            volume: 1.0,
            backfill: false,
        }
    }

    fn table(items: &[NewsItem], bars: &[Bar]) -> ScoreTable {
        let set = SignalSet::shipped().unwrap();
        let signals = set.names().len();
        let walk = Walk::new(NarrativeEngine::new(set.engine_config()), set);
        score_table(walk, items, bars, signals, || ())
    }

    const HOURS: u32 = 24 * 14;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn the_future_changes_no_row(
            posts in proptest::collection::vec((0_u32..HOURS * 60, 0_u8..4), 20..120),
            moves in proptest::collection::vec(-0.03_f64..0.03, HOURS as usize),
            cut in 24_u32..HOURS,
        ) {
            let mut posts = posts;
            posts.sort_unstable();
            let items: Vec<NewsItem> =
                posts.iter().zip(0..).map(|((minutes, word), n)| item(n, *minutes, *word)).collect();
            let mut price = 100.0;
            let bars: Vec<Bar> = moves.iter().zip(0..).map(|(moved, n)| {
                price *= 1.0 + moved;
                bar(n, price)
            }).collect();
            let whole = table(&items, &bars);
            prop_assert_eq!(whole.rows.len(), bars.len());
            let end = hour(cut);
            let known: Vec<NewsItem> =
                items.iter().filter(|item| item.first_seen <= end).cloned().collect();
            let past: Vec<Bar> = bars.iter().filter(|bar| bar.end <= end).cloned().collect();
            let cut_off = table(&known, &past);
            prop_assert_eq!(&whole.rows[..past.len()], cut_off.rows.as_slice());
            for score in whole.rows.iter().flat_map(|row| &row.scores) {
                prop_assert!((-1.0..=1.0).contains(score));
            }
        }
    }

    #[test]
    fn scores_come_to_life() {
        let items: Vec<NewsItem> = (0..HOURS * 2)
            .map(|n| item(n, n * 30, u8::try_from((n / 9) % 4).unwrap()))
            .collect();
        let bars: Vec<Bar> = (0..HOURS)
            .map(|n| bar(n, 100.0 + f64::from(n % 17) + f64::from(n) / 9.0))
            .collect();
        let found = table(&items, &bars);
        let trend = found.rows.last().unwrap().scores[3];
        assert!(trend > 0.0, "{trend}");
        assert!(found.rows[0].scores.iter().all(|score| score.abs() < 1e-12));
        let first = found.narratives.of(0);
        assert!(first.is_some());
    }
}

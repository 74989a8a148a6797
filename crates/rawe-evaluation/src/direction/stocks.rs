//! Stocks with daily bars: P-paper (items before midnight UTC, close to close), P-open (items until
//! 09:00 New York, open to close) and P-open5 (the same, five overlapping books, open to open).

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use rawe_core::calendar::{new_york_date, new_york_instant};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timeframe, Timestamp};

use super::Book;
use crate::metrics::{Confusion, Interval, circular_blocks, matthews, ranks, series, spearman};
use crate::walk::Scan;

/// Sessions of a year.
pub const SESSIONS_PER_YEAR: f64 = 252.0;
/// Sessions of one block of the bootstrap, for accuracy.
pub const BLOCK_SESSIONS: usize = 5;
/// The same for rank correlations and books.
pub const BLOCK_SESSIONS_BOOK: usize = 10;
/// Sessions that rank correlations look ahead.
pub const HORIZONS_SESSIONS: [usize; 5] = [1, 2, 3, 4, 5];
/// Books of P-open5.
const OVERLAP: usize = 5;
/// P-paper: a move of at most this is down.
const DOWN: f64 = -0.005;
/// P-paper: a move above this is up; what lies between is dropped.
const UP: f64 = 0.0055;
/// P-open decides at 09:00 New York.
const DECISION_MINUTES: u32 = 9 * 60;
/// Fewest stocks for a rank correlation in a session.
const STOCKS_MIN: usize = 5;

/// When a decision about a session is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before midnight UTC of the session's date.
    Midnight,
    /// At 09:00 New York.
    Morning,
}

/// The sessions of a set: bars by symbol and date.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    dates: Vec<NaiveDate>,
    bars: BTreeMap<Symbol, Vec<Option<Bar>>>,
}

impl Sessions {
    /// Sorts daily bars of stocks by symbol and date; other bars are left out.
    pub fn of(bars: &[Bar]) -> Self {
        let daily = |bar: &&Bar| {
            bar.symbol.class() == AssetClass::UsEquity && bar.timeframe == Timeframe::Day
        };
        let mut dates: Vec<NaiveDate> = bars
            .iter()
            .filter(daily)
            .map(|bar| new_york_date(bar.end))
            .collect();
        dates.sort_unstable();
        dates.dedup();
        let mut by_symbol: BTreeMap<Symbol, Vec<Option<Bar>>> = BTreeMap::new();
        for bar in bars.iter().filter(daily) {
            let row = by_symbol
                .entry(bar.symbol.clone())
                .or_insert_with(|| vec![None; dates.len()]);
            if let Ok(place) = dates.binary_search(&new_york_date(bar.end))
                && let Some(slot) = row.get_mut(place)
            {
                *slot = Some(bar.clone());
            }
        }
        Self {
            dates,
            bars: by_symbol,
        }
    }

    /// The dates with bars.
    pub fn dates(&self) -> &[NaiveDate] {
        &self.dates
    }

    /// The instants at which the sessions after the first item are decided, with their places.
    pub fn decisions(&self, items: &[NewsItem], cut: Cut) -> Vec<(usize, Timestamp)> {
        let Some(first) = items.first().map(|item| item.first_seen) else {
            return Vec::new();
        };
        let instant = |date: NaiveDate| match cut {
            // The last instant before midnight: items of midnight itself are too late.
            Cut::Midnight => date
                .and_hms_opt(0, 0, 0)
                .map(|midnight| midnight.and_utc() - TimeDelta::milliseconds(1)),
            Cut::Morning => new_york_instant(date, DECISION_MINUTES),
        };
        let places = self.dates.iter().enumerate();
        places
            .filter_map(|(place, date)| Some((place, instant(*date)?)))
            .filter(|(_, at)| *at >= first)
            .collect()
    }

    fn bar(&self, symbol: &Symbol, place: usize) -> Option<&Bar> {
        self.bars.get(symbol)?.get(place)?.as_ref()
    }

    /// Close of a session over the close before it, minus 1.
    fn close_to_close(&self, symbol: &Symbol, place: usize) -> Option<f64> {
        let before = self.bar(symbol, place.checked_sub(1)?)?;
        Some(self.bar(symbol, place)?.close / before.close - 1.0)
    }

    /// Close of the session `ahead - 1` sessions later over the open of this one, minus 1.
    fn open_to_close(&self, symbol: &Symbol, place: usize, ahead: usize) -> Option<f64> {
        let last = self.bar(symbol, place + ahead - 1)?;
        Some(last.close / self.bar(symbol, place)?.open - 1.0)
    }

    /// The next open over this one, minus 1.
    fn open_to_open(&self, symbol: &Symbol, place: usize) -> Option<f64> {
        let next = self.bar(symbol, place + 1)?;
        Some(next.open / self.bar(symbol, place)?.open - 1.0)
    }

    /// Mean of ln(high / low) over the stocks of a session.
    pub fn mean_range(&self, place: usize) -> Option<f64> {
        let ranges: Vec<f64> = self
            .bars
            .values()
            .filter_map(|row| row.get(place)?.as_ref())
            .map(|bar| (bar.high / bar.low).ln())
            .collect();
        series::mean(&ranges)
    }
}

/// The scans of a set, one per decided session.
#[derive(Clone, Debug, Default)]
pub struct SessionPanel {
    sessions: Sessions,
    rows: Vec<SessionScan>,
}

#[derive(Clone, Debug)]
struct SessionScan {
    place: usize,
    instant: Timestamp,
    nvx: f64,
    assets: Vec<(Symbol, Vec<f64>)>,
}

impl SessionPanel {
    /// A panel without scans.
    pub fn new(sessions: Sessions) -> Self {
        Self {
            sessions,
            rows: Vec::new(),
        }
    }

    /// Takes in the scan that decides the session at `place`.
    pub fn push(&mut self, place: usize, scan: Scan) {
        let known = |scores: Vec<Option<f64>>| -> Vec<f64> {
            scores
                .into_iter()
                .map(|score| score.unwrap_or(0.0))
                .collect()
        };
        let assets = scan.assets.into_iter();
        self.rows.push(SessionScan {
            place,
            instant: scan.instant,
            nvx: scan.nvx,
            assets: assets
                .map(|seen| (seen.symbol, known(seen.scores)))
                .collect(),
        });
    }

    /// How many sessions were decided.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The date and NVX of each decision, and the mean range of the session before it, whose items
    /// NVX has just counted.
    pub fn nowcasts(&self) -> Vec<(NaiveDate, f64, Option<f64>)> {
        let date = |place: usize| self.sessions.dates.get(place).copied();
        let before = |place: usize| self.sessions.mean_range(place.checked_sub(1)?);
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((date(row.place)?, row.nvx, before(row.place))))
            .collect()
    }

    /// P-paper of a signal: sign against sign, a zero is up.
    pub fn accuracy(&self, score: impl Fn(&Scored<'_>) -> f64) -> Option<Accuracy> {
        let mut confusion = Confusion::default();
        let mut sessions: Vec<[f64; 4]> = Vec::new();
        for row in &self.rows {
            let mut cells = [0.0; 4];
            for (symbol, scores) in &row.assets {
                let moved = self.sessions.close_to_close(symbol, row.place);
                let Some(moved) = moved.filter(|m| *m <= DOWN || *m > UP) else {
                    continue;
                };
                let up = score(&self.scored(row, symbol, scores)) >= 0.0;
                let truth = moved > 0.0;
                confusion.add(if truth { 1 } else { -1 }, if up { 1 } else { -1 });
                let cell = usize::from(!truth) * 2 + usize::from(!up);
                if let Some(count) = cells.get_mut(cell) {
                    *count += 1.0;
                }
            }
            sessions.push(cells);
        }
        let accuracy_of = |[tp, fn_, fp, tn]: &[f64; 4], _| {
            let total = tp + fn_ + fp + tn;
            (total > 0.0).then(|| (tp + tn) / total)
        };
        let matthews_of = |[tp, fn_, fp, tn]: &[f64; 4], _| matthews(*tp, *tn, *fp, *fn_);
        Some(Accuracy {
            targets: confusion.total(),
            accuracy: confusion.accuracy()?,
            accuracy_interval: circular_blocks(&sessions, BLOCK_SESSIONS, accuracy_of),
            matthews: confusion.matthews(),
            matthews_interval: circular_blocks(&sessions, BLOCK_SESSIONS, matthews_of),
        })
    }

    /// Mean over sessions of the rank correlation across stocks between a signal and the
    /// market-adjusted return, from the open over `ahead` sessions.
    pub fn correlation(
        &self,
        ahead: usize,
        score: impl Fn(&Scored<'_>) -> f64,
    ) -> Option<RankCorrelation> {
        let mut daily = Vec::new();
        for row in &self.rows {
            let (mut scores, mut moves) = (Vec::new(), Vec::new());
            for (symbol, values) in &row.assets {
                if let Some(moved) = self.sessions.open_to_close(symbol, row.place, ahead) {
                    scores.push(score(&self.scored(row, symbol, values)));
                    moves.push(moved);
                }
            }
            if scores.len() >= STOCKS_MIN
                && let Some(found) = spearman(&scores, &moves)
            {
                daily.push(found);
            }
        }
        let rows: Vec<[f64; 1]> = daily.iter().map(|value| [*value]).collect();
        let mean = |[sum]: &[f64; 1], count: usize| Some(sum / count as f64);
        Some(RankCorrelation {
            sessions: daily.len(),
            value: series::mean(&daily)?,
            t: series::newey_west_t(&daily, BLOCK_SESSIONS_BOOK.max(ahead)),
            interval: circular_blocks(&rows, BLOCK_SESSIONS_BOOK, mean),
        })
    }

    /// The net returns of P-open: weights proportional to the centred rank, gross 1, open to close.
    pub fn book(&self, cost: f64, score: impl Fn(&Scored<'_>) -> f64) -> Book {
        let mut book = Book::default();
        for row in &self.rows {
            let weights = self.weights(row, &score);
            let gross: f64 = weights.values().map(|weight| weight.abs()).sum();
            let moved = |symbol: &Symbol| self.sessions.open_to_close(symbol, row.place, 1);
            let earned: f64 = weights
                .iter()
                .filter_map(|(symbol, weight)| Some(weight * moved(symbol)?))
                .sum();
            book.turnover += 2.0 * gross;
            book.returns.push(earned - 2.0 * cost * gross);
        }
        book
    }

    /// The net returns of P-open5: five overlapping books, marked open to open.
    pub fn overlapping_book(&self, cost: f64, score: impl Fn(&Scored<'_>) -> f64) -> Book {
        let mut book = Book::default();
        let mut recent: Vec<BTreeMap<Symbol, f64>> = Vec::new();
        let mut held: BTreeMap<Symbol, f64> = BTreeMap::new();
        for row in &self.rows {
            recent.insert(0, self.weights(row, &score));
            recent.truncate(OVERLAP);
            let mut wanted: BTreeMap<Symbol, f64> = BTreeMap::new();
            for (symbol, weight) in recent.iter().flatten() {
                *wanted.entry(symbol.clone()).or_default() += weight / OVERLAP as f64;
            }
            let weight_in = |book: &BTreeMap<Symbol, f64>, symbol: &Symbol| {
                book.get(symbol).copied().unwrap_or(0.0)
            };
            let mut moved: f64 = wanted
                .iter()
                .map(|(s, w)| (w - weight_in(&held, s)).abs())
                .sum();
            let gone = held
                .iter()
                .filter(|(symbol, _)| !wanted.contains_key(*symbol));
            moved += gone.map(|(_, weight)| weight.abs()).sum::<f64>();
            let earned: f64 = wanted
                .iter()
                .filter_map(|(s, w)| Some(w * self.sessions.open_to_open(s, row.place)?))
                .sum();
            book.turnover += moved;
            book.returns.push(earned - cost * moved);
            held = wanted;
        }
        book
    }

    fn weights(
        &self,
        row: &SessionScan,
        score: impl Fn(&Scored<'_>) -> f64,
    ) -> BTreeMap<Symbol, f64> {
        let tradable: Vec<(&Symbol, f64)> = row
            .assets
            .iter()
            .filter(|(symbol, _)| self.sessions.bar(symbol, row.place).is_some())
            .map(|(symbol, scores)| (symbol, score(&self.scored(row, symbol, scores))))
            .collect();
        let values: Vec<f64> = tradable.iter().map(|(_, value)| *value).collect();
        let centre = f64::midpoint(1.0, values.len() as f64);
        let centred: Vec<f64> = ranks(&values).iter().map(|rank| rank - centre).collect();
        let gross: f64 = centred.iter().map(|rank| rank.abs()).sum();
        let share = |rank: &f64| if gross > 0.0 { rank / gross } else { 0.0 };
        let symbols = tradable.iter().map(|(symbol, _)| (*symbol).clone());
        symbols.zip(centred.iter().map(share)).collect()
    }

    fn scored<'a>(&self, row: &SessionScan, symbol: &Symbol, scores: &'a [f64]) -> Scored<'a> {
        let before = row.place.checked_sub(1);
        Scored {
            scores,
            previous_move: before.and_then(|place| self.sessions.close_to_close(symbol, place)),
        }
    }

    /// The decided sessions of one stock, for the vote game.
    pub fn steps(&self, symbol: &Symbol) -> Vec<SessionStep<'_>> {
        let step = |row: &'_ SessionScan| -> Option<(usize, usize)> {
            let found = row.assets.binary_search_by(|(known, _)| known.cmp(symbol));
            Some((row.place, found.ok()?))
        };
        self.rows
            .iter()
            .filter_map(|row| {
                let (place, found) = step(row)?;
                Some(SessionStep {
                    decided: row.instant,
                    scores: &row.assets.get(found)?.1,
                    bar: self.sessions.bar(symbol, place),
                    earned: self.sessions.open_to_open(symbol, place).unwrap_or(0.0),
                })
            })
            .collect()
    }

    /// The stocks with bars.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.sessions.bars.keys()
    }
}

/// One decided session of a stock.
#[derive(Clone, Copy, Debug)]
pub struct SessionStep<'a> {
    /// When it was decided.
    pub decided: Timestamp,
    /// The signals; 0 while unknown.
    pub scores: &'a [f64],
    /// The bar of the session, at whose open a decision is filled.
    pub bar: Option<&'a Bar>,
    /// Return until the next open.
    pub earned: f64,
}

/// What is known of a stock when a session is decided.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The signals; 0 while unknown.
    pub scores: &'a [f64],
    /// Close-to-close return of the session before.
    pub previous_move: Option<f64>,
}

/// P-paper's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Targets counted.
    pub targets: u64,
    /// Share predicted right.
    pub accuracy: f64,
    /// Of `accuracy`, by blocks of 5 sessions.
    pub accuracy_interval: Option<Interval>,
    /// Matthews correlation; `None` where all predictions are one.
    pub matthews: Option<f64>,
    /// Of `matthews`.
    pub matthews_interval: Option<Interval>,
}

/// A mean rank correlation across stocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankCorrelation {
    /// Sessions with one.
    pub sessions: usize,
    /// The mean.
    pub value: f64,
    /// Newey-West, 10 lags.
    pub t: Option<f64>,
    /// By blocks of 10 sessions.
    pub interval: Option<Interval>,
}

//! Sections of a set with daily bars of stocks: P-paper, P-open, P-open5, the vote game, the gauges.

use rawe_agent::CollectiveRules;
use rawe_core::Direction;

use super::crypto::agreement_rows;
use super::{SIGNALS_DRAWN, curves, votes_of};
use crate::direction::crypto::sharpe_with_interval;
use crate::direction::stocks::{
    BLOCK_SESSIONS_BOOK, HORIZONS_SESSIONS, SESSIONS_PER_YEAR, Scored, SessionPanel,
};
use crate::direction::votes::{Step, play};
use crate::metrics::{series, spearman};
use crate::report::{Plot, Row, Section, Series};
use crate::signals::SignalSet;

/// Cost per side, as a share.
const COST: f64 = 5e-4;

/// Direction, votes and gauges from the scans before midnight and in the morning.
pub fn stocks_sections(
    set: &str,
    midnight: &SessionPanel,
    morning: &SessionPanel,
    signals: &SignalSet,
) -> Vec<Section> {
    if morning.is_empty() {
        return Vec::new();
    }
    let days: Vec<String> = morning
        .nowcasts()
        .iter()
        .map(|(date, ..)| date.to_string())
        .collect();
    vec![
        direction(set, midnight, morning, signals, &days),
        votes(set, morning, signals, &days),
        gauges(set, midnight),
    ]
}

fn value(place: usize) -> impl Fn(&Scored<'_>) -> f64 {
    move |scored| scored.scores.get(place).copied().unwrap_or(0.0)
}

fn reversal(scored: &Scored<'_>) -> f64 {
    -scored.previous_move.unwrap_or(0.0)
}

fn direction(
    set: &str,
    midnight: &SessionPanel,
    morning: &SessionPanel,
    signals: &SignalSet,
    days: &[String],
) -> Section {
    let mut section = Section::new("direction", set, "P-paper, P-open and P-open5");
    section.note(
        "Accuracy and MCC by P-paper (items before midnight UTC, moves of at most -0.5 % or above \
         0.55 %); IC by P-open (items until 09:00 New York, open to close, across stocks); Sharpe by \
         P-open5 (five overlapping books, 5 bp a side). The published accuracies are of 64 sessions \
         of another period: an interval there is about .05 wide on each side.",
    );
    let named = signals.names().iter().enumerate();
    for (place, name) in named.clone() {
        accuracy_rows(&mut section, midnight, name, value(place));
    }
    accuracy_rows(&mut section, midnight, "reversal", reversal);
    let mut plot = Vec::new();
    for (place, name) in named {
        let drawn = correlation_rows(&mut section, morning, name, value(place));
        if place < SIGNALS_DRAWN {
            plot.push(drawn);
        }
    }
    plot.push(correlation_rows(
        &mut section,
        morning,
        "reversal",
        reversal,
    ));
    let mix = morning.overlapping_book(COST, value(0)).returns;
    let turned = morning.overlapping_book(COST, reversal).returns;
    let open = morning.book(COST, value(0)).returns;
    for (label, returns) in [
        ("Sharpe P-open5, mix", &mix),
        ("Sharpe P-open5, reversal", &turned),
        ("Sharpe P-open, mix", &open),
    ] {
        sharpe_row(&mut section, label, returns);
    }
    section.plots.push(Plot::Bars {
        title: "Rank IC by horizon, from the open".to_owned(),
        labels: HORIZONS_SESSIONS.map(|n| format!("{n} d")).to_vec(),
        series: plot,
    });
    let books = [
        ("equal mix", mix.as_slice()),
        ("reversal", turned.as_slice()),
    ];
    section.plots.extend(curves("P-open5, 5 bp", days, &books));
    section
}

fn sharpe_row(section: &mut Section, label: &str, returns: &[f64]) {
    if let Some((ratio, interval)) =
        sharpe_with_interval(returns, BLOCK_SESSIONS_BOOK, SESSIONS_PER_YEAR)
    {
        let row = Row::new(label, ratio).interval(interval);
        section.row(row.count(returns.len() as u64));
    }
}

fn accuracy_rows(
    section: &mut Section,
    panel: &SessionPanel,
    name: &str,
    score: impl Fn(&Scored<'_>) -> f64,
) {
    let Some(found) = panel.accuracy(score) else {
        return;
    };
    let accuracy = Row::new(format!("accuracy, {name}"), found.accuracy).digits(3);
    section.row(
        accuracy
            .interval(found.accuracy_interval)
            .count(found.targets),
    );
    if let Some(matthews) = found.matthews {
        let row = Row::new(format!("MCC, {name}"), matthews).digits(3);
        section.row(row.interval(found.matthews_interval));
    }
}

fn correlation_rows(
    section: &mut Section,
    panel: &SessionPanel,
    name: &str,
    score: impl Fn(&Scored<'_>) -> f64,
) -> Series {
    let mut values = Vec::new();
    for ahead in HORIZONS_SESSIONS {
        let found = panel.correlation(ahead, &score);
        values.push(found.map(|ic| ic.value));
        if let Some(ic) = found.filter(|_| ahead == 1) {
            let row = Row::new(format!("IC P-open, {name}"), ic.value).digits(3);
            section.row(row.interval(ic.interval).t(ic.t).count(ic.sessions as u64));
        }
    }
    Series {
        name: name.to_owned(),
        values,
    }
}

fn votes(set: &str, panel: &SessionPanel, signals: &SignalSet, days: &[String]) -> Section {
    let mut section = Section::new("votes", set, "The vote game: three of five by headcount");
    section.note(
        "Decided at 09:00 New York, filled at the open, marked open to open, 5 bp a side, each stock \
         an equal part. Live, this class stays closed by its own paper record.",
    );
    let rules = CollectiveRules::default().paper_rules(signals.personalities().len());
    let mut every_vote: Vec<Vec<Option<Direction>>> = Vec::new();
    let mut shown: Vec<(String, Vec<f64>)> = Vec::new();
    let stocks = panel.symbols().count().max(1) as f64;
    for (shortable, kind) in [(true, ""), (false, " long only")] {
        let mut total = vec![0.0; days.len()];
        let mut trades = 0;
        for symbol in panel.symbols() {
            let steps = panel.steps(symbol);
            let votes: Vec<Vec<Option<Direction>>> = steps
                .iter()
                .map(|step| votes_of(step.scores, signals))
                .collect();
            let late = days.len() - steps.len();
            let played = play(
                steps.iter().zip(&votes).map(|(step, votes)| Step {
                    decided: step.decided,
                    votes,
                    size: 1.0 / stocks,
                    fill: step.bar,
                    earned: step.earned,
                }),
                rules,
                shortable,
                COST,
            );
            trades += played.trades;
            for (sum, value) in total.iter_mut().skip(late).zip(&played.returns) {
                *sum += value;
            }
            if shortable {
                every_vote.extend(votes);
            }
        }
        sharpe_row(
            &mut section,
            &format!("Sharpe, three of five{kind}, 5 bp"),
            &total,
        );
        let years = days.len() as f64 / SESSIONS_PER_YEAR;
        let row = Row::new(
            format!("trades a year and stock{kind}"),
            trades as f64 / years / stocks,
        );
        section.row(row.digits(1));
        shown.push((format!("three of five{kind}"), total));
    }
    let books: Vec<(&str, &[f64])> = shown
        .iter()
        .map(|(name, book)| (name.as_str(), book.as_slice()))
        .collect();
    section.plots.extend(curves("Votes, 5 bp", days, &books));
    agreement_rows(&mut section, signals, every_vote.iter().map(Vec::as_slice));
    section
}

fn gauges(set: &str, midnight: &SessionPanel) -> Section {
    let mut section = Section::new("gauges", set, "NVX: a gauge of the present, not a forecast");
    let found = midnight.nowcasts();
    let labels: Vec<String> = found.iter().map(|(date, ..)| date.to_string()).collect();
    let known = |ahead: usize| -> Option<f64> {
        let later = found.iter().skip(ahead);
        let pairs = found.iter().zip(later);
        let (nvx, ranges): (Vec<f64>, Vec<f64>) = pairs
            .filter_map(|((_, nvx, _), (_, _, range))| Some((*nvx, (*range)?)))
            .unzip();
        spearman(&nvx, &ranges)
    };
    let now = known(0).unwrap_or(f64::NAN);
    section.row(Row::new(
        "nowcast: rank correlation with the session's mean range",
        now,
    ));
    section.row(Row::new("the session after", known(1).unwrap_or(f64::NAN)));
    let values: Vec<f64> = found.iter().map(|(_, nvx, _)| *nvx).collect();
    section.row(Row::new("mean NVX", series::mean(&values).unwrap_or(f64::NAN)).digits(1));
    section.plots.push(Plot::lines(
        "NVX",
        &labels,
        vec![Series::whole("NVX", values)],
        false,
    ));
    section
}

//! The measured panels as sections of a report: which rows are shown, and which pictures.

mod attack;
mod crypto;
mod linking;
mod stocks;
mod tone;
mod volatility;

pub use attack::attack_section;
pub use crypto::crypto_sections;
pub use linking::linking_section;
pub use stocks::stocks_sections;
pub use tone::{ToneResult, tone_section};
pub use volatility::volatility_section;

use rawe_agent::vote_of;
use rawe_core::Direction;

use crate::report::{Plot, Series};
use crate::signals::SignalSet;

/// Plots by signal show the mix and the named ones that take a side by themselves.
const SIGNALS_DRAWN: usize = 6;

/// Cumulative return of several books, and the distance of the first from its top, by label.
fn curves(title: &str, labels: &[String], books: &[(&str, &[f64])]) -> Vec<Plot> {
    let mut series = Vec::new();
    for (name, returns) in books {
        series.push(Series::whole(*name, running(returns)));
    }
    let falls = books.first().map_or_else(Vec::new, |(name, returns)| {
        let mut top = 0.0_f64;
        let depth = running(returns).into_iter().map(|sum| {
            top = top.max(sum);
            sum - top
        });
        vec![Series::whole(*name, depth)]
    });
    vec![
        Plot::lines(
            format!("{title}: cumulative net return"),
            labels,
            series,
            false,
        ),
        Plot::lines(format!("{title}: drawdown"), labels, falls, true),
    ]
}

fn running(returns: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    returns
        .iter()
        .map(|value| {
            sum += value;
            sum
        })
        .collect()
}

/// The votes of the personalities, whose scores are the last of all.
fn votes_of(scores: &[f64], signals: &SignalSet) -> Vec<Option<Direction>> {
    let profiles = signals.personalities();
    let first = signals.names().len() - profiles.len();
    let own = scores.get(first..).unwrap_or(&[]);
    own.iter()
        .zip(profiles)
        .map(|(score, profile)| vote_of(*score, profile.vote_threshold))
        .collect()
}

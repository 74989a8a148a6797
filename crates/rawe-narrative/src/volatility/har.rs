//! The HAR model of a class: ln(high/low − 1) of the coming session from past ranges of the asset
//! and of its market, the last return and the last volume. Rows are pooled over the assets.
//!
//! Sums are kept of raw terms. At a refit the terms are scaled by median and interquartile range of
//! a bounded sample of rows; the sums can be carried over exactly, for scaling is linear. Scaled
//! terms are clipped where a forecast is made.

use serde::{Deserialize, Serialize};

use super::ridge::{Moments, solve};
use super::sessions::OWN_TERMS;

/// Own terms, and the market's mean range over 1, 5 and 22 sessions.
pub(super) const HAR_TERMS: usize = OWN_TERMS + 3;
/// With the constant.
const SIZE: usize = HAR_TERMS + 1;
/// Penalty on scaled terms, and the one that only keeps the constant well defined.
const PENALTY: f64 = 10.0;
const PENALTY_CONSTANT: f64 = 1e-6;
/// Scaled terms are clipped to this.
const SCALED_MAX: f64 = 4.0;
/// Rows of the sample that gives the scales; when it is full every other one is dropped.
const SAMPLE_ROWS: usize = 1_024;
/// The fewest rows, and sessions, for a fit.
const ROWS_MIN: u64 = 100;
const SESSIONS_MIN: u64 = 10;
/// Sessions from refit to refit.
pub(super) const REFIT_SESSIONS: u64 = 5;
/// A spread below this would blow up a term.
const SPREAD_MIN: f64 = 1e-3;

/// The terms of one row.
pub(super) type HarRow = [f64; HAR_TERMS];

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Term {
    coefficient: f64,
    centre: f64,
    spread: f64,
}

/// The running sums and the last fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HarModel {
    moments: Moments,
    rows: u64,
    sessions: u64,
    fitted_at: u64,
    sample: Vec<HarRow>,
    /// Every how many rows one is sampled.
    stride: u64,
    constant: f64,
    /// Empty before the first fit.
    terms: Vec<Term>,
}

impl HarModel {
    pub(super) fn new() -> Self {
        Self {
            moments: Moments::new(SIZE),
            rows: 0,
            sessions: 0,
            fitted_at: 0,
            sample: Vec::new(),
            stride: 1,
            constant: 0.0,
            terms: Vec::new(),
        }
    }

    /// The expected ln(high/low − 1); `None` before the first fit.
    pub(super) fn forecast(&self, row: &HarRow) -> Option<f64> {
        if self.terms.is_empty() {
            return None;
        }
        let part = |(term, x): (&Term, &f64)| {
            let scaled = (x - term.centre) / term.spread;
            term.coefficient * scaled.clamp(-SCALED_MAX, SCALED_MAX)
        };
        let sum: f64 = self.terms.iter().zip(row).map(part).sum();
        Some(self.constant + sum).filter(|forecast| forecast.is_finite())
    }

    /// Learns what became of a row.
    pub(super) fn learn(&mut self, row: &HarRow, actual: f64) {
        let mut with_constant = [1.0; SIZE];
        for (place, x) in with_constant.iter_mut().skip(1).zip(row) {
            *place = *x;
        }
        self.moments.add(&with_constant, actual);
        if self.rows.is_multiple_of(self.stride.max(1)) {
            self.sample.push(*row);
            if self.sample.len() >= SAMPLE_ROWS {
                let mut keep = false;
                self.sample.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride = self.stride.saturating_mul(2);
            }
        }
        self.rows += 1;
    }

    /// All rows of a session have been learnt: decays the sums, refits when it is time.
    pub(super) fn end_session(&mut self, decay: f64) {
        self.moments.decay(decay);
        self.sessions += 1;
        let due = self.terms.is_empty() || self.sessions >= self.fitted_at + REFIT_SESSIONS;
        if due && self.rows >= ROWS_MIN && self.sessions >= SESSIONS_MIN {
            self.fitted_at = self.sessions;
            self.refit();
        }
    }

    fn refit(&mut self) {
        let scales: Vec<(f64, f64)> = (0..HAR_TERMS).map(|term| self.scale(term)).collect();
        let sum = |i: usize, j: usize| self.moments.xx(i, j);
        let weight = sum(0, 0);
        let mut matrix = vec![0.0; SIZE * SIZE];
        let mut right = Vec::with_capacity(SIZE);
        // The constant as a term with centre 0 and spread 1 needs no case of its own.
        let scale = |i: usize| match i.checked_sub(1) {
            None => (0.0, 1.0),
            Some(term) => scales.get(term).copied().unwrap_or((0.0, 1.0)),
        };
        for i in 0..SIZE {
            let (ci, si) = scale(i);
            for j in 0..SIZE {
                let (cj, sj) = scale(j);
                let centred = sum(i, j) - cj * sum(i, 0) - ci * sum(0, j) + ci * cj * weight;
                let penalty = match (i == j, i) {
                    (false, _) => 0.0,
                    (true, 0) => PENALTY_CONSTANT,
                    (true, _) => PENALTY,
                };
                if let Some(cell) = matrix.get_mut(i * SIZE + j) {
                    *cell = centred / (si * sj) + penalty;
                }
            }
            right.push((self.moments.xy(i) - ci * self.moments.xy(0)) / si);
        }
        let Some(solution) = solve(&matrix, &right) else {
            return;
        };
        let Some((constant, coefficients)) = solution.split_first() else {
            return;
        };
        self.constant = *constant;
        let made = coefficients.iter().zip(scales);
        self.terms = made
            .map(|(coefficient, (centre, spread))| Term {
                coefficient: *coefficient,
                centre,
                spread,
            })
            .collect();
    }

    /// Median and interquartile range of a term in the sample.
    fn scale(&self, term: usize) -> (f64, f64) {
        let mut values: Vec<f64> = self
            .sample
            .iter()
            .filter_map(|row| row.get(term).copied())
            .collect();
        values.sort_by(f64::total_cmp);
        let quantile = |quarter: usize| {
            let place = values.len().saturating_sub(1) * quarter / 4;
            values.get(place).copied().unwrap_or(0.0)
        };
        let spread = quantile(3) - quantile(1);
        (quantile(2), if spread > SPREAD_MIN { spread } else { 1.0 })
    }
}

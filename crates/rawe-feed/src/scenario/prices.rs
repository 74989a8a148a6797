//! Prices that answer the stories: noise with a common market part and wandering volatility, plus
//! each story's pull towards its target while the market is open.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use rawe_core::{AssetClass, Bar, Timeframe};

use super::assets::{ASSETS, Asset};
use super::stories::Plan;
use super::{Concern, ScenarioConfig, StoryKind};
use crate::bar_times::{BarSpan, spans_between};

/// Share of a stock's daily variance that falls into the session; the rest comes overnight.
const SESSION_VARIANCE: f64 = 0.75;
/// Hours of a session.
const SESSION_HOURS: f64 = 6.5;
/// Share of the variance that assets of a class have in common.
const COMMON_VARIANCE: (f64, f64) = (0.25, 0.5);
/// How much of an hour's log volatility stays in the next, and what is added: a stationary
/// deviation of 0.25 and a half-life of about two days.
const VOLATILITY_STAYS: f64 = 0.985;
/// See [`VOLATILITY_STAYS`].
const VOLATILITY_ADDED: f64 = 0.043;
/// Volatility while a story is disputed, against its usual.
const DISPUTE_VOLATILITY: f64 = 1.6;
/// Hours of open market in which the price answers a move that needs no story.
const PRICE_ONLY_ANSWER_HOURS: f64 = 2.0;
/// How far high and low reach beyond open and close, in deviations of the hour.
const WICK: f64 = 0.45;

/// Draws all bars, sorted by end, then symbol.
pub(super) fn simulate(config: &ScenarioConfig, plans: &[Plan]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (class, index) in [(AssetClass::UsEquity, 0), (AssetClass::Crypto, 1)] {
        let calendar = Calendar::new(config, class);
        let mut draws = config.draws(Concern::Market, index);
        let market: Vec<f64> = (0..config.hours()).map(|_| normal(&mut draws)).collect();
        for (index, asset) in ASSETS
            .iter()
            .enumerate()
            .filter(|(_, a)| a.class() == class)
        {
            let own: Vec<&Plan> = plans.iter().filter(|plan| plan.asset == index).collect();
            let draws = config.draws(Concern::Prices, index);
            let mut walk = Walk {
                config,
                asset,
                plans: &own,
                calendar: &calendar,
                draws,
            };
            bars.extend(walk.bars(&market));
        }
    }
    bars.sort_by(|a: &Bar, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    bars
}

/// The bars of a class by the hour of the history in which they lie.
struct Calendar {
    spans: BTreeMap<usize, BarSpan>,
}

impl Calendar {
    fn new(config: &ScenarioConfig, class: AssetClass) -> Self {
        let from = config.history_start();
        let spans = spans_between(class, Timeframe::Hour, from, config.end())
            .into_iter()
            .filter_map(|span| {
                let hour = (span.end - from - TimeDelta::seconds(1)).num_hours();
                Some((usize::try_from(hour).ok()?, span))
            })
            .collect();
        Self { spans }
    }

    /// The part of hour `hour` in which the market is open, 0..1.
    fn open_share(&self, hour: usize) -> f64 {
        let minutes = |span: &BarSpan| (span.end - span.start).num_minutes() as f64 / 60.0;
        self.spans.get(&hour).map_or(0.0, minutes)
    }
}

/// One asset's way through the hours.
struct Walk<'a> {
    config: &'a ScenarioConfig,
    asset: &'a Asset,
    plans: &'a [&'a Plan],
    calendar: &'a Calendar,
    draws: ChaCha12Rng,
}

impl Walk<'_> {
    fn bars(&mut self, market: &[f64]) -> Vec<Bar> {
        let Some(symbol) = self.asset.symbol() else {
            return Vec::new();
        };
        let mut price = self.asset.price.ln();
        let mut log_volatility = 0.0;
        // How much of each story the price has answered.
        let mut answered = vec![0.0; self.plans.len()];
        let mut bars = Vec::new();
        for (hour, common) in market.iter().enumerate() {
            let open_share = self.calendar.open_share(hour);
            log_volatility =
                VOLATILITY_STAYS * log_volatility + VOLATILITY_ADDED * normal(&mut self.draws);
            let sigma = self.sigma(open_share) * log_volatility.exp() * self.unrest(hour);
            let common_share = match self.asset.class() {
                AssetClass::UsEquity => COMMON_VARIANCE.0,
                AssetClass::Crypto => COMMON_VARIANCE.1,
            };
            let own = normal(&mut self.draws);
            let noise = common * f64::sqrt(common_share) + own * f64::sqrt(1.0 - common_share);
            let open = price;
            price += sigma * noise + self.answer(hour, open_share, &mut answered);
            // Drawn in closed hours too, so that the calendar does not shift later draws.
            let wicks = [0, 1].map(|_| normal(&mut self.draws).abs() * sigma * WICK);
            let volume = (0.35 * normal(&mut self.draws)).exp() * self.attention(hour);
            if let Some(span) = self.calendar.spans.get(&hour) {
                let logs = [
                    open,
                    open.max(price) + wicks[0],
                    open.min(price) - wicks[1],
                    price,
                ];
                let volume = volume * open_share * self.asset.hourly_volume;
                bars.push(bar(&symbol, *span, logs, volume));
            }
        }
        bars
    }

    /// Deviation of the log return of an hour that is open for a share of it.
    fn sigma(&self, open_share: f64) -> f64 {
        let share_of_day = match self.asset.class() {
            AssetClass::Crypto => 1.0 / 24.0,
            AssetClass::UsEquity if open_share > 0.0 => {
                SESSION_VARIANCE * open_share / SESSION_HOURS
            }
            AssetClass::UsEquity => (1.0 - SESSION_VARIANCE) / (24.0 - SESSION_HOURS),
        };
        self.asset.daily_sigma * share_of_day.sqrt()
    }

    /// What the stories add to the log price in this hour, and have then added in all.
    fn answer(&self, hour: usize, open_share: f64, answered: &mut [f64]) -> f64 {
        let usual_hours = match self.asset.class() {
            AssetClass::UsEquity => self.config.stock_answer_hours,
            AssetClass::Crypto => self.config.crypto_answer_hours,
        };
        let mut total = 0.0;
        for (plan, answered) in self.plans.iter().zip(answered) {
            let hours = match plan.story.kind {
                StoryKind::PriceOnly => PRICE_ONLY_ANSWER_HOURS,
                _ => usual_hours.max(0.1),
            };
            let target = plan.story.effect * plan.adopted_with_lag(hour);
            let step = (target - *answered) * (1.0 - (-open_share / hours).exp());
            *answered += step;
            total += step;
        }
        total
    }

    /// Volatility against its usual: higher while a story is disputed.
    fn unrest(&self, hour: usize) -> f64 {
        let disputed = self.plans.iter().any(|plan| {
            plan.story.kind == StoryKind::Dispute && plan.adopting(hour) * plan.items > 0.3
        });
        if disputed { DISPUTE_VOLATILITY } else { 1.0 }
    }

    /// Volume against its usual: a story in full swing triples it.
    fn attention(&self, hour: usize) -> f64 {
        let telling: f64 = self.plans.iter().map(|plan| plan.adopting(hour)).sum();
        1.0 + (telling * 60.0).min(2.0)
    }
}

/// A bar from the logarithms of open, high, low and close, rounded to cents.
fn bar(symbol: &rawe_core::Symbol, span: BarSpan, logs: [f64; 4], volume: f64) -> Bar {
    let cents = |log: f64| ((log.exp() * 100.0).round() / 100.0).max(0.01);
    let [open, high, low, close] = logs.map(cents);
    Bar {
        symbol: symbol.clone(),
        start: span.start,
        end: span.end,
        timeframe: Timeframe::Hour,
        open,
        high,
        low,
        close,
        volume: match symbol.class() {
            AssetClass::UsEquity => volume.round(),
            AssetClass::Crypto => (volume * 1_000.0).round() / 1_000.0,
        },
        backfill: false,
    }
}

fn normal(draws: &mut ChaCha12Rng) -> f64 {
    StandardNormal.sample(draws)
}

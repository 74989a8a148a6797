//! When which story is told: the plan of the market, and the epidemic that each story is.

use chrono::TimeDelta;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Exp1};
use rawe_core::AssetClass;

use super::assets::{ASSETS, Asset};
use super::{Concern, ScenarioConfig, Story, StoryKind};

/// Contacts per adopter over its infectious time, least and most: how steeply a story takes off.
const REPRODUCTION: (f64, f64) = (2.2, 3.6);
/// The share that has heard the story at its start.
const FIRST_ADOPTERS: f64 = 0.015;
/// Hours after which a story's curve is cut; by then nearly nobody adopts it any more.
const CURVE_HOURS: usize = 240;
/// Effect of a dispute against that of a true story: it ends a little off.
const DISPUTE_SHARE: f64 = 0.35;
/// Share of a move without a story that comes at once, within [`PRICE_ONLY_HOURS`].
const PRICE_ONLY_JUMP: f64 = 0.6;
/// See [`PRICE_ONLY_JUMP`].
const PRICE_ONLY_HOURS: f64 = 6.0;
/// Hours in which 63% of the rest of such a move comes.
const PRICE_ONLY_DRIFT_HOURS: f64 = 48.0;

/// A story with the curves that news and prices are drawn from.
#[derive(Debug)]
pub(super) struct Plan {
    /// The truth; its items are counted when they are told.
    pub(super) story: Story,
    /// Place of the asset in [`ASSETS`].
    pub(super) asset: usize,
    /// Hours from the start of the history to the start of the story.
    pub(super) start_hour: usize,
    /// How many items will tell it, about; 0 for a move without a story.
    pub(super) items: f64,
    /// Share that has adopted by the end of each hour since the start, 0..1.
    pub(super) adopted: Vec<f64>,
}

impl Plan {
    /// Share that adopts in hour `hour` of the history.
    pub(super) fn adopting(&self, hour: usize) -> f64 {
        let Some(age) = hour.checked_sub(self.start_hour) else {
            return 0.0;
        };
        let Some(now) = self.adopted.get(age) else {
            return 0.0;
        };
        let before = age
            .checked_sub(1)
            .and_then(|age| self.adopted.get(age))
            .unwrap_or(&0.0);
        now - before
    }

    /// Share that had adopted `lag_hours` before the end of hour `hour`.
    pub(super) fn adopted_with_lag(&self, hour: usize) -> f64 {
        let age = hour as f64 - self.start_hour as f64 - self.story.lag_hours;
        if age < 0.0 {
            return 0.0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 or more"
        )]
        let place = age as usize;
        self.adopted
            .get(place)
            .or(self.adopted.last())
            .copied()
            .unwrap_or(0.0)
    }
}

/// Draws all stories, sorted by start, then symbol.
pub(super) fn plan(config: &ScenarioConfig) -> Vec<Plan> {
    let mut plans: Vec<Plan> = ASSETS
        .iter()
        .enumerate()
        .flat_map(|(index, asset)| plan_asset(config, index, asset))
        .collect();
    plans.sort_by(|a, b| (a.story.start, &a.story.asset).cmp(&(b.story.start, &b.story.asset)));
    for (plan, id) in plans.iter_mut().zip(1..) {
        plan.story.id = id;
    }
    plans
}

fn plan_asset(config: &ScenarioConfig, index: usize, asset: &Asset) -> Vec<Plan> {
    let mut draws = config.draws(Concern::Stories, index);
    let mut plans = Vec::new();
    let wait = |draws: &mut ChaCha12Rng| -> f64 {
        let beyond: f64 = Exp1.sample(draws);
        (config.story_rest_days.max(0.5) + config.story_interval_days.max(0.0) * beyond) * 24.0
    };
    // The first wait is shortened at random, so that not all assets start quiet.
    let mut hour = wait(&mut draws) * draws.random::<f64>();
    let hours = config.hours() as f64;
    let mut last_subject = asset.subjects.len();
    while hour < hours {
        let subject = (last_subject + 1 + draws.random_range(0..3)) % asset.subjects.len();
        last_subject = subject;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 or more"
        )]
        let start_hour = hour as usize;
        plans.extend(plan_story(
            config,
            (index, asset),
            subject,
            start_hour,
            &mut draws,
        ));
        hour += wait(&mut draws);
    }
    plans
}

fn plan_story(
    config: &ScenarioConfig,
    (index, asset): (usize, &Asset),
    subject: usize,
    start_hour: usize,
    draws: &mut ChaCha12Rng,
) -> Option<Plan> {
    let (kinds, effects) = match asset.class() {
        AssetClass::UsEquity => (config.stock_kinds, config.stock_effect),
        AssetClass::Crypto => (config.crypto_kinds, config.crypto_effect),
    };
    // Every draw is made for every kind, so that a changed frequency shifts as little as it can.
    let kind = pick_kind(kinds, draws.random());
    let effect = between(effects, draws.random()) * asset.daily_sigma;
    let coin: bool = draws.random();
    let lag_hours = between(config.lag_hours, draws.random()).max(0.0);
    let items = between(config.story_items, draws.random()).max(0.0);
    let half_hours = between(config.story_half_hours, draws.random()).max(1.0);
    let reproduction = between(REPRODUCTION, draws.random());
    let side = if coin { 1 } else { -1 };
    let sided = |size: f64| size * f64::from(side);
    let (tone, effect) = match kind {
        StoryKind::TruePositive => (1, effect),
        StoryKind::TrueNegative => (-1, -effect),
        StoryKind::False => (side, 0.0),
        StoryKind::PriceOnly => (0, sided(effect * 0.8)),
        StoryKind::Dispute => (0, sided(effect * DISPUTE_SHARE)),
    };
    let (items, lag_hours, adopted) = if kind == StoryKind::PriceOnly {
        (0.0, 0.0, price_only_curve())
    } else {
        (items, lag_hours, epidemic(reproduction, half_hours))
    };
    let start = config.history_start() + TimeDelta::hours(i64::try_from(start_hour).ok()?);
    let story = Story {
        id: 0,
        asset: asset.symbol()?,
        kind,
        subject: asset.subjects.get(subject)?.to_string(),
        start,
        lag_hours,
        tone,
        effect,
        items: 0,
    };
    Some(Plan {
        story,
        asset: index,
        start_hour,
        items,
        adopted,
    })
}

/// The kind at `place` (0..1) of the frequencies.
fn pick_kind(frequencies: [f64; 5], place: f64) -> StoryKind {
    let total: f64 = frequencies.iter().map(|f| f.max(0.0)).sum();
    let mut left = place * total;
    for (kind, frequency) in StoryKind::ALL.into_iter().zip(frequencies) {
        left -= frequency.max(0.0);
        if left < 0.0 {
            return kind;
        }
    }
    StoryKind::Dispute
}

fn between((least, most): (f64, f64), place: f64) -> f64 {
    least + (most - least).max(0.0) * place
}

/// Share adopted by the end of each hour of an SIR epidemic (Kermack and McKendrick), scaled so
/// that all who ever adopt are 1 and half of them have adopted after `half_hours`.
fn epidemic(reproduction: f64, half_hours: f64) -> Vec<f64> {
    // In units of the infectious time first; where half have adopted then sets the scale.
    let step = 0.01;
    let (mut susceptible, mut infected) = (1.0 - FIRST_ADOPTERS, FIRST_ADOPTERS);
    let mut course = Vec::new();
    for _ in 0..4_000 {
        let adopting = reproduction * susceptible * infected * step;
        susceptible -= adopting;
        infected += adopting - infected * step;
        course.push(1.0 - susceptible);
    }
    let last = course.last().copied().unwrap_or(1.0);
    let half = course
        .iter()
        .position(|share| *share >= last / 2.0)
        .unwrap_or(1)
        .max(1) as f64;
    (1..=CURVE_HOURS)
        .map(|hour| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small"
            )]
            let place = (hour as f64 / half_hours * half) as usize;
            course.get(place).copied().unwrap_or(last) / last
        })
        .collect()
}

/// Share of a move without a story that has come by the end of each hour.
fn price_only_curve() -> Vec<f64> {
    (1..=CURVE_HOURS)
        .map(|hour| {
            let hour = hour as f64;
            let jump = PRICE_ONLY_JUMP * (hour / PRICE_ONLY_HOURS).min(1.0);
            let later = (hour - PRICE_ONLY_HOURS).max(0.0);
            jump + (1.0 - PRICE_ONLY_JUMP) * (1.0 - (-later / PRICE_ONLY_DRIFT_HOURS).exp())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epidemic_rises_to_one_with_its_half_in_time() {
        for (reproduction, half_hours) in [(2.2, 18.0), (3.6, 48.0), (2.8, 30.0)] {
            let curve = epidemic(reproduction, half_hours);
            assert!(curve.windows(2).all(|pair| pair[0] <= pair[1]));
            assert!(curve.iter().all(|share| (0.0..=1.0).contains(share)));
            assert!(*curve.last().unwrap() > 0.99);
            let half = curve.iter().position(|share| *share >= 0.5).unwrap() as f64 + 1.0;
            assert!(
                (half - half_hours).abs() <= 1.0,
                "{half} against {half_hours}"
            );
        }
    }

    #[test]
    fn kinds_follow_their_frequencies() {
        assert_eq!(
            pick_kind([1.0, 0.0, 0.0, 0.0, 0.0], 0.99),
            StoryKind::TruePositive
        );
        assert_eq!(
            pick_kind([1.0, 1.0, 0.0, 0.0, 0.0], 0.51),
            StoryKind::TrueNegative
        );
        assert_eq!(
            pick_kind([0.0, 0.0, 0.0, 2.0, 0.0], 0.0),
            StoryKind::PriceOnly
        );
    }
}

//! The generated market: twenty assets, five months of hourly bars, and stories that spread like
//! epidemics, all drawn from one seed. Nothing here is real: prices, posts and headlines are made
//! up, and only the tickers are borrowed. What an asset's story did is recorded beside the data
//! ([`Scenario::stories`]), so that a run can be held against the truth.
//!
//! A story is told by new adopters of an SIR epidemic; the price answers the adopted share with a
//! lag, unless the story is false (nobody pays), or the price moves without a story, or the tellers
//! dispute. The same seed and configuration give the same bytes on every run.

mod assets;
mod chatter;
mod phrases;
mod prices;
mod stories;
mod wording;

use chrono::{DateTime, TimeDelta};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timestamp};
use serde::{Deserialize, Serialize};

/// The seed of the default scenario.
pub const DEFAULT_SEED: u64 = 7;
/// Midnight UTC of Monday 4 May 2026: where play starts, whatever today is. A Monday, so that
/// stocks open within hours and a first-time user need not sit through a weekend.
const PLAY_START_SECONDS: i64 = 1_777_852_800;

/// What the generated market is made of. Effects are in units of an asset's daily deviation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScenarioConfig {
    /// Seed of every draw.
    pub seed: u64,
    /// Days of history before play, at least 1.
    pub warmup_days: u32,
    /// Days played, at least 1.
    pub play_days: u32,
    /// Mean days between stories of an asset, beyond [`ScenarioConfig::story_rest_days`].
    pub story_interval_days: f64,
    /// Least days from the start of one story of an asset to the start of its next.
    pub story_rest_days: f64,
    /// Least and most items that tell a story.
    pub story_items: (f64, f64),
    /// Least and most hours after which half of a story's adopters have adopted.
    pub story_half_hours: (f64, f64),
    /// Share of a story's items that carry its tone; the others are neutral or oppose it.
    pub tone_purity: f64,
    /// Least and most final effect of a true story on a stock, in daily deviations.
    pub stock_effect: (f64, f64),
    /// The same for crypto.
    pub crypto_effect: (f64, f64),
    /// Least and most hours by which the price's target follows adoption.
    pub lag_hours: (f64, f64),
    /// Hours of open market in which a stock closes 63% of the way to its target.
    pub stock_answer_hours: f64,
    /// The same for crypto.
    pub crypto_answer_hours: f64,
    /// Relative frequency of the kinds of stories of stocks, in the order of [`StoryKind`].
    pub stock_kinds: [f64; 5],
    /// The same for crypto.
    pub crypto_kinds: [f64; 5],
    /// Neutral background items per day about one stock.
    pub stock_chatter_per_day: f64,
    /// Neutral background items per day about one crypto asset.
    pub crypto_chatter_per_day: f64,
}

impl Default for ScenarioConfig {
    fn default() -> Self {
        Self {
            seed: DEFAULT_SEED,
            warmup_days: 120,
            play_days: 30,
            story_interval_days: 9.0,
            story_rest_days: 7.0,
            story_items: (40.0, 120.0),
            story_half_hours: (18.0, 48.0),
            tone_purity: 0.8,
            stock_effect: (2.5, 4.5),
            crypto_effect: (2.0, 4.0),
            lag_hours: (8.0, 20.0),
            stock_answer_hours: 10.0,
            crypto_answer_hours: 30.0,
            stock_kinds: [0.36, 0.30, 0.12, 0.11, 0.11],
            crypto_kinds: [0.42, 0.22, 0.12, 0.12, 0.12],
            stock_chatter_per_day: 5.0,
            crypto_chatter_per_day: 24.0,
        }
    }
}

impl ScenarioConfig {
    /// The default market of another seed.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Where play starts: everything before is warm-up.
    pub fn play_start(&self) -> Timestamp {
        DateTime::from_timestamp(PLAY_START_SECONDS, 0).unwrap_or_default()
    }

    /// The first instant of the history.
    pub fn history_start(&self) -> Timestamp {
        self.play_start() - TimeDelta::days(i64::from(self.warmup_days.clamp(1, 3_650)))
    }

    /// The last instant.
    pub fn end(&self) -> Timestamp {
        self.play_start() + TimeDelta::days(i64::from(self.play_days.clamp(1, 3_650)))
    }

    /// Hours from the first to the last instant.
    fn hours(&self) -> usize {
        usize::try_from((self.end() - self.history_start()).num_hours()).unwrap_or(0)
    }

    /// Draws for one concern: concerns do not disturb each other when one is changed.
    fn draws(&self, concern: Concern, index: usize) -> ChaCha12Rng {
        let mut draws = ChaCha12Rng::seed_from_u64(self.seed);
        draws.set_stream(((concern as u64) << 32) | index as u64);
        draws
    }
}

/// What is drawn, each from its own stream of random numbers.
#[derive(Clone, Copy)]
enum Concern {
    Stories = 1,
    Market = 2,
    Prices = 3,
    Chatter = 4,
    Telling = 5,
}

/// What a story does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryKind {
    /// Told well, and the price follows up: `narrative_leads`, long.
    TruePositive,
    /// Told badly, and the price follows down: `narrative_leads`, short.
    TrueNegative,
    /// Told like a true one; the price does not care and the story fades.
    False,
    /// The price moves and nobody tells a story: `capital_leads`.
    PriceOnly,
    /// Told both ways at once; the price is restless and ends a little off: `divergence`.
    Dispute,
}

impl StoryKind {
    /// All kinds, in the order of the configured frequencies.
    const ALL: [Self; 5] = [
        Self::TruePositive,
        Self::TrueNegative,
        Self::False,
        Self::PriceOnly,
        Self::Dispute,
    ];
}

/// The truth about one story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Counts from 1 in order of start, then symbol.
    pub id: u32,
    /// The asset.
    pub asset: Symbol,
    /// What it does.
    pub kind: StoryKind,
    /// What it is about, in words.
    pub subject: String,
    /// When the first adopters tell it, or the price starts to move.
    pub start: Timestamp,
    /// By how many hours the price's target follows adoption.
    pub lag_hours: f64,
    /// Sign of its tone: 1, -1, or 0 for a dispute or a move without a story.
    pub tone: i8,
    /// What it finally adds to the logarithm of the price.
    pub effect: f64,
    /// How many items told it.
    pub items: u32,
}

/// A generated market.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was made from.
    pub config: ScenarioConfig,
    /// Its assets, sorted.
    pub symbols: Vec<Symbol>,
    /// Hourly bars of the whole range, sorted by end, then symbol. None is marked as backfill.
    pub bars: Vec<Bar>,
    /// Items of the whole range, sorted by first seen, then id. None is marked as backfill.
    pub news: Vec<NewsItem>,
    /// The truth, sorted by start.
    pub stories: Vec<Story>,
}

impl Scenario {
    /// Draws the market. About a second in a debug build, a tenth of it in a release build.
    pub fn generate(config: ScenarioConfig) -> Self {
        let plans = stories::plan(&config);
        let (news, told) = chatter::tell(&config, &plans);
        let bars = prices::simulate(&config, &plans);
        let mut symbols: Vec<Symbol> = assets::ASSETS
            .iter()
            .filter_map(assets::Asset::symbol)
            .collect();
        symbols.sort();
        let stories = plans
            .into_iter()
            .zip(told)
            .map(|(plan, items)| Story {
                items,
                ..plan.story
            })
            .collect();
        Self {
            config,
            symbols,
            bars,
            news,
            stories,
        }
    }

    /// The stories that move the price the way they are told, of one class.
    pub fn true_stories(&self, class: AssetClass) -> impl Iterator<Item = &Story> {
        self.stories.iter().filter(move |story| {
            matches!(
                story.kind,
                StoryKind::TruePositive | StoryKind::TrueNegative
            ) && story.asset.class() == class
        })
    }
}

#[cfg(test)]
#[path = "scenario/scenario_tests.rs"]
mod tests;

//! The items: each story told hour by hour by its new adopters, over a background of small talk
//! that gives every measure its usual value to stand out from.

use chrono::TimeDelta;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Poisson};
use rawe_core::{AssetClass, NewsItem, Register, Symbol, Timestamp};

use super::assets::{ASSETS, Asset};
use super::stories::Plan;
use super::wording::{Author, Tone, Wording, crowd, word, word_crypto_talk};
use super::{Concern, ScenarioConfig, StoryKind};

/// How many people post.
const CROWD: u32 = 600;
/// Share of small talk in a good and in a bad mood; the rest is neutral.
const MOODS: (f64, f64) = (0.20, 0.16);
/// Share of a crowd's items of a story that repeat an earlier one.
const REPOSTS: f64 = 0.18;
/// Share of items whose source names no asset, although the text does.
const UNTAGGED: f64 = 0.04;
/// Share of small talk that names a second asset.
const PAIRED: f64 = 0.06;
/// Untagged items per day on the crypto board.
const CRYPTO_TALK_PER_DAY: f64 = 10.0;
/// Seconds from publication until a feed sees an item, at most.
const SIGHT_SECONDS_MAX: i64 = 25;
/// How busy each hour of the day (UTC) is for people in America, against the mean.
const BUSY: [f64; 24] = [
    1.05, 0.95, 0.85, 0.70, 0.55, 0.45, 0.40, 0.40, 0.45, 0.55, 0.75, 1.00, 1.25, 1.50, 1.65, 1.60,
    1.50, 1.45, 1.45, 1.50, 1.45, 1.30, 1.15, 1.10,
];

/// An item before all are in order and have ids.
struct Draft {
    published: Timestamp,
    first_seen: Timestamp,
    wording: Wording,
    author: Option<Author>,
    symbols: Vec<Symbol>,
    /// Place of the repeated item among the drafts.
    repeats: Option<usize>,
}

/// Draws all items, sorted by first seen, then id; and how many told each story.
pub(super) fn tell(config: &ScenarioConfig, plans: &[Plan]) -> (Vec<NewsItem>, Vec<u32>) {
    let crowd = crowd(&mut config.draws(Concern::Chatter, usize::MAX >> 40), CROWD);
    let mut drafts = Vec::new();
    for (index, asset) in ASSETS.iter().enumerate() {
        let per_day = match asset.class() {
            AssetClass::UsEquity => config.stock_chatter_per_day,
            AssetClass::Crypto => config.crypto_chatter_per_day,
        };
        let mut teller = Teller {
            config,
            crowd: &crowd,
            draws: config.draws(Concern::Chatter, index),
        };
        teller.small_talk(Some(asset), per_day, &mut drafts);
    }
    let draws = config.draws(Concern::Chatter, ASSETS.len());
    Teller {
        config,
        crowd: &crowd,
        draws,
    }
    .small_talk(None, CRYPTO_TALK_PER_DAY, &mut drafts);
    let mut told = Vec::with_capacity(plans.len());
    for (index, plan) in plans.iter().enumerate() {
        let draws = config.draws(Concern::Telling, index);
        let before = drafts.len();
        Teller {
            config,
            crowd: &crowd,
            draws,
        }
        .story(plan, &mut drafts);
        told.push(u32::try_from(drafts.len() - before).unwrap_or(u32::MAX));
    }
    (in_order(config, drafts), told)
}

/// One flow of items, with its own draws.
struct Teller<'a> {
    config: &'a ScenarioConfig,
    crowd: &'a [Author],
    draws: ChaCha12Rng,
}

impl Teller<'_> {
    /// How many items fall into an hour, at a mean of `mean` an hour.
    fn count(&mut self, mean: f64) -> u32 {
        let count = Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.draws));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small"
        )]
        let count = count as u32;
        count
    }

    /// A random instant of an hour, and when the feed saw what was published then.
    fn instant(&mut self, hour: usize) -> (Timestamp, Timestamp) {
        let hours = i64::try_from(hour).unwrap_or(0);
        let seconds = self.draws.random_range(0..3_600 - SIGHT_SECONDS_MAX);
        let published =
            self.config.history_start() + TimeDelta::hours(hours) + TimeDelta::seconds(seconds);
        let seen = TimeDelta::seconds(self.draws.random_range(1..SIGHT_SECONDS_MAX));
        (published, published + seen)
    }

    fn author(&mut self, source: &str) -> Option<Author> {
        if crate::register_of(source) == Register::News {
            return None;
        }
        // A few people post most of what is posted.
        let place = self.draws.random::<f64>().powi(2) * self.crowd.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0..1 scaled"
        )]
        self.crowd.get(place as usize).cloned()
    }

    /// The background: about an asset, or the crypto board's own.
    fn small_talk(&mut self, asset: Option<&Asset>, per_day: f64, drafts: &mut Vec<Draft>) {
        let weekend = match asset.map(Asset::class) {
            Some(AssetClass::UsEquity) => 0.45,
            _ => 0.85,
        };
        for hour in 0..self.config.hours() {
            let quiet = if self.is_weekend(hour) { weekend } else { 1.0 };
            let mean = per_day / 24.0 * BUSY.get(hour % 24).unwrap_or(&1.0) * quiet;
            for _ in 0..self.count(mean) {
                let place: f64 = self.draws.random();
                let tone = if place < MOODS.0 {
                    Tone::Positive
                } else if place < MOODS.0 + MOODS.1 {
                    Tone::Negative
                } else {
                    Tone::Neutral
                };
                let wording = match asset {
                    Some(asset) => word(&mut self.draws, asset, None, tone),
                    None => word_crypto_talk(&mut self.draws),
                };
                let symbols = self.symbols(asset);
                drafts.push(self.draft(hour, wording, symbols));
            }
        }
    }

    fn is_weekend(&self, hour: usize) -> bool {
        let hours = TimeDelta::hours(i64::try_from(hour).unwrap_or(0));
        rawe_core::calendar::is_weekend(self.config.history_start() + hours)
    }

    /// The asset's symbol, rarely none, sometimes with a second asset of the class.
    fn symbols(&mut self, asset: Option<&Asset>) -> Vec<Symbol> {
        let untagged = self.draws.random_bool(UNTAGGED);
        let paired = self.draws.random_bool(PAIRED);
        let other = self.draws.random_range(0..ASSETS.len());
        let Some(asset) = asset.filter(|_| !untagged) else {
            return Vec::new();
        };
        let second = ASSETS.get(other).filter(|second| {
            paired && second.class() == asset.class() && second.ticker != asset.ticker
        });
        [Some(asset), second]
            .into_iter()
            .flatten()
            .filter_map(Asset::symbol)
            .collect()
    }

    fn draft(&mut self, hour: usize, wording: Wording, symbols: Vec<Symbol>) -> Draft {
        let (published, first_seen) = self.instant(hour);
        let author = self.author(wording.source);
        Draft {
            published,
            first_seen,
            wording,
            author,
            symbols,
            repeats: None,
        }
    }

    /// One story, from its first adopters to its last.
    fn story(&mut self, plan: &Plan, drafts: &mut Vec<Draft>) {
        let Some(asset) = ASSETS.get(plan.asset) else {
            return;
        };
        let last_hour = (plan.start_hour + plan.adopted.len()).min(self.config.hours());
        let mut hour_starts_at = drafts.len();
        let first = drafts.len();
        for hour in plan.start_hour..last_hour {
            let busy = BUSY.get(hour % 24).unwrap_or(&1.0);
            for _ in 0..self.count(plan.items * plan.adopting(hour) * busy) {
                let draft = match self.repeated(drafts, first, hour_starts_at, hour) {
                    Some(repost) => repost,
                    None => self.original(plan, asset, hour),
                };
                drafts.push(draft);
            }
            hour_starts_at = drafts.len();
        }
    }

    fn original(&mut self, plan: &Plan, asset: &Asset, hour: usize) -> Draft {
        let tone = self.tone(plan);
        let wording = word(&mut self.draws, asset, Some(&plan.story.subject), tone);
        let untagged = self.draws.random_bool(UNTAGGED);
        let symbols = asset.symbol().into_iter().filter(|_| !untagged).collect();
        self.draft(hour, wording, symbols)
    }

    fn tone(&mut self, plan: &Plan) -> Tone {
        let place: f64 = self.draws.random();
        let (with, against) = match plan.story.tone {
            tone if tone < 0 => (Tone::Negative, Tone::Positive),
            _ => (Tone::Positive, Tone::Negative),
        };
        // A dispute has two sides of nearly the same size.
        let purity = match plan.story.kind {
            StoryKind::Dispute => 0.47,
            _ => self.config.tone_purity,
        };
        let opposed = match plan.story.kind {
            StoryKind::Dispute => 0.45,
            _ => 0.06,
        };
        if place < purity {
            with
        } else if place < purity + opposed {
            against
        } else {
            Tone::Neutral
        }
    }

    /// Perhaps a repost of an item that told the story in an earlier hour.
    fn repeated(
        &mut self,
        drafts: &[Draft],
        first: usize,
        before: usize,
        hour: usize,
    ) -> Option<Draft> {
        if first == before || !self.draws.random_bool(REPOSTS) {
            return None;
        }
        let place = self.draws.random_range(first..before);
        let original = drafts.get(place)?;
        let author = original.author.as_ref()?;
        let said = if original.wording.text.is_empty() || !original.wording.headline.is_empty() {
            &original.wording.headline
        } else {
            &original.wording.text
        };
        let wording = Wording {
            source: "twitter/sim",
            headline: String::new(),
            text: format!("RT @{}: {said}", author.name),
        };
        let symbols = original.symbols.clone();
        let mut draft = self.draft(hour, wording, symbols);
        draft.repeats = Some(place);
        Some(draft)
    }
}

/// Sorts the drafts and gives them ids in that order.
fn in_order(config: &ScenarioConfig, drafts: Vec<Draft>) -> Vec<NewsItem> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|place| drafts.get(*place).map(|draft| (draft.first_seen, *place)));
    let mut ids = vec![String::new(); drafts.len()];
    for (number, place) in order.iter().enumerate() {
        if let Some(id) = ids.get_mut(*place) {
            *id = format!("sim{}-{number:06}", config.seed);
        }
    }
    let mut items: Vec<NewsItem> = drafts
        .into_iter()
        .zip(&ids)
        .map(|(draft, id)| NewsItem {
            id: id.clone(),
            published: draft.published,
            first_seen: draft.first_seen,
            source: draft.wording.source.to_owned(),
            register: crate::register_of(draft.wording.source),
            author: draft.author.as_ref().map(|author| author.name.clone()),
            followers: draft.author.as_ref().map(|author| author.followers),
            repost_of: draft.repeats.and_then(|place| ids.get(place).cloned()),
            trust_percent: None,
            symbols: draft.symbols,
            headline: draft.wording.headline,
            text: draft.wording.text,
            backfill: false,
        })
        .collect();
    items.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    items
}

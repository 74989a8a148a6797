//! The engine: items and bars in, effects and features out. It holds the parts together and
//! decides which stream an item belongs to; each part's arithmetic is in its own module.

#[cfg(test)]
mod limits;
mod questions;
mod snapshot;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use rawe_core::{AssetClass, Bar, NewsItem, Register, Symbol, Timestamp};

use crate::asset::{AssetState, StreamScan, utc_minute};
use crate::clustering::narrative::{LINK_HALF_LIFE_HOURS, Narrative, TONE_HALF_LIFE_HOURS};
use crate::clustering::{Clusterer, Incoming};
use crate::decay::{Decayed, MARKET_WIDE, Said, Stream};
use crate::delivery::Delivered;
use crate::demand::FeatureDemand;
use crate::effects::NarrativeEffect;
use crate::features::{AssetFeatures, FeatureSnapshot, NarrativeBrief};
use crate::hash::FastMap;
use crate::linking::{LINKS_MAX, LinkBuffer, Mention, Universe};
use crate::plan::Plan;
use crate::seasonal::{Cadence, Seasonal};
use crate::stages::{Stage, Watch};
use crate::tokens::Tokens;
use crate::tone::{SentimentModel, SentimentText, ToneScorer, bounded};
use crate::voices::{Budgets, CRYPTO_MARKET, Heard};
use crate::volatility::{VolatilityBook, VolatilityScore, speaks_of_results};

/// A narrative weighs on an asset if an item linked to it came in this time, hours.
const BRIEF_HOURS: i64 = 48;
/// NVX = 50 + this × mean z(I).
const NVX_SLOPE: f64 = 12.5;
/// Times outside are clamped: far from every market, near enough to compute with.
const EARLIEST_SECONDS: i64 = 0;
/// The first second of the year 2200.
const LATEST_SECONDS: i64 = 7_258_118_400;

/// What may be set. The constants of the method are not among it: they were measured together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// The most assets kept; items and bars of further ones are passed over.
    pub assets_max: usize,
    /// The names by which texts speak of assets.
    pub universe: Arc<Universe>,
    /// Whether what one voice, or a handful of new ones, may add is limited. Without limits the
    /// engine can be led by anybody with a second account: for measurements only.
    pub voice_limits: bool,
    /// Which features are asked for; the seasonal pasts of these are kept, and no others.
    pub features: FeatureDemand,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            assets_max: 2_000,
            universe: Universe::shipped(),
            voice_limits: true,
            features: FeatureDemand::default(),
        }
    }
}

/// The narrative volatility engine.
#[derive(Clone, Debug)]
pub struct NarrativeEngine {
    config: EngineConfig,
    assets: Vec<AssetState>,
    numbers: FastMap<Symbol, u32>,
    /// Asset numbers sorted by symbol.
    sorted: Vec<u32>,
    crypto_market: Stream,
    crypto_seasonal: Seasonal,
    plan: Plan,
    market_scan: StreamScan,
    own_scan: StreamScan,
    clusterer: Clusterer,
    scorer: ToneScorer,
    /// What scores in place of the lexicon.
    sentiment: Option<Arc<dyn SentimentModel>>,
    tokens: Tokens,
    links: LinkBuffer,
    weights: Vec<(u32, f64)>,
    delivered: Delivered,
    volatility: VolatilityBook,
    budgets: Budgets,
}

impl NarrativeEngine {
    /// An engine that has seen nothing.
    pub fn new(config: EngineConfig) -> Self {
        let plan = Plan::from(config.features.clone());
        Self {
            assets: Vec::new(),
            numbers: FastMap::default(),
            sorted: Vec::new(),
            crypto_market: Stream::new(MARKET_WIDE, &plan.crypto_market),
            crypto_seasonal: Seasonal::default(),
            plan,
            config,
            market_scan: StreamScan::default(),
            own_scan: StreamScan::default(),
            clusterer: Clusterer::new(),
            scorer: ToneScorer::default(),
            sentiment: None,
            tokens: Tokens::default(),
            links: LinkBuffer::default(),
            weights: Vec::new(),
            delivered: Delivered::default(),
            volatility: VolatilityBook::default(),
            budgets: Budgets::new(),
        }
    }

    /// The same engine with another model of tone than the lexicon.
    #[must_use]
    pub fn with_sentiment(mut self, model: Arc<dyn SentimentModel>) -> Self {
        self.sentiment = Some(model);
        self
    }

    /// Takes an item in at its `first_seen`. Items come in time order; a late one counts as if it
    /// came with the newest, and one delivered twice counts once. Long texts are read up to 4,000
    /// bytes, symbols up to 32.
    pub fn apply_item(&mut self, item: &NewsItem) -> Vec<NarrativeEffect> {
        self.apply_item_watched(item, &mut ())
    }

    /// As [`Self::apply_item`], and tells `watch` when each stage of it is over.
    pub fn apply_item_watched<W: Watch>(
        &mut self,
        item: &NewsItem,
        watch: &mut W,
    ) -> Vec<NarrativeEffect> {
        if !self.delivered.is_new(item) {
            return Vec::new();
        }
        let at = sensible(item.first_seen);
        self.tokens.read(&item.headline, &item.text);
        watch.over(Stage::Tokens);
        let tone = self.tone(item);
        watch.over(Stage::Tone);
        self.link(item);
        watch.over(Stage::Links);
        self.add_to_streams(at, item, tone);
        watch.over(Stage::State);
        let mut effects = Vec::new();
        let incoming = Incoming {
            at,
            item,
            tokens: &self.tokens,
            tone,
            links: &self.weights,
        };
        self.clusterer.add(&incoming, &mut effects);
        self.name_assets(&mut effects);
        watch.over(Stage::Clustering);
        effects
    }

    /// Adds the linked item to the streams of the market and of its assets.
    fn add_to_streams(&mut self, at: Timestamp, item: &NewsItem, tone: f64) {
        let voice = self.hear(at, item);
        let even = 1.0 / (self.links.symbols().len().max(1) as f64).sqrt();
        let tagged_crypto = self
            .links
            .symbols()
            .iter()
            .any(|s| s.class() == AssetClass::Crypto);
        if tagged_crypto || (item.symbols.is_empty() && item.is_crypto_source()) {
            let (weight, share) = voice.weigh(&mut self.budgets, at, CRYPTO_MARKET);
            let said = Said { tone, share };
            self.crypto_market
                .add_part(&self.plan.crypto_market, at, weight, said);
        }
        self.weights.clear();
        for symbol in self.links.symbols() {
            let Some(number) = self.numbers.get(symbol).copied() else {
                continue;
            };
            let own_tone = self.tone_for(symbol, item).unwrap_or(tone);
            if let Some(asset) = self.assets.get_mut(number as usize) {
                let (weight, share) = voice.weigh(&mut self.budgets, at, number);
                let said = Said {
                    tone: own_tone,
                    share,
                };
                asset.add(&self.plan, at, even * weight, said);
            }
            self.weights.push((number, even));
        }
        if speaks_of_results(&self.tokens) {
            for (number, weight) in &self.weights {
                self.volatility.hear(*number, at, *weight);
            }
        }
    }

    /// The tone of the whole item, whose tokens have been read.
    fn tone(&mut self, item: &NewsItem) -> f64 {
        match &self.sentiment {
            None => self.scorer.score(&self.tokens, item.register),
            Some(model) => bounded(model.score(&SentimentText {
                headline: &item.headline,
                text: &item.text,
                register: item.register,
            })),
        }
    }

    /// The tone for one asset of the item scored last, where it names several: that of the clauses
    /// which name this one. `None` if it is the tone of the whole.
    fn tone_for(&self, symbol: &Symbol, item: &NewsItem) -> Option<f64> {
        if self.links.symbols().len() < 2 || item.register == Register::Social {
            return None;
        }
        let mentions = self.links.mentions().iter();
        let mut ranges = mentions
            .filter(|mention| mention.symbol == *symbol)
            .filter_map(Mention::range);
        let Some(model) = &self.sentiment else {
            return self.scorer.score_at(&self.tokens, item.register, ranges);
        };
        let text = SentimentText {
            headline: &item.headline,
            text: &item.text,
            register: item.register,
        };
        Some(bounded(model.score_at(&text, ranges.next()?)))
    }

    /// Who speaks in the item whose tokens have been read.
    fn hear(&mut self, at: Timestamp, item: &NewsItem) -> Heard {
        if self.config.voice_limits {
            self.budgets.hear(at, item, &self.tokens)
        } else {
            Heard::unlimited()
        }
    }

    /// Fills `self.links`; assets given by a source become known by that.
    fn link(&mut self, item: &NewsItem) {
        for symbol in item.symbols.iter().take(LINKS_MAX) {
            self.number(symbol);
        }
        let numbers = &self.numbers;
        let known = |symbol: &Symbol| numbers.contains_key(symbol);
        self.config.universe.link(item, known, &mut self.links);
        self.links.retain(|symbol| numbers.contains_key(symbol));
    }

    /// The asset's number, given at first sight; `None` when there are too many assets.
    fn number(&mut self, symbol: &Symbol) -> Option<u32> {
        if let Some(number) = self.numbers.get(symbol) {
            return Some(*number);
        }
        if self.assets.len() >= self.config.assets_max {
            return None;
        }
        let number = u32::try_from(self.assets.len()).ok()?;
        let assets = &self.assets;
        let by_symbol = |n: &u32| assets.get(*n as usize).map(|asset| &asset.symbol);
        let place = self.sorted.partition_point(|n| by_symbol(n) < Some(symbol));
        self.sorted.insert(place, number);
        self.numbers.insert(symbol.clone(), number);
        self.assets
            .push(AssetState::new(symbol.clone(), &self.plan));
        Some(number)
    }

    fn name_assets(&self, effects: &mut [NarrativeEffect]) {
        for effect in effects {
            if let NarrativeEffect::Risen { assets, at, .. } = effect
                && let Some(narrative) = self.clusterer.last()
            {
                *assets = self
                    .assets_of(narrative, *at)
                    .into_iter()
                    .map(|(s, _)| s)
                    .collect();
            }
        }
    }

    /// The assets of a narrative with their decayed weights, heaviest first.
    fn assets_of(&self, narrative: &Narrative, at: Timestamp) -> Vec<(Symbol, f64)> {
        let mut assets: Vec<(Symbol, f64)> = narrative
            .links
            .iter()
            .filter_map(|(number, sum)| {
                let asset = self.assets.get(*number as usize)?;
                Some((asset.symbol.clone(), sum.read(at, LINK_HALF_LIFE_HOURS).n))
            })
            .collect();
        assets.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        assets
    }

    /// Takes a bar in, which may be used from its `end`. Bars that are not sane are passed over.
    pub fn apply_bar(&mut self, bar: &Bar) {
        if !bar.is_sane() || sensible(bar.end) != bar.end {
            return;
        }
        let Some(number) = self.number(&bar.symbol) else {
            return;
        };
        if let Some(asset) = self.assets.get_mut(number as usize) {
            asset.apply_bar(bar);
        }
        self.volatility.apply_bar(number, bar);
    }

    /// The features of all assets of `class` with a bar so far. Every scan becomes an observation
    /// of the seasonal past, so this is called exactly once per grid instant and class.
    pub fn scan(&mut self, instant: Timestamp, class: AssetClass) -> FeatureSnapshot {
        let at = sensible(instant);
        let market = match class {
            AssetClass::Crypto => {
                self.market_scan.take(
                    &self.plan.crypto_market,
                    &self.crypto_market,
                    &mut self.crypto_seasonal,
                    (at, Cadence::Intraday(utc_minute(at))),
                );
                Some(&self.market_scan)
            }
            AssetClass::UsEquity => None,
        };
        self.clusterer.forget_voices(at);
        let mut briefs = self.briefs(at, class);
        let scanned_numbers = self.members(class);
        self.volatility.scan(class, at, &scanned_numbers);
        let mut scanned: Vec<(Symbol, AssetFeatures)> = Vec::new();
        for number in &self.sorted {
            let Some(asset) = self.assets.get_mut(*number as usize) else {
                continue;
            };
            if asset.symbol.class() != class || !asset.has_bar() {
                continue;
            }
            let mut features = asset.scan(at, &self.plan, market, &mut self.own_scan);
            features.narrative = briefs.remove(number);
            let range = self.volatility.read(class, at, *number);
            features.range_har = range.har;
            features.range_forecast = range.narrative;
            features.sigma_har_annual = range.sigma_annual;
            scanned.push((asset.symbol.clone(), features));
        }
        FeatureSnapshot {
            instant,
            nvx: self.nvx(),
            assets: scanned,
        }
    }

    /// The numbers of the assets of `class` with a bar so far, sorted by symbol.
    fn members(&self, class: AssetClass) -> Vec<u32> {
        let with_bar = |number: &u32| {
            let asset = self.assets.get(*number as usize);
            asset.is_some_and(|a| a.symbol.class() == class && a.has_bar())
        };
        self.sorted.iter().copied().filter(with_bar).collect()
    }

    /// How the range forecasts of `class` have done so far, against HAR and a plain mean.
    pub fn volatility_score(&self, class: AssetClass) -> VolatilityScore {
        self.volatility.score(class)
    }

    /// The narrative of each asset of `class` that weighs most on it: the decayed weight of its items
    /// about the asset, times the asset's share of the narrative. Without the share a cluster of
    /// small talk about everything would be named as the story of every asset.
    fn briefs(&self, at: Timestamp, class: AssetClass) -> FastMap<u32, NarrativeBrief> {
        let mut best: FastMap<u32, (f64, &Narrative)> = FastMap::default();
        let oldest = at - TimeDelta::hours(BRIEF_HOURS);
        for narrative in self.clusterer.live(at).filter(|n| n.is_tellable(oldest)) {
            let weight_at = |(_, sum): &(u32, Decayed)| sum.read(at, LINK_HALF_LIFE_HOURS).n;
            let weights: Vec<f64> = narrative.links.iter().map(weight_at).collect();
            let total: f64 = weights.iter().sum();
            for ((number, sum), weight) in narrative.links.iter().zip(&weights) {
                let asset = self.assets.get(*number as usize);
                let fits = asset.is_some_and(|a| a.symbol.class() == class && a.has_bar());
                if !fits || sum.last().is_none_or(|last| last < oldest) {
                    continue;
                }
                let weight = weight.powi(2) / total.max(f64::MIN_POSITIVE);
                let heavier = best.get(number).is_none_or(|(most, known)| {
                    let order = weight.total_cmp(most);
                    order.then(known.sequence.cmp(&narrative.sequence)).is_gt()
                });
                if heavier {
                    best.insert(*number, (weight, narrative));
                }
            }
        }
        best.into_iter()
            .map(|(number, (_, n))| (number, self.brief(n, at)))
            .collect()
    }

    fn brief(&self, narrative: &Narrative, at: Timestamp) -> NarrativeBrief {
        NarrativeBrief {
            id: narrative.id.to_string(),
            name: narrative.name(self.clusterer.vocabulary()),
            headline: narrative.headline().to_owned(),
            rating: narrative.rating().to_string(),
            coherence: narrative.coherence(),
            entropy: narrative.entropy(),
            tone: narrative.tone.read(at, TONE_HALF_LIFE_HOURS).tone(0.5),
            items: narrative.items,
            belief_penetration: self.belief(narrative, at),
            item_ids: narrative.newest().map(str::to_owned).collect(),
        }
    }

    /// Share of the voices active in 72 h who told it.
    fn belief(&self, narrative: &Narrative, at: Timestamp) -> f64 {
        let everybody = self.clusterer.voices().active().max(1) as f64;
        (narrative.tellers.active(at) as f64 / everybody).clamp(0.0, 1.0)
    }
}

/// Clamps a time to the range the arithmetic is made for.
fn sensible(at: Timestamp) -> Timestamp {
    let seconds = at.timestamp().clamp(EARLIEST_SECONDS, LATEST_SECONDS);
    if seconds == at.timestamp() {
        at
    } else {
        DateTime::from_timestamp(seconds, 0).unwrap_or(at)
    }
}

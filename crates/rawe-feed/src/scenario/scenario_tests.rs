//! Tests of the generated market: the same bytes for the same seed, sane data, and stories that do
//! to prices what their record says.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use rawe_core::Timeframe;

fn market() -> &'static Scenario {
    static MARKET: std::sync::OnceLock<Scenario> = std::sync::OnceLock::new();
    MARKET.get_or_init(|| Scenario::generate(ScenarioConfig::default()))
}

/// FNV-1a over the JSON of everything: short, stable, and enough to notice a changed byte.
fn fingerprint(scenario: &Scenario) -> u64 {
    let parts = [
        serde_json::to_vec(&scenario.bars),
        serde_json::to_vec(&scenario.news),
        serde_json::to_vec(&scenario.stories),
    ];
    let bytes = parts.into_iter().flat_map(Result::unwrap);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn one_seed_is_one_market() {
    let short = |seed| {
        let config = ScenarioConfig {
            warmup_days: 10,
            play_days: 2,
            ..ScenarioConfig::with_seed(seed)
        };
        fingerprint(&Scenario::generate(config))
    };
    assert_eq!(short(7), short(7));
    // Whoever changes the generated market on purpose writes the new number here.
    assert_eq!(short(7), 3_092_306_720_553_986_312);
    assert_ne!(short(7), short(8));
}

#[test]
fn bars_are_sane_complete_and_in_order() {
    let market = market();
    assert_eq!(market.symbols.len(), 20);
    let crypto_bars = market
        .bars
        .iter()
        .filter(|b| b.symbol.class() == AssetClass::Crypto);
    assert_eq!(crypto_bars.count(), 2 * 150 * 24);
    assert!(
        market
            .bars
            .iter()
            .all(|bar| bar.is_sane() && bar.timeframe == Timeframe::Hour)
    );
    let keys: Vec<_> = market
        .bars
        .iter()
        .map(|bar| (bar.end, &bar.symbol))
        .collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(market.bars.iter().all(|bar| bar.end <= market.config.end()));
    assert!(
        market
            .bars
            .iter()
            .all(|bar| bar.start >= market.config.history_start())
    );
}

#[test]
fn items_are_whole_and_in_order() {
    let market = market();
    let mut seen = BTreeSet::new();
    let mut last = Timestamp::MIN_UTC;
    for item in &market.news {
        assert!(
            last <= item.first_seen && item.published < item.first_seen,
            "{item:?}"
        );
        assert!(!item.headline.is_empty() || !item.text.is_empty());
        let words = format!("{} {}", item.headline, item.text);
        assert!(!words.contains(['{', '}']), "{words}");
        if let Some(original) = &item.repost_of {
            assert!(seen.contains(original), "{item:?} repeats the future");
        }
        assert!(seen.insert(item.id.clone()));
        last = item.first_seen;
    }
    assert!(
        (20_000..60_000).contains(&market.news.len()),
        "{}",
        market.news.len()
    );
    assert!(last < market.config.end());
}

#[test]
fn every_kind_of_story_is_played_in_both_classes() {
    let market = market();
    let kinds = |crypto: bool| -> BTreeSet<StoryKind> {
        let of_class = market
            .stories
            .iter()
            .filter(|s| s.asset.as_str().contains('/') == crypto);
        of_class.map(|story| story.kind).collect()
    };
    assert_eq!(kinds(false).len(), 5);
    assert!(kinds(true).len() >= 4, "{:?}", kinds(true));
    let played = market
        .stories
        .iter()
        .filter(|s| s.start >= market.config.play_start())
        .count();
    assert!(played >= 20, "{played} stories are played");
    let told = |s: &&Story| s.kind != StoryKind::PriceOnly && s.start < market.config.play_start();
    assert!(
        market
            .stories
            .iter()
            .filter(told)
            .all(|s| (15..250).contains(&s.items))
    );
}

/// Log return of an asset from the start of a story to ten days later.
fn answer(story: &Story, closes: &BTreeMap<(Symbol, Timestamp), f64>) -> Option<f64> {
    let at = |time: Timestamp| {
        let key = (story.asset.clone(), time);
        let (found, close) = closes.range(..=key).next_back()?;
        (found.0 == story.asset).then_some(close.ln())
    };
    Some(at(story.start + TimeDelta::days(10))? - at(story.start)?)
}

#[test]
fn prices_answer_true_stories_and_not_false_ones() {
    let market = market();
    let closes: BTreeMap<_, _> = market
        .bars
        .iter()
        .map(|bar| ((bar.symbol.clone(), bar.end), bar.close))
        .collect();
    let mean = |kind: StoryKind, sign: fn(&Story) -> f64| {
        let of_kind = market.stories.iter().filter(|story| story.kind == kind);
        let answers: Vec<f64> = of_kind
            .filter_map(|story| Some(sign(story) * answer(story, &closes)?))
            .collect();
        answers.iter().sum::<f64>() / answers.len() as f64
    };
    let toned = |story: &Story| f64::from(story.tone);
    let directed = |story: &Story| story.effect.signum();
    let positive = mean(StoryKind::TruePositive, toned);
    let negative = mean(StoryKind::TrueNegative, toned);
    let unpaid = mean(StoryKind::False, toned);
    let price_only = mean(StoryKind::PriceOnly, directed);
    assert!(positive > 0.03 && negative > 0.03, "{positive} {negative}");
    assert!(unpaid.abs() < positive / 2.0, "{unpaid}");
    assert!(price_only > 0.02, "{price_only}");
}

#[test]
fn changing_a_story_setting_leaves_the_noise_alone() {
    let calm = ScenarioConfig {
        stock_effect: (0.0, 0.0),
        ..ScenarioConfig::default()
    };
    let calm = Scenario::generate(calm);
    let same = calm
        .bars
        .iter()
        .zip(&market().bars)
        .filter(|(a, b)| a.volume.eq(&b.volume));
    assert_eq!(same.count(), calm.bars.len());
    assert_eq!(calm.news, market().news);
}

#[test]
fn small_markets_and_odd_settings_are_possible() {
    let config = ScenarioConfig {
        warmup_days: 0,
        play_days: 0,
        story_items: (0.0, 0.0),
        stock_kinds: [0.0; 5],
        stock_answer_hours: 0.0,
        stock_chatter_per_day: -1.0,
        ..ScenarioConfig::default()
    };
    let market = Scenario::generate(config);
    assert!(market.bars.iter().all(Bar::is_sane));
    assert_eq!(
        market.config.end() - market.config.history_start(),
        TimeDelta::days(2)
    );
}

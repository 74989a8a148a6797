//! The five experts equal their formulas.
//!
//! The formulas are evaluated here a second time, by arrays over the whole history instead of
//! states: every exponential mean is a plain weighted sum over all hours so far. The data are
//! generated: a hundred and some days of hourly BTC/USD and ETH/USD bars with posts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

mod offline;

use std::sync::Arc;

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_agent::{
    Agent, CollectiveRules, Expert, Profile, ScanResult, Voter, VoterConfig, vote_of,
};
use rawe_core::{
    AssetClass, Bar, BootId, Direction, IdentitySource, NewsItem, Register, Symbol, Timeframe,
    Timestamp,
};
use rawe_narrative::{AssetFeatures, EngineConfig, FeatureDemand, NarrativeEngine};

use crate::offline::{clip, offline};

fn hour(n: usize) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(i64::try_from(n).unwrap())
}

/// A small linear congruential generator: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    /// The next number, uniform in 0..1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal, mean 0, deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// A random walk of features with occasional holes: wider than any market.
fn random_features(seed: u64, hours: usize) -> Vec<AssetFeatures> {
    let mut numbers = Numbers(seed);
    let demand = Arc::new(FeatureDemand::measured());
    assert_eq!(demand.features().len(), 13);
    let mut levels = [0.0_f64; 13];
    (0..hours)
        .map(|n| {
            for level in &mut levels {
                *level = clip(*level * 0.97 + 0.4 * numbers.normal(), 4.0);
            }
            let mut next = levels.iter().copied();
            let hole = numbers.next() < 0.01 || n < 24;
            let block = || next.next().filter(|_| !hole);
            let mut features = AssetFeatures {
                return_in_sigmas: Some(numbers.normal()),
                ..AssetFeatures::default()
            };
            features.values = std::iter::repeat_with(block).take(13).collect();
            features.demand = Arc::clone(&demand);
            features
        })
        .collect()
}

fn assert_equal(online: Option<f64>, offline: Option<f64>, what: &str) {
    match (online, offline) {
        (None, None) => {}
        (Some(online), Some(offline)) => {
            assert!(
                (online - offline).abs() < 1e-12,
                "{what}: {online} but offline {offline}"
            );
        }
        _ => panic!("{what}: {online:?} but offline {offline:?}"),
    }
}

#[test]
fn experts_equal_the_formulas_on_random_features_with_holes() {
    let features = random_features(7, 1_800);
    let expected = offline(&features);
    for (agent, profile) in Profile::founding().unwrap().iter().enumerate() {
        let mut expert = Expert::new(profile);
        let (mut spoke, mut voted) = (0, 0);
        for (n, now) in features.iter().enumerate() {
            let online = expert.evaluate(hour(n), now, 50.0);
            assert_equal(
                online,
                expected[n][agent],
                &format!("{} hour {n}", profile.id),
            );
            spoke += usize::from(online.is_some());
            voted += usize::from(
                online
                    .and_then(|e| vote_of(e, profile.vote_threshold))
                    .is_some(),
            );
        }
        assert!(spoke > 1_500, "{} spoke {spoke} times", profile.id);
        assert!(
            (100..spoke).contains(&voted),
            "{} voted {voted} times",
            profile.id
        );
    }
}

const ASSETS: [(&str, &str); 2] = [("BTC/USD", "bitcoin"), ("ETH/USD", "ethereum")];
/// z needs 30 days and learned signs 60 more; then there is a fortnight of all five at work.
const HOURS: usize = 105 * 24;

/// What happens in one hour: the bars that end with it and the posts seen in it.
struct Hour {
    items: Vec<NewsItem>,
    bars: Vec<Bar>,
}

/// Words that move tone, good and bad, for posts whose mood follows a hidden wave.
const PHRASES: [&str; 6] = [
    "crash fears, selloff and losses for",
    "weak outlook and downgrade hit",
    "nothing new about",
    "calm talk on the forum about",
    "strong gains and record profit for",
    "rally, surge and bullish breakout of",
];

fn post(n: usize, numbers: &mut Numbers, mood: f64, (symbol, name): (&str, &str)) -> NewsItem {
    let choice = (3.0 + 2.0 * mood + 0.8 * numbers.normal()).clamp(0.0, 5.9);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped above"
    )]
    let phrase = PHRASES[choice as usize];
    let seen = hour(n) + TimeDelta::minutes(59);
    let topics = [
        "etf", "halving", "exchange", "mining", "wallet", "futures", "bank",
    ];
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0..7"
    )]
    let topic = topics[(numbers.next() * 7.0) as usize];
    NewsItem {
        id: format!("{name}-{n}-{}", numbers.0),
        published: seen,
        first_seen: seen,
        source: "reddit/CryptoCurrency".to_owned(),
        register: Register::Social,
        author: Some(format!("user{}", numbers.0 % 97)),
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: vec![Symbol::new(symbol).unwrap()],
        headline: format!("{phrase} {name} as {topic} plans are discussed"),
        text: String::new(),
        backfill: true,
    }
}

/// Hours of a market in which posts come in waves and prices now and then jump.
fn market(hours: usize) -> Vec<Hour> {
    let mut numbers = Numbers(11);
    let mut closes = [10_000.0_f64, 500.0];
    let mut mood = [0.0_f64; 2];
    let mut crowd = [0.0_f64; 2];
    (0..hours)
        .map(|n| {
            let (mut items, mut bars) = (Vec::new(), Vec::new());
            for (index, asset) in ASSETS.iter().enumerate() {
                mood[index] = 0.985 * mood[index] + 0.12 * numbers.normal();
                crowd[index] = 0.98 * crowd[index] + 0.15 * numbers.normal();
                let rate = (0.5 + crowd[index]).exp().min(6.0);
                while numbers.next() < rate / (1.0 + rate) && items.len() < 4 {
                    items.push(post(n, &mut numbers, mood[index], *asset));
                }
                let jump = if numbers.next() < 0.01 {
                    0.04 * numbers.normal()
                } else {
                    0.0
                };
                let drift = 0.001 * mood[index];
                let open = closes[index];
                closes[index] *= (0.006 * numbers.normal() + jump + drift).exp();
                bars.push(Bar {
                    symbol: Symbol::new(asset.0).unwrap(),
                    start: hour(n),
                    end: hour(n + 1),
                    timeframe: Timeframe::Hour,
                    open,
                    high: open.max(closes[index]) * 1.001,
                    low: open.min(closes[index]) * 0.999,
                    close: closes[index],
                    volume: 10.0,
                    backfill: true,
                });
            }
            Hour { items, bars }
        })
        .collect()
}

fn config(profile: Profile) -> VoterConfig {
    VoterConfig {
        profile,
        collective: Profile::founding().unwrap(),
        // So large a prior that crypto stays open whatever the random prices do.
        rules: CollectiveRules {
            prior_trades: 1e9,
            ..CollectiveRules::default()
        },
        warmup_days: 0,
    }
}

/// What was heard: `[asset][hour]` of features, `[agent][hour]` of scans.
struct Heard {
    features: [Vec<AssetFeatures>; 2],
    scans: Vec<Vec<ScanResult>>,
}

/// Plays the market to the five personalities. They share an engine to save time; one is also run
/// whole, as an [`Agent`], and must say the same.
fn play(profiles: &[Profile]) -> Heard {
    let ids = IdentitySource::Derived {
        run_id: "test".to_owned(),
        owner: "test".to_owned(),
    };
    let boot = BootId::new("boot").unwrap();
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut voters: Vec<Voter> = profiles
        .iter()
        .map(|profile| Voter::new(config(profile.clone()), boot.clone(), ids.clone()))
        .collect();
    let mut whole = Agent::new(
        EngineConfig::default(),
        config(profiles[0].clone()),
        boot,
        ids,
    );
    let mut heard = Heard {
        features: [Vec::new(), Vec::new()],
        scans: vec![Vec::new(); 5],
    };
    for (n, events) in market(HOURS).into_iter().enumerate() {
        for item in &events.items {
            engine.apply_item(item);
            whole.apply_item(item);
        }
        for bar in &events.bars {
            engine.apply_bar(bar);
            whole.apply_bar(bar);
            for voter in &mut voters {
                voter.apply_bar(bar);
            }
        }
        let instant = hour(n + 1);
        let snapshots = [engine.scan(instant, AssetClass::Crypto)];
        for (voter, scans) in voters.iter_mut().zip(&mut heard.scans) {
            scans.push(voter.scan(instant, &snapshots));
        }
        assert_eq!(
            Some(&whole.scan(instant)),
            heard.scans[0].last(),
            "hour {n}"
        );
        let [snapshot] = snapshots;
        for ((symbol, now), (series, (known, _))) in snapshot
            .assets
            .into_iter()
            .zip(heard.features.iter_mut().zip(ASSETS))
        {
            assert_eq!(symbol.as_str(), known);
            series.push(now);
        }
    }
    heard
}

#[test]
fn votes_of_the_five_agents_equal_the_formulas_at_every_hour() {
    let profiles = Profile::founding().unwrap();
    let heard = play(&profiles);
    for (asset, series) in heard.features.iter().enumerate() {
        let expected = offline(series);
        for (agent, profile) in profiles.iter().enumerate() {
            let mut directions = [0, 0];
            for (n, scan) in heard.scans[agent].iter().enumerate() {
                let (symbol, _) = ASSETS[asset];
                let what = format!("{} {symbol} hour {n}", profile.id);
                let stance = &scan.stances.stances[asset];
                let offline = expected[n][agent].unwrap_or(0.0);
                assert!(
                    (stance.expert - offline).abs() < 1e-12,
                    "{what}: {stance:?} {offline}"
                );
                let vote = vote_of(offline, profile.vote_threshold);
                assert_eq!(stance.direction, vote, "{what}");
                let signal = scan
                    .signals
                    .iter()
                    .find(|s| s.financial_asset.as_str() == symbol);
                assert_eq!(signal.map(|s| s.metadata.direction), vote, "{what}");
                if let Some(vote) = vote {
                    directions[usize::from(vote == Direction::Short)] += 1;
                }
            }
            // Not a comparison of nothing with nothing.
            assert!(
                directions.iter().all(|votes| *votes > 20),
                "{} {directions:?}",
                profile.id
            );
        }
    }
}

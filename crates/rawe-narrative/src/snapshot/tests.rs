//! What was written is read back, and what is damaged, forged or of another kind is refused.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use rawe_core::{AssetClass, Bar, NewsItem, Register, Symbol, Timeframe, Timestamp};

use super::*;
use crate::{EngineConfig, NarrativeEngine};

#[derive(Clone, Debug)]
enum Event {
    Item(u64, Box<NewsItem>),
    Bar(u64, u8, f64),
    Scan(u64, AssetClass),
}

const ASSETS: [(&str, Timeframe); 5] = [
    ("BTC/USD", Timeframe::Hour),
    ("ETH/USD", Timeframe::Hour),
    ("AAPL", Timeframe::Hour),
    ("MSFT", Timeframe::Day),
    ("XOM", Timeframe::Day),
];
const WORDS: [&str; 24] = [
    "bitcoin", "Apple", "rally", "crash", "fears", "beats", "earnings", "halving", "lawsuit",
    "bank", "rates", "cut", "surge", "miners", "exchange", "hack", "upgrade", "ETH", "$AAPL",
    "oil", "Exxon", "supply", "record", "warning",
];

fn at(minute: u64) -> Timestamp {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
        + TimeDelta::minutes(i64::try_from(minute).unwrap())
}

/// A story's worth of words: items of the same story are near each other.
fn item() -> impl Strategy<Value = NewsItem> {
    let words = proptest::collection::vec(0_usize..6, 1..9);
    (0_u32..400, 0_usize..4, words, 0_u8..9, proptest::bool::ANY).prop_map(
        |(id, story, words, voice, tagged)| NewsItem {
            id: format!("n{id}"),
            published: at(0),
            first_seen: at(0),
            source: if voice < 4 { "wire" } else { "crypto-wire" }.to_owned(),
            register: Register::default(),
            author: (voice % 2 == 0).then(|| format!("voice{voice}")),
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: if tagged {
                vec![Symbol::new(ASSETS[story].0).unwrap()]
            } else {
                Vec::new()
            },
            headline: words
                .iter()
                .map(|w| WORDS[story * 6 + w])
                .collect::<Vec<_>>()
                .join(" "),
            text: String::new(),
            backfill: false,
        },
    )
}

/// Minutes that pass, and what then happens.
fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0_u64..90, item()).prop_map(|(wait, item)| Event::Item(wait, Box::new(item))),
        6 => (0_u64..60, 0_u8..5, 0.9_f64..1.1).prop_map(|(wait, a, f)| Event::Bar(wait, a, f)),
        2 => (0_u64..600, proptest::bool::ANY).prop_map(|(wait, crypto)| Event::Scan(
            wait,
            if crypto { AssetClass::Crypto } else { AssetClass::UsEquity },
        )),
    ];
    proptest::collection::vec(event, 2..most)
}

/// Plays events from `minute` on; returns all that the engine said, as text, and the minute.
fn play(engine: &mut NarrativeEngine, events: &[Event], mut minute: u64) -> (String, u64) {
    let mut said = String::new();
    let mut tell = |what: String| {
        said.push_str(&what);
        said.push('\n');
    };
    for event in events {
        match event {
            Event::Item(wait, item) => {
                minute += wait;
                let first_seen = at(minute);
                let effects = engine.apply_item(&NewsItem {
                    first_seen,
                    ..NewsItem::clone(item)
                });
                tell(format!("{effects:?}"));
            }
            Event::Bar(wait, asset, factor) => {
                minute += wait;
                let (symbol, timeframe) = ASSETS[usize::from(*asset)];
                let end = at(minute);
                let length = if timeframe == Timeframe::Hour {
                    60
                } else {
                    1_440
                };
                engine.apply_bar(&Bar {
                    symbol: Symbol::new(symbol).unwrap(),
                    start: end - TimeDelta::minutes(length),
                    end,
                    timeframe,
                    open: 100.0,
                    high: 120.0,
                    low: 80.0,
                    close: 100.0 * factor,
                    volume: 1.0,
                    backfill: false,
                });
            }
            Event::Scan(wait, class) => {
                minute += wait;
                tell(format!("{:?}", engine.scan(at(minute), *class)));
            }
        }
    }
    tell(format!("{:?} {}", engine.narratives(), engine.nvx()));
    (said, minute)
}

fn fresh() -> NarrativeEngine {
    NarrativeEngine::new(EngineConfig::default())
}

/// An engine with some of everything, after thousands of events: merges, deaths, slots used again.
fn seasoned() -> (NarrativeEngine, u64) {
    let mut engine = fresh();
    let mut minute = 0;
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for number in 0..6_000_u64 {
        let story = next(40);
        let words: Vec<String> = (0..3 + next(5))
            .map(|_| format!("s{story}w{}", next(9)))
            .collect();
        let symbol = ASSETS[usize::try_from(story % 5).unwrap()].0;
        let mut events = vec![Event::Item(
            next(9),
            Box::new(NewsItem {
                id: format!("i{number}"),
                published: at(0),
                first_seen: at(0),
                source: format!("source{}", next(30)),
                register: Register::Social,
                author: None,
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: vec![Symbol::new(symbol).unwrap()],
                headline: words.join(" "),
                text: if next(3) == 0 {
                    "strong growth"
                } else {
                    "heavy losses"
                }
                .to_owned(),
                backfill: false,
            }),
        )];
        if number % 5 == 0 {
            let factor = 0.9 + next(1_000) as f64 / 5_000.0;
            let asset = u8::try_from(next(5)).unwrap();
            events.push(Event::Bar(0, asset, factor));
        }
        if number % 15 == 0 {
            events.push(Event::Scan(0, AssetClass::Crypto));
            events.push(Event::Scan(0, AssetClass::UsEquity));
        }
        minute = play(&mut engine, &events, minute).1;
    }
    (engine, minute)
}

#[test]
fn a_restored_engine_goes_on_like_the_one_that_never_stopped() {
    let (mut engine, minute) = seasoned();
    let bytes = engine.snapshot().unwrap();
    let mut restored = NarrativeEngine::restored(&bytes, EngineConfig::default()).unwrap();
    assert_eq!(restored.snapshot().unwrap(), bytes);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let more = events(600).new_tree(&mut runner).unwrap().current();
    let (said, _) = play(&mut engine, &more, minute);
    assert_eq!(play(&mut restored, &more, minute).0, said);
    assert_eq!(restored.snapshot().unwrap(), engine.snapshot().unwrap());
}

#[test]
fn a_snapshot_of_other_circumstances_is_refused() {
    let (engine, _) = seasoned();
    let bytes = engine.snapshot().unwrap();
    let other = EngineConfig {
        assets_max: 7,
        ..EngineConfig::default()
    };
    assert_eq!(
        NarrativeEngine::restored(&bytes, other).unwrap_err(),
        SnapshotError::Fingerprint("engine")
    );
    let mut newer = bytes.clone();
    newer[8] += 1;
    let error = fresh().restore(&newer).unwrap_err();
    assert!(matches!(error, SnapshotError::Format { .. }), "{error}");
    assert_eq!(
        fresh().restore(b"").unwrap_err(),
        SnapshotError::Foreign("engine")
    );
    for error in [
        error,
        SnapshotError::Damaged("cut off"),
        SnapshotError::Unsound("x"),
    ] {
        assert!(
            error.to_string().ends_with("rebuild from history"),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cut_anywhere_it_says_the_same(
        events in events(160),
        cut in proptest::sample::Index::arbitrary(),
    ) {
        let cut = cut.index(events.len());
        let mut undisturbed = fresh();
        let (_, minute) = play(&mut undisturbed, &events[..cut], 0);
        let bytes = undisturbed.snapshot().unwrap();
        let mut restored = NarrativeEngine::restored(&bytes, EngineConfig::default()).unwrap();
        prop_assert_eq!(&restored.snapshot().unwrap(), &bytes);
        let (said, _) = play(&mut undisturbed, &events[cut..], minute);
        prop_assert_eq!(play(&mut restored, &events[cut..], minute).0, said);
        prop_assert_eq!(restored.snapshot().unwrap(), undisturbed.snapshot().unwrap());
    }

    #[test]
    fn damaged_bytes_are_refused(
        events in events(60),
        place in proptest::sample::Index::arbitrary(),
        flip in 1_u8..=255,
        tail in proptest::collection::vec(0_u8..=255, 1..40),
    ) {
        let mut engine = fresh();
        play(&mut engine, &events, 0);
        let bytes = engine.snapshot().unwrap();
        let place = place.index(bytes.len());
        let mut flipped = bytes.clone();
        flipped[place] ^= flip;
        let mut longer = bytes.clone();
        longer.extend(tail);
        for damaged in [&flipped[..], &bytes[..place], &longer[..]] {
            prop_assert!(engine.restore(damaged).is_err());
            prop_assert_eq!(&engine.snapshot().unwrap(), &bytes, "it is as it was");
        }
    }

    /// A checksum can be forged. What is then decoded may be a state, but never a panic.
    #[test]
    fn forged_bytes_never_panic(
        first in events(60),
        flips in proptest::collection::vec((proptest::sample::Index::arbitrary(), 0_u8..=255), 1..6),
        more in events(40),
    ) {
        let mut engine = fresh();
        let (_, minute) = play(&mut engine, &first, 0);
        let mut bytes = engine.snapshot().unwrap();
        let state = HEAD_BYTES..bytes.len() - SHA256_OUTPUT_LEN;
        for (place, byte) in flips {
            let place = state.start + place.index(state.len());
            bytes[place] = byte;
        }
        let checksum = digest(&SHA256, &bytes[..state.end]);
        bytes[state.end..].copy_from_slice(checksum.as_ref());
        let mut restored = fresh();
        if restored.restore(&bytes).is_ok() {
            play(&mut restored, &more, minute);
        }
    }
}

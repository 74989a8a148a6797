//! Nothing from outside makes the engine panic, grow without bound or say something not finite,
//! and the same events give the same bytes.

use crate::made::{bar, item, minute};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rawe_core::{AssetClass, Bar, NewsItem, Timeframe};
use rawe_narrative::{EngineConfig, FeatureSnapshot, NarrativeEngine, tone};

#[derive(Clone, Debug)]
enum Event {
    Item(NewsItem),
    Bar(Bar),
    Scan(DateTime<Utc>, AssetClass),
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![
        20 => (0i64..60_000).prop_map(minute),
        1 => Just(DateTime::<Utc>::MIN_UTC),
        1 => Just(DateTime::<Utc>::MAX_UTC),
        1 => any::<i32>().prop_map(|s| DateTime::from_timestamp(i64::from(s), 1).unwrap()),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z ]{0,60}",
        "(\\$[A-Z]{1,6} |#[a-z]{1,9} |[+-]?[0-9.,]{1,5}% |@[a-z]{0,4} |https?://[a-z./]{0,9} ){0,9}",
        Just(
            "\u{202E}\u{5E9}\u{5DC}\u{5D5}\u{5DD} \u{627}\u{644} 🚀🏽\u{FE0F}\u{200D} \0\x07\r\n"
                .into()
        ),
        Just("not n't very very +%-% $ $$ # @ ' '' -".into()),
        Just("İSTANBUL ﬁnance ǅ \u{10FFFF} BRK.B".into()),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let symbols = || {
        prop::collection::vec(
            prop::sample::select(vec!["AAPL", "BTC/USD", "ETH/USD", "X"]),
            0..5,
        )
    };
    let items = (any::<u16>(), instants(), texts(), symbols(), texts()).prop_map(
        |(id, at, source, symbols, text)| {
            Event::Item(item(&id.to_string(), at, &source, &symbols, &text))
        },
    );
    let bars = (instants(), any::<bool>(), symbols(), any::<f64>()).prop_map(
        |(at, hourly, symbols, close)| {
            let timeframe = if hourly {
                Timeframe::Hour
            } else {
                Timeframe::Day
            };
            let end = at.max(DateTime::<Utc>::MIN_UTC + TimeDelta::days(1));
            Event::Bar(bar(
                symbols.first().unwrap_or(&"AAPL"),
                end,
                timeframe,
                close.abs(),
            ))
        },
    );
    let scans = (instants(), any::<bool>()).prop_map(|(at, crypto)| {
        Event::Scan(
            at,
            if crypto {
                AssetClass::Crypto
            } else {
                AssetClass::UsEquity
            },
        )
    });
    prop_oneof![6 => items, 3 => bars, 2 => scans]
}

fn assert_finite(snapshot: &FeatureSnapshot) {
    assert!((0.0..=100.0).contains(&snapshot.nvx));
    for (_, f) in &snapshot.assets {
        let optional = [f.close, f.sigma, f.sigma_annual, f.return_in_sigmas];
        let always = [
            f.intensity,
            f.tone,
            f.velocity,
            f.dispersion,
            f.tone_nowcast,
            f.narrative_volatility,
            f.volatility_percentile,
        ];
        let asked = f.asked().filter_map(|(_, value)| value);
        let all = optional.into_iter().flatten().chain(always).chain(asked);
        assert!(all.into_iter().all(f64::is_finite), "{f:?}");
        if let Some(n) = &f.narrative {
            assert!(
                [n.coherence, n.entropy, n.belief_penetration]
                    .iter()
                    .all(|share| (0.0..=1.0).contains(share))
            );
            assert!(n.tone.is_finite() && n.item_ids.len() <= 5);
            assert!(n.headline.len() <= 200 && !n.headline.contains(char::is_control));
        }
    }
}

/// Plays events and returns everything the engine said.
fn play(events: &[Event]) -> Vec<String> {
    let mut engine = NarrativeEngine::new(EngineConfig {
        assets_max: 3,
        ..EngineConfig::default()
    });
    let mut said = Vec::new();
    for event in events {
        match event {
            Event::Item(item) => said.push(format!("{:?}", engine.apply_item(item))),
            Event::Bar(bar) => engine.apply_bar(bar),
            Event::Scan(at, class) => {
                let snapshot = engine.scan(*at, *class);
                assert_finite(&snapshot);
                assert!(snapshot.assets.len() <= 3);
                said.push(format!("{snapshot:?}"));
            }
        }
    }
    for state in engine.narratives() {
        assert!((0.0..=1.0).contains(&state.mutation), "{state:?}");
        said.push(format!("{state:?}"));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_event_harms_and_the_same_events_say_the_same(
        events in prop::collection::vec(events(), 1..60)
    ) {
        prop_assert_eq!(play(&events), play(&events));
    }

    #[test]
    fn tone_is_finite_and_inside_its_range(headline in texts(), text in texts()) {
        for register in [rawe_core::Register::News, rawe_core::Register::Social] {
            let s = tone(&headline, &text, register);
            prop_assert!(s.is_finite() && s.abs() < 1.0);
        }
    }
}

#[test]
fn a_megabyte_of_text_is_read_up_to_its_bound() {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    for (n, piece) in [
        "profit rose ",
        "🚀",
        "a",
        "é\u{202E}",
        "$AAPL ",
        "\0",
        "http://",
    ]
    .iter()
    .enumerate()
    {
        let text = piece.repeat(1_000_000 / piece.len());
        let minutes = i64::try_from(n).unwrap();
        engine.apply_item(&item(&text, minute(minutes), &text, &["AAPL"], &text));
    }
    let states = engine.narratives();
    assert!(
        states
            .iter()
            .all(|state| format!("{state:?}").len() < 2_000)
    );
}

#[test]
fn a_flood_of_assets_is_refused_beyond_the_bound() {
    let mut engine = NarrativeEngine::new(EngineConfig {
        assets_max: 10,
        ..EngineConfig::default()
    });
    for n in 0..1_000 {
        let symbol = format!("S{n}");
        engine.apply_bar(&bar(&symbol, minute(n), Timeframe::Hour, 1.0));
        engine.apply_item(&item(
            &symbol,
            minute(n),
            "t",
            &[&symbol],
            "some words of it",
        ));
    }
    assert_eq!(
        engine
            .scan(minute(1_000), AssetClass::UsEquity)
            .assets
            .len(),
        10
    );
}

//! The shipped profiles are the specified ones, and a bad profile is refused with all its problems.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

use chrono::{TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use rawe_agent::profile::possible_voters;
use rawe_agent::{Agent, CollectiveRules, Profile, VoterConfig};
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{
    Bar, BootId, Direction, IdentitySource, NewsItem, Register, SignalType, Symbol, Timeframe,
};
use rawe_narrative::{EngineConfig, Feature, Measure, Rating, StreamChoice};

const SHIPPED: &str = include_str!("../../../config/personalities/alpha-aggressor.toml");

#[test]
fn the_five_are_the_roster_with_the_founding_numbers() {
    use SignalType::{CapitalLeads, Divergence, NarrativeLeads};
    let profiles = Profile::founding().unwrap();
    let names: Vec<_> = profiles
        .iter()
        .map(|profile| (profile.id.as_str(), profile.name.as_str()))
        .collect();
    assert_eq!(names, FOUNDING_AGENTS);
    // risk aversion, profit multiplier, size, Kelly ratio, threshold, half-life, floor, types
    let expected = [
        (
            0.2,
            1.5,
            1.2,
            2.5,
            0.2,
            6.0,
            Rating::D,
            vec![NarrativeLeads, Divergence],
        ),
        (
            0.8,
            0.8,
            0.7,
            1.5,
            0.4,
            120.0,
            Rating::Bbb,
            vec![CapitalLeads, Divergence],
        ),
        (
            0.5,
            1.0,
            1.0,
            2.0,
            0.3,
            12.0,
            Rating::Ccc,
            vec![NarrativeLeads],
        ),
        (0.6, 1.2, 0.9, 1.8, 0.4, 48.0, Rating::Bb, vec![Divergence]),
        (
            0.4,
            1.0,
            1.0,
            2.0,
            0.3,
            24.0,
            Rating::B,
            vec![NarrativeLeads, CapitalLeads, Divergence],
        ),
    ];
    for (profile, (risk, profit, size, kelly, threshold, half_life, floor, types)) in
        profiles.iter().zip(expected)
    {
        let numbers = [
            profile.risk_aversion,
            profile.min_expected_profit_multiplier,
            profile.position_size_multiplier,
            profile.kelly_win_loss_ratio,
            profile.vote_threshold,
            profile.lens.horizon_hours(),
        ];
        for (number, expected) in numbers
            .iter()
            .zip([risk, profit, size, kelly, threshold, half_life])
        {
            assert!(
                (number - expected).abs() < 1e-12,
                "{}: {number} {expected}",
                profile.id
            );
        }
        assert_eq!(profile.rating_floor.0, floor, "{}", profile.id);
        assert_eq!(profile.signal_type_preference, types, "{}", profile.id);
    }
}

#[test]
fn how_many_of_the_five_can_vote_for_each_kind_and_direction() {
    let mut profiles = Profile::founding().unwrap();
    for (kind, direction, able) in possible_voters(&profiles) {
        assert_eq!(
            able, 5,
            "{kind} {direction}: character must not silence a measured vote"
        );
    }
    for profile in &mut profiles {
        profile.strict_signal_types = true;
    }
    let strict = possible_voters(&profiles);
    assert_eq!(strict.len(), 6);
    for direction in [Direction::Long, Direction::Short] {
        for (kind, able) in [
            (SignalType::NarrativeLeads, 3),
            (SignalType::CapitalLeads, 2),
            (SignalType::Divergence, 4),
        ] {
            assert!(
                strict.contains(&(kind, direction, able)),
                "{kind} {direction}"
            );
        }
    }
}

#[test]
fn all_problems_are_listed_at_once() {
    let text = SHIPPED
        .replace("risk_aversion = 0.2", "risk_aversion = 1.2")
        .replace("vote_threshold = 0.20", "vote_threshold = 0")
        .replace("horizon = \"6h\"", "horizon = \"6\"")
        .replace("z(tone(6h))", "z(tome(6h))")
        .replace("clip(mean(6h, s", "clip(mean(6h, t")
        .replace("factor_min = 0.5", "factor_min = 2.0")
        .replace("[\"narrative_leads\", \"divergence\"]", "[]");
    let problems = Profile::from_toml(&text).unwrap_err().problems();
    for key in [
        "risk_aversion",
        "vote_threshold",
        "lens.horizon must be a duration",
        "lens.s, column 8: unknown name 'tome'; did you mean 'tone'?",
        "lens.expert, column 15: unknown name 't'",
        "factor_min",
        "signal_type_preference",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(key)),
            "{key}: {problems:?}"
        );
    }
    assert_eq!(problems.len(), 7, "{problems:?}");
}

#[test]
fn unknown_keys_and_kinds_are_refused_by_name() {
    for (from, to, named) in [
        ("risk_aversion", "risk_averzion", "risk_averzion"),
        ("strategy =", "strategie =", "strategie"),
        ("equity_usd", "equity", "equity"),
        ("\"story_runs\"", "\"Story runs\"", "lens.strategy"),
        (
            "rating_floor = \"D\"",
            "rating_floor = \"E\"",
            "'E' is not a rating",
        ),
    ] {
        let problems = Profile::from_toml(&SHIPPED.replace(from, to))
            .unwrap_err()
            .problems();
        assert!(
            problems.iter().any(|problem| problem.contains(named)),
            "{to}: {problems:?}"
        );
    }
}

/// The example of a personality in the documentation.
fn documented() -> &'static str {
    let text = include_str!("../../../docs/configuration.md");
    let blocks = text.split("```toml\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.contains("[lens]")).unwrap()
}

#[test]
fn a_sixth_personality_is_only_a_file_and_it_votes() {
    let profile = Profile::from_toml(documented()).unwrap();
    assert_eq!(profile.lens.strategy(), "patient_reading");
    assert!((profile.lens.horizon_hours() - 72.0).abs() < 1e-12);
    let mut collective = Profile::founding().unwrap();
    collective.push(profile.clone());
    let config = VoterConfig {
        profile: profile.clone(),
        collective,
        rules: CollectiveRules::default(),
        warmup_days: 0,
    };
    // Its own features reach the engine.
    let own = Feature::Abnormal(Measure::intensity(72), StreamChoice::Own);
    assert!(config.demand().place(own).is_some());
    assert!(config.demand().place(Feature::Move(72)).is_some());
    let ids = IdentitySource::Derived {
        run_id: "test".to_owned(),
        owner: "test".to_owned(),
    };
    let boot = BootId::new("boot").unwrap();
    let mut agent = Agent::new(EngineConfig::default(), config, boot, ids);
    let symbol = Symbol::new("BTC/USD").unwrap();
    let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    let mut votes = 0;
    for hour in 0..40 * 24 {
        let at = start + TimeDelta::hours(hour);
        let close = 100.0 + f64::from(u32::try_from(hour * 7 % 11).unwrap());
        agent.apply_bar(&Bar {
            symbol: symbol.clone(),
            start: at - TimeDelta::hours(1),
            end: at,
            timeframe: Timeframe::Hour,
            open: close,
            high: close,
            low: close,
            close,
            volume: 1.0,
            backfill: true,
        });
        // More and more is said.
        for n in 0..hour / 96 {
            agent.apply_item(&NewsItem {
                id: format!("{hour}-{n}"),
                published: at,
                first_seen: at,
                source: "reddit/Bitcoin".to_owned(),
                register: Register::Social,
                author: Some(format!("user{n}")),
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: vec![symbol.clone()],
                headline: format!("strong gains of bitcoin, reason {n}"),
                text: String::new(),
                backfill: true,
            });
        }
        let result = agent.scan(at);
        votes += result.signals.len();
        for signal in result.signals {
            assert_eq!(signal.metadata.strategy.as_deref(), Some("patient_reading"));
            assert_eq!(signal.metadata.horizon_secs, Some(3 * 86_400));
        }
    }
    assert!(votes > 24, "{votes} votes");
}

#[test]
fn the_documentation_names_every_word_of_the_language() {
    let text = include_str!("../../../docs/configuration.md");
    for word in rawe_agent::formula::words_of_the_language() {
        let mentions = [
            format!("`{word}`"),
            format!("`{word}("),
            format!(" {word}("),
        ];
        assert!(mentions.iter().any(|m| text.contains(m)), "{word}");
    }
}

#[test]
fn a_lens_of_another_form_is_refused_by_the_keys_it_has() {
    let text = SHIPPED.replace("strategy = \"story_runs\"", "kind = \"story_runs\"");
    let problems = Profile::from_toml(&text).unwrap_err().problems();
    assert!(
        problems[0].contains("kind") && problems[0].contains("strategy"),
        "{problems:?}"
    );
}

#[test]
fn a_profile_is_the_same_after_writing_and_reading() {
    for profile in Profile::founding().unwrap() {
        let text = toml::to_string(&profile).unwrap();
        assert_eq!(Profile::from_toml(&text).unwrap(), profile);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", cut in 0_usize..3000, value in "\\PC{0,12}") {
        assert!(Profile::from_toml(&text).is_err());
        let at = SHIPPED.char_indices().map(|(at, _)| at).nth(cut % SHIPPED.chars().count());
        let (head, tail) = SHIPPED.split_at(at.unwrap_or(0));
        // Whatever it is, it is a profile or a list of problems.
        if let Err(error) = Profile::from_toml(&format!("{head}{value}{tail}")) {
            assert!(!error.problems().is_empty());
        }
    }
}

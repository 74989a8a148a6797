//! The shipped profiles are the specified ones, and a bad profile is refused with all its problems.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

use proptest::prelude::*;
use rawe_agent::Profile;
use rawe_agent::profile::possible_voters;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{Direction, SignalType};
use rawe_narrative::Rating;

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
            profile.lens.half_life_hours(),
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
        .replace("half_life_hours = 6", "half_life_hours = -6")
        .replace("tone_hours = 6", "tone_hours = 7")
        .replace("factor_min = 0.5", "factor_min = 2.0")
        .replace("[\"narrative_leads\", \"divergence\"]", "[]");
    let problems = Profile::from_toml(&text).unwrap_err().problems();
    for key in [
        "risk_aversion",
        "vote_threshold",
        "lens.half_life_hours",
        "lens.tone_hours",
        "factor_min",
        "signal_type_preference",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(key)),
            "{key}: {problems:?}"
        );
    }
    assert_eq!(problems.len(), 6, "{problems:?}");
}

#[test]
fn unknown_keys_and_kinds_are_refused_by_name() {
    for (from, to, named) in [
        ("risk_aversion", "risk_averzion", "risk_averzion"),
        ("tone_limit", "tone_limits", "tone_limits"),
        ("equity_usd", "equity", "equity"),
        ("\"story_runs\"", "\"oracle\"", "oracle"),
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

#[test]
fn a_sixth_personality_is_only_a_file() {
    let text = r#"
        id = "slow-aggressor"
        name = "The Slow Aggressor"
        risk_aversion = 0.3
        min_expected_profit_multiplier = 1
        signal_type_preference = ["divergence"]
        position_size_multiplier = 1
        kelly_win_loss_ratio = 2
        rating_floor = "B"
        vote_threshold = 0.25
        [lens]
        kind = "story_runs"
        half_life_hours = 18
        tone_hours = 12
        move_hours = 24
    "#;
    let profile = Profile::from_toml(text).unwrap();
    assert_eq!(profile.lens.strategy(), "story_runs");
    assert!((profile.lens.half_life_hours() - 18.0).abs() < 1e-12);
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

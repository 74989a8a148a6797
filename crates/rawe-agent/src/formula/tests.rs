//! What formulas mean, and what is said of those that mean nothing.

use chrono::{TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use rawe_core::Timestamp;
use rawe_narrative::{AssetFeatures, Measure, NarrativeBrief, StreamChoice};

use super::*;
use crate::Expert;
use crate::formula::compiler::{DEFINITIONS_MAX, NODES_MAX, TEXT_BYTES_MAX};

fn hour(n: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(n)
}

/// An asset with a story.
fn features() -> AssetFeatures {
    AssetFeatures {
        sigma_annual: Some(0.5),
        volatility_percentile: 0.25,
        narrative_volatility: 0.75,
        narrative: Some(NarrativeBrief {
            coherence: 0.3,
            entropy: 0.6,
            belief_penetration: 0.1,
            tone: -0.2,
            ..NarrativeBrief::default()
        }),
        ..AssetFeatures::default()
    }
    .with(Feature::abnormal(Measure::tone(6)), Some(-0.4))
    .with(
        Feature::Raw(Measure::Velocity, StreamChoice::Own),
        Some(0.7),
    )
    .with(
        Feature::Raw(Measure::Tone(30), StreamChoice::Market),
        Some(0.9),
    )
    .with(Feature::Move(24), Some(2.0))
    .with(Feature::Return(6), Some(-0.05))
}

fn value(text: &str) -> Option<f64> {
    let formula = Formula::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    Expert::from_formula(&formula).evaluate(hour(0), &features(), 60.0)
}

#[test]
fn formulas_mean_what_they_say() {
    for (text, expected) in [
        ("0.1 + 0.2 * 3 - 0.4 / 2", Some(0.5)),
        ("(0.1 + 0.2) * 3", Some(0.9)),
        ("0.8 - 0.3 - 0.2", Some(0.3)),
        ("0.8 / 2 / 2", Some(0.2)),
        ("-0.5 * -1", Some(0.5)),
        ("--0.5", Some(0.5)),
        ("1e-1 + .25", Some(0.35)),
        ("abs(z(tone(6h)))", Some(0.4)),
        ("sign(z(tone(6h))) / 2", Some(-0.5)),
        ("z( tone( 6h , market ) )", Some(-0.4)),
        ("velocity(own)", Some(0.7)),
        ("tone(30m)", Some(0.9)),
        ("tone(0.5h)", Some(0.9)),
        ("move(24h) / 4", Some(0.5)),
        ("move(1d) / 4", Some(0.5)),
        ("return(6h)", Some(-0.05)),
        ("min(0.3, 0.1, 0.2) + max(0.3, 0.5)", Some(0.6)),
        ("clip(5)", Some(1.0)),
        ("clip(-5, 0.5)", Some(-0.5)),
        ("move(24h)", Some(1.0)),
        ("exp(0) / 2", Some(0.5)),
        ("ln(exp(0.5))", Some(0.5)),
        ("[move(24h) > 1.5] * 0.5", Some(0.5)),
        ("[move(24h) <= 1.5] * 0.5", Some(0.0)),
        ("(move(24h) >= 2) - (move(24h) < 2)", Some(1.0)),
        ("sigma", Some(0.5)),
        ("volatility_percentile", Some(0.25)),
        ("narrative_volatility", Some(0.75)),
        ("coherence + entropy", Some(0.9)),
        ("belief_penetration + narrative_tone", Some(-0.1)),
        ("nvx / 100", Some(0.6)),
        ("flux_sensitivity - stress_sensitivity", Some(0.0)),
        ("mean(6h, 0.5)", Some(0.5)),
        ("band(0.5, 0.1)", Some(0.5)),
        ("learned(60d, 60d, 0.5)", Some(0.0)),
        // What is missing or no number makes all of it missing.
        ("move(6h) * 0", None),
        ("ln(-1)", None),
        ("0.1 / (move(24h) - 2)", None),
        ("exp(1000) * 0", None),
    ] {
        match (value(text), expected) {
            (None, None) => {}
            (Some(got), Some(expected)) if (got - expected).abs() < 1e-12 => {}
            (got, _) => panic!("{text}: {got:?}, not {expected:?}"),
        }
    }
}

#[test]
fn equal_parts_are_one_node_and_unused_ones_none() {
    let formula = Formula::parse("mean(6h, tone(6h)) * mean(6h, tone(6h))").unwrap();
    assert_eq!(formula.size(), 3);
    let define = BTreeMap::from([
        ("used".to_owned(), "mean(6h, tone(6h))".to_owned()),
        ("unused".to_owned(), "mean(7h, tone(7h))".to_owned()),
    ]);
    let formula = Formula::parse_with("used * used + z(tone(6h))", &define).unwrap();
    assert_eq!(formula.size(), 5);
    let raw = Feature::Raw(Measure::tone(6), StreamChoice::Market);
    assert_eq!(formula.needs(), [raw, Feature::abnormal(Measure::tone(6))]);
}

#[test]
fn memories_learn_what_is_known_while_another_part_is_missing() {
    let formula = Formula::parse("mean(6h, tone(30m)) + move(24h)").unwrap();
    let mut expert = Expert::from_formula(&formula);
    let told = |tone, moved| {
        AssetFeatures::default()
            .with(
                Feature::Raw(Measure::Tone(30), StreamChoice::Market),
                Some(tone),
            )
            .with(Feature::Move(24), moved)
    };
    assert_eq!(expert.evaluate(hour(0), &told(0.9, None), 50.0), None);
    let e = expert
        .evaluate(hour(6), &told(0.0, Some(0.1)), 50.0)
        .unwrap();
    assert!((e - 0.4).abs() < 1e-12, "weights 0.5 and 1: {e}");
}

#[test]
fn a_band_moves_only_by_more_than_its_width() {
    let formula = Formula::parse("band(return(1h), 0.25)").unwrap();
    let mut expert = Expert::from_formula(&formula);
    let cases = [
        (0.1, 0.1),
        (0.3, 0.1),
        (0.36, 0.36),
        (0.2, 0.36),
        (0.1, 0.1),
    ];
    for (n, (now, held)) in (0..).zip(cases) {
        let features = AssetFeatures::default().with(Feature::Return(1), Some(now));
        let e = expert.evaluate(hour(n), &features, 50.0).unwrap();
        assert!((e - held).abs() < 1e-12, "hour {n}: {e}");
    }
}

#[test]
fn a_learned_sign_turns_a_signal_that_loses() {
    let formula = Formula::parse("learned(10d, 5d, return(1h))").unwrap();
    let mut expert = Expert::from_formula(&formula);
    let features = AssetFeatures {
        return_in_sigmas: Some(-1.0),
        ..AssetFeatures::default()
    }
    .with(Feature::Return(1), Some(0.5));
    for n in 0..10 * 24 {
        let e = expert.evaluate(hour(n), &features, 50.0).unwrap();
        let expected = if n < 5 * 24 { 0.0 } else { -1.0 };
        assert!((e - expected).abs() < 1e-12, "hour {n}: {e}");
    }
}

#[test]
fn every_problem_is_told_with_its_place() {
    for (text, place, said) in [
        ("tne(6h)", 1, "unknown name 'tne'; did you mean 'tone'?"),
        ("clip(z(tome(6h)))", 8, "did you mean 'tone'?"),
        ("croud / 2", 1, "did you mean 'crowd'?"),
        (
            "0.5 + clip",
            7,
            "'clip' needs arguments: clip(x) or clip(x, 2)",
        ),
        ("clip()", 1, "'clip' is written clip(x) or clip(x, 2)"),
        ("clip(1, 2, 3)", 1, "'clip' is written"),
        ("clip(1, -2)", 9, "a plain number above 0"),
        ("mean(sigma, 6h)", 1, "'mean' is written mean(24h, x)"),
        ("mean(2m, sigma)", 6, "15m to 365d is allowed here"),
        ("tone(61d)", 6, "15m to 60d"),
        ("tone(0.33h)", 6, "whole minutes"),
        ("move(30m)", 6, "1h to 20d"),
        ("move(1.5h)", 6, "whole hours"),
        ("learned(60d, 12h, sigma)", 14, "whole days"),
        ("z(mean(6h, tone(6h)))", 3, "z() takes tone, intensity"),
        ("sigma(6h)", 1, "'sigma' takes no arguments"),
        ("crowd(6h)", 1, "'crowd' takes no arguments"),
        ("own", 1, "'own' stands only in features"),
        ("6h + 1", 1, "a duration stands only in features"),
        ("6hours", 1, "'6hours' is neither a number nor a duration"),
        ("1..2", 1, "'1..2' is no number"),
        ("1e999", 1, "too large"),
        ("0.5 ^ 2", 5, "'^' means nothing here"),
        ("1 > 2 > 3", 7, "one comparison at a time"),
        ("1 +", 4, "the formula ends where a value is expected"),
        ("", 1, "the formula ends where"),
        ("(1", 3, "')' is expected here"),
        ("[1)", 3, "']' is expected here"),
        ("1 2", 3, "an operator or the end is expected"),
        ("min(1)", 1, "'min' is written min(x, y, ...)"),
        ("min(1, 2", 9, "',' or ')' is expected"),
        ("1 / 0", 5, "division by zero"),
        ("* 2", 1, "a value is expected here"),
    ] {
        let problems = Formula::parse(text).expect_err(text);
        let begin = format!("formula, column {place}: ");
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let problem = problems[0].as_str();
        assert!(
            problem.starts_with(&begin) && problem.contains(said),
            "{text}: {problem}"
        );
        let caret = problem.lines().last().unwrap();
        assert_eq!(caret.len(), 4 + place, "{problem}");
    }
}

#[test]
fn definitions_are_checked_together() {
    let define = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        owned.collect::<BTreeMap<String, String>>()
    };
    let fine = define(&[("a", "b + 0.1"), ("b", "0.2 * mood")]);
    assert!(Formula::parse_with("a * b", &fine).is_ok());
    for (pairs, text, said) in [
        (
            &[("a", "b"), ("b", "a")][..],
            "a",
            "'a' is defined by itself",
        ),
        (&[("a", "a")], "1", "'a' is defined by itself"),
        (
            &[("mood", "1")],
            "1",
            "define.mood: the language has this name already",
        ),
        (&[("tone", "1")], "1", "define.tone: the language has"),
        (&[("own", "1")], "1", "define.own: the language has"),
        (&[("Story", "1")], "1", "define.Story: a name is made of"),
        (&[("story", "1")], "storry", "did you mean 'story'?"),
    ] {
        let problems = Formula::parse_with(text, &define(pairs)).unwrap_err();
        assert!(
            problems.iter().any(|p| p.contains(said)),
            "{pairs:?}: {problems:?}"
        );
    }
    let bad = define(&[("a", "tne(6h)"), ("b", "clip()"), ("c", "1 +")]);
    let problems = Formula::parse_with("a + a + b + xyzzy", &bad).unwrap_err();
    assert_eq!(problems.len(), 4, "each once: {problems:?}");
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |depth: usize| format!("{}0.5{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Formula::parse(&deep(20)).is_ok());
    for text in [
        deep(100),
        deep(900),
        "(".repeat(TEXT_BYTES_MAX),
        "-".repeat(TEXT_BYTES_MAX),
        "abs(".repeat(300),
        format!("0{}", "+0.1".repeat(TEXT_BYTES_MAX)),
        format!("max({}1)", "1,".repeat(50)),
    ] {
        assert!(Formula::parse(&text).is_err(), "{}", text.len());
    }
    let many = (0..=DEFINITIONS_MAX)
        .map(|n| (format!("d{n}"), "1".to_owned()))
        .collect();
    assert!(Formula::parse_with("1", &many).unwrap_err()[0].contains("50 at most"));
    // A chain of definitions is as deep as its brackets would be.
    let chain = (0..49).map(|n| (format!("d{n:02}"), format!("abs(d{:02})", n + 1)));
    let chain = chain.chain([("d49".to_owned(), "1".to_owned())]).collect();
    assert!(Formula::parse_with("d00", &chain).unwrap_err()[0].contains("too deeply"));
    let wide = |name: usize| {
        let terms: Vec<String> = (0..60).map(|n| format!("0.{name:02}{n:02}1")).collect();
        (format!("d{name}"), terms.join("+"))
    };
    let wide = (0..9).map(wide).collect();
    let problems = Formula::parse_with("1", &wide).unwrap_err();
    assert!(
        problems[0].contains(&format!("more than {NODES_MAX} steps")),
        "{problems:?}"
    );
}

/// Words in any order: most are no formula, some are.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "tone",
        "z",
        "mean",
        "clip",
        "crowd",
        "own",
        "velocity",
        "learned",
        "band",
        "max",
        "sigma",
        "a",
        "b",
        "6h",
        "60d",
        "0.5",
        "2",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        ">",
        "<=",
        "move(24h)",
        "tone(6h)",
        "(",
        ")",
        "(",
        ")",
    ];
    prop_oneof![
        20 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics(
        texts in proptest::array::uniform3(proptest::collection::vec(word(), 0..40)),
        wild in "(?s).{0,80}",
        numbers in proptest::array::uniform3(proptest::num::f64::ANY),
    ) {
        let [a, b, expert] = texts.map(|words| words.join(" "));
        let define = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        for text in [&expert, &wild] {
            match Formula::parse_with(text, &define) {
                Ok(formula) => {
                    let mut expert = Expert::from_formula(&formula);
                    let features = numbers.iter().zip(formula.needs()).fold(
                        features(),
                        |features, (number, need)| features.with(*need, Some(*number)),
                    );
                    for n in 0..3 {
                        let e = expert.evaluate(hour(n), &features, numbers[2]);
                        prop_assert!(e.is_none_or(|e| (-1.0..=1.0).contains(&e)));
                    }
                }
                Err(problems) => prop_assert!(!problems.is_empty() && problems.len() <= 20),
            }
        }
    }
}

//! Documents that cannot drift from the code: the README names every reason and every refusal, and
//! `config/rawe.toml` shows every key with the value that applies when it is absent: every program
//! must come to the same settings with it as without it, and know every key in it, also those that
//! are commented out.

use std::io::Write as _;

use agents::AgentArgs;
use clap::Args;
use consensus_engine::{EngineArgs, Settings};
use market_feed::FeedArgs;
use paper_exchange::ExchangeArgs;
use rawe_core::{RefusalCode, Roster, RosterAgent, RoundOutcome};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/rawe.toml");

fn parse<T: Args>(words: &[&str]) -> anyhow::Result<T> {
    let command = T::augment_args(clap::Command::new("x"));
    let line = std::iter::once("x").chain(words.iter().copied());
    Ok(T::from_arg_matches(&command.try_get_matches_from(line)?)?)
}

/// What every program makes of its configuration, as text.
fn settings(words: &[&str]) -> anyhow::Result<[String; 4]> {
    let agent: AgentArgs = parse(words)?;
    let profile = agents::load_profile(Some("flux-follower"), &agent)?;
    Ok([
        format!("{:?}", Settings::load(&parse::<EngineArgs>(words)?)?),
        format!("{:?}", agents::load_voter(profile, &agent)?),
        format!("{:?}", parse::<FeedArgs>(words)?.settings()?),
        format!("{:?}", parse::<ExchangeArgs>(words)?.settings()?),
    ])
}

#[test]
fn the_sample_says_what_applies_without_it() {
    let (with, without) = (
        settings(&["--config", SAMPLE]).unwrap(),
        settings(&[]).unwrap(),
    );
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with, without);
    }
}

#[test]
fn the_commented_keys_exist_and_the_roster_is_the_founding_one() {
    let sample = std::fs::read_to_string(SAMPLE).unwrap();
    let is_key = |line: &str| {
        let word = line.trim_start_matches("# ");
        word.starts_with("[[")
            || word
                .split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let all: Vec<&str> = sample
        .lines()
        .map(|line| {
            if line.starts_with("# ") && is_key(line) {
                &line[2..]
            } else {
                line
            }
        })
        // Files and secrets that are not there, and a speed that contradicts a pacer.
        .filter(|line| {
            !["bars =", "news = \"", "headers =", "speed = 1800"]
                .iter()
                .any(|s| line.starts_with(s))
        })
        .collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(all.join("\n").as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    settings(&["--config", path]).unwrap();
    let listed: Vec<RosterAgent> = rawe_runtime::load_section(Some(file.path()), "roster").unwrap();
    assert_eq!(Roster(listed), Roster::default());
}

#[test]
fn the_readme_names_every_reason_and_every_refusal() {
    let readme = include_str!("../../../README.md");
    let reasons = RoundOutcome::ALL
        .into_iter()
        .filter(|outcome| !outcome.is_decision());
    let names: Vec<&str> = reasons
        .map(RoundOutcome::as_str)
        .chain(RefusalCode::ALL.into_iter().map(RefusalCode::as_str))
        .collect();
    for name in names {
        assert!(
            readme.contains(&format!("| `{name}` |")),
            "the README does not explain {name}"
        );
    }
}

#[test]
fn the_readme_says_of_every_reason_what_the_program_says() {
    let readme = include_str!("../../../README.md");
    for outcome in RoundOutcome::ALL.into_iter().filter(|o| !o.is_decision()) {
        let row = format!("| `{outcome}` | {} |", outcome.meaning());
        assert!(readme.contains(&row), "README.md has no row {row:?}");
    }
}

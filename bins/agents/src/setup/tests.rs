//! What arguments and files make of the settings of an agent.

use super::*;
use clap::Parser;
use std::fmt::Write;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: AgentArgs,
}

fn args(words: &[&str]) -> AgentArgs {
    Cli::parse_from(std::iter::once("agent").chain(words.iter().copied())).args
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

const SIXTH: &str = r#"
    id = "sixth"
    name = "The Sixth"
    risk_aversion = 0.3
    min_expected_profit_multiplier = 1
    signal_type_preference = ["divergence"]
    position_size_multiplier = 1
    kelly_win_loss_ratio = 2
    rating_floor = "B"
    vote_threshold = 0.25
    lens = { strategy = "attention", horizon = "8h", expert = "mean(8h, z(velocity))" }
"#;

#[test]
fn defaults_need_nothing() {
    let args = args(&[]);
    let profile = load_profile(Some("flux-follower"), &args).unwrap();
    let voter = load_voter(profile, &args).unwrap();
    assert_eq!(voter.profile.id.as_str(), "flux-follower");
    assert_eq!(voter.collective.len(), 5);
    assert_eq!(voter.warmup_days, 120);
    assert!(
        load_profile(None, &args)
            .unwrap_err()
            .to_string()
            .contains("--profile")
    );
}

#[test]
fn a_roster_of_six_has_six_profiles_and_the_quorum_of_the_consensus() {
    let folder = tempfile::tempdir().unwrap();
    let profile = file(&folder, "sixth.toml", SIXTH);
    let mut text = "[agents]\nwarmup_days = 60\nprofiles = [\"sixth.toml\"]\n\
                    [consensus]\nquorum = 4\nwindow_ms = 5000\n"
        .to_owned();
    for (id, name) in rawe_core::roster::FOUNDING_AGENTS
        .iter()
        .chain(&[("sixth", "The Sixth")])
    {
        write!(text, "[[roster]]\nid = \"{id}\"\nname = \"{name}\"\n").unwrap();
    }
    let config = file(&folder, "rawe.toml", &text);
    let args = args(&["--config", &config, "--profile", &profile]);
    let voter = load_voter(load_profile(None, &args).unwrap(), &args).unwrap();
    assert_eq!(voter.collective.len(), 6);
    assert_eq!(voter.rules.quorum, Some(4));
    assert_eq!(voter.warmup_days, 60);
    let error = load_profile(Some("flux-follower"), &args).unwrap_err();
    assert!(error.to_string().contains("start rawe-agent"), "{error}");
}

#[test]
fn a_users_names_are_read_and_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(
        &folder,
        "rawe.toml",
        "[agents]\nuniverse = [\"names.tsv\"]\n",
    );
    let args = args(&["--config", &config]);
    let error = load_universe(&args).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    let header = "symbol\tname\trule\tcontext\n";
    file(
        &folder,
        "names.tsv",
        &format!("{header}ACME\tAcme Rockets\tany\n"),
    );
    let universe = load_universe(&args).unwrap();
    assert!(
        universe
            .symbols()
            .iter()
            .any(|symbol| symbol.as_str() == "ACME")
    );
    assert!(universe.symbols().len() > 700);
    file(
        &folder,
        "names.tsv",
        &format!("{header}ACME\tAcme Rockets\tperhaps\n"),
    );
    let error = load_universe(&args).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn a_model_of_tone_is_read_or_its_problem_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(&folder, "rawe.toml", "");
    let chosen = load_tone_model(&args(&["--config", &config])).unwrap();
    assert!(chosen.is_none());
    let config = file(&folder, "rawe.toml", "[agents]\ntone_model = \"a.model\"\n");
    let args = args(&["--config", &config]);
    let error = load_tone_model(&args).unwrap_err().to_string();
    assert!(
        error.contains("a.model") && error.contains("lexicon"),
        "{error}"
    );
    file(&folder, "a.model", "not one");
    let error = load_tone_model(&args).unwrap_err().to_string();
    assert!(
        error.contains("no file of rawe train") && error.contains("a.model"),
        "{error}"
    );
}

#[test]
fn all_problems_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(
        &folder,
        "rawe.toml",
        "[agents]\nwarmup = 3\nprofiles = [\"absent.toml\"]\n[agents.collective]\nquorum = 0\n",
    );
    let args = args(&["--config", &config, "--warmup-days", "9999"]);
    let profile = load_profile(Some("flux-follower"), &args).unwrap();
    let ConfigProblems(problems) = load_voter(profile, &args).unwrap_err();
    assert!(
        problems.iter().any(|p| p.contains("warmup")),
        "{problems:?}"
    );
    assert!(problems.iter().any(|p| p.contains("9999")), "{problems:?}");

    let config = file(
        &folder,
        "rawe.toml",
        "[agents]\nprofiles = [\"absent.toml\"]\n[agents.collective]\nquorum = 0\n",
    );
    let args = self::args(&["--config", &config]);
    let profile = load_profile(Some("flux-follower"), &args).unwrap();
    let ConfigProblems(problems) = load_voter(profile, &args).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

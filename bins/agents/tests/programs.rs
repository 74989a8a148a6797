//! The six programs as a user meets them: help, checking a configuration, ending.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const FOUNDING: [&str; 5] = [
    env!("CARGO_BIN_EXE_alpha-aggressor"),
    env!("CARGO_BIN_EXE_conservative-guardian"),
    env!("CARGO_BIN_EXE_flux-follower"),
    env!("CARGO_BIN_EXE_topological-observer"),
    env!("CARGO_BIN_EXE_balanced-arbitrator"),
];
const ANY: &str = env!("CARGO_BIN_EXE_rawe-agent");

/// Exit code, stdout and stderr of a program in an empty directory.
fn run(program: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(words)
        .current_dir(&folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_and_check_work_in_an_empty_directory() {
    for program in FOUNDING {
        let (code, help, _) = run(program, &["--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains("Alpha") || help.contains("The "), "{help}");
        assert!(help.contains("RAWE_REDIS_URL"), "{help}");
        let (code, out, _) = run(program, &["--check-config"]);
        assert_eq!(code, Some(0), "{out}");
        assert!(out.contains("the configuration is good"), "{out}");
    }
    let (code, help, _) = run(ANY, &["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("--profile"));
}

#[test]
fn a_bad_configuration_exits_64_with_all_problems() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("bad.toml");
    let text = include_str!("../../../config/personalities/flux-follower.toml")
        .replace("risk_aversion = 0.5", "risk_aversion = 5")
        .replace("vote_threshold = 0.30", "vote_threshold = 3");
    std::fs::write(&profile, text).unwrap();
    let config = folder.path().join("rawe.toml");
    std::fs::write(&config, "[agents]\nwarmup_dayz = 3\n").unwrap();
    let (profile, config) = (profile.to_str().unwrap(), config.to_str().unwrap());
    let words = ["--profile", profile, "--config", config, "--check-config"];
    let (code, _, problems) = run(ANY, &words);
    assert_eq!(code, Some(64), "{problems}");
    for key in ["risk_aversion", "vote_threshold", "warmup_dayz"] {
        assert!(problems.contains(key), "{key} is not in: {problems}");
    }
}

#[test]
fn sigterm_ends_an_agent_that_waits_for_redis() {
    // A port on which nobody listens: the agent waits for Redis.
    let mut child = Command::new(FOUNDING[0])
        .args(["--redis-url", "redis://127.0.0.1:1", "--log-format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its first line says that it waits; before that no handler may be in place.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("bus_awaited"), "{first}");
    let asked = Instant::now();
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5));
}

//! How every binary starts, explains itself, refuses a bad configuration, and ends.

use std::path::Path;
use std::process::Command;

use rawe_bus::testing::RedisServer;

use crate::harness::{Program, free_url, write_bars};

/// The five agents' binaries.
const AGENTS: [&str; 5] = [
    "alpha-aggressor",
    "conservative-guardian",
    "flux-follower",
    "topological-observer",
    "balanced-arbitrator",
];
/// How long a process may take to end after SIGTERM, seconds.
const END_LIMIT_SECS: u64 = 5;
/// A secret that no output may contain.
const CANARY: &str = "canary-83b1";

/// All eight processes of the collective.
fn collective() -> Vec<&'static str> {
    [
        &AGENTS[..],
        &["paper-exchange", "market-feed", "consensus-engine"],
    ]
    .concat()
}

/// Arguments with which a process starts on the given Redis and exchange.
fn command(name: &str, folder: &Path, redis_url: &str, exchange_url: &str) -> Command {
    let mut command = Program::command(name, folder);
    command
        .env("RAWE_REDIS_URL", redis_url)
        .env("APCA_API_BASE_URL", exchange_url);
    command
        .env("APCA_API_KEY_ID", CANARY)
        .env("APCA_API_SECRET_KEY", CANARY);
    command
}

fn exchange_command(folder: &Path) -> Command {
    let mut command = command("paper-exchange", folder, "", "");
    command.args(["--listen", "127.0.0.1:0", "--warmup-days", "1", "--bars"]);
    command.arg(write_bars(folder));
    command
}

async fn ends_cleanly(name: &str, program: &mut Program) {
    let (status, took) = program.terminate().await;
    let output = program.output();
    assert_eq!(
        status.code(),
        Some(0),
        "{name} ended with {status}:\n{output}"
    );
    assert!(took.as_secs() < END_LIMIT_SECS, "{name} took {took:?}");
    assert!(!output.contains(CANARY), "{name} shows a secret:\n{output}");
}

#[tokio::test]
async fn sigterm_ends_every_process_cleanly_and_no_secret_is_shown() {
    let redis = RedisServer::start_with(&["--requirepass", CANARY]).unwrap();
    let redis_url = redis.url_for("", CANARY);
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Program::start(exchange_command(folder.path()));
    let listening = exchange.event("exchange_listening").await;
    let exchange_url = format!("http://{}", listening["address"].as_str().unwrap());
    let mut running: Vec<(&str, Program)> = Vec::new();
    for name in collective()
        .into_iter()
        .filter(|name| *name != "paper-exchange")
    {
        let mut command = command(name, folder.path(), &redis_url, &exchange_url);
        if name == "market-feed" {
            command.arg("--paced");
        }
        running.push((name, Program::start(command)));
    }
    // A heartbeat says that a process is through its start.
    crate::harness::eventually("heartbeats of seven processes", || async {
        let bus = rawe_bus::RedisBus::connect(&redis_url).await.ok()?;
        let beats = rawe_bus::Bus::fields(&bus, rawe_core::channels::STATUS_HASH)
            .await
            .ok()?;
        running
            .iter()
            .all(|(name, _)| beats.contains_key(*name))
            .then_some(())
    })
    .await;
    for (name, program) in &mut running {
        ends_cleanly(name, program).await;
    }
    ends_cleanly("paper-exchange", &mut exchange).await;
}

#[tokio::test]
async fn sigterm_ends_a_process_that_still_waits_for_redis() {
    let folder = tempfile::tempdir().unwrap();
    let (redis_url, exchange_url) = (free_url("redis"), free_url("http"));
    for name in collective()
        .into_iter()
        .filter(|name| *name != "paper-exchange")
    {
        let mut program = Program::start(command(name, folder.path(), &redis_url, &exchange_url));
        program.event("bus_awaited").await;
        ends_cleanly(name, &mut program).await;
    }
}

#[tokio::test]
async fn every_binary_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut names = collective();
    names.extend(["rawe-agent", "rawe"]);
    for name in names {
        for (flag, expected) in [("--help", "Usage:"), ("-h", "Usage:"), ("--version", name)] {
            let mut command = Program::command(name, folder.path());
            command.arg(flag);
            let (code, output) = Program::run(command).await;
            assert_eq!(code, Some(0), "{name} {flag}");
            assert!(output.contains(expected), "{name} {flag}: {output}");
        }
    }
}

#[tokio::test]
async fn a_bad_configuration_exits_64_and_lists_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rawe.toml");
    let text = "[consensus]\nquorun = 3\nwindow_ms = 'long'\n\
                [agents]\nwarmup_day = 3\n\
                [feed]\npol_secs = 3\n\
                [exchange]\nsed = 7\nlisten = 3\n\
                [risks]\nx = 1\n";
    std::fs::write(&path, text).unwrap();
    let own_problems = |name: &str| -> Vec<&str> {
        match name {
            "consensus-engine" => vec!["quorun", "did you mean 'quorum'?", "window_ms"],
            "market-feed" => vec!["pol_secs", "did you mean 'poll_secs'?"],
            "paper-exchange" => vec!["did you mean 'seed'?", "exchange.listen"],
            _ => vec!["warmup_day", "did you mean 'warmup_days'?"],
        }
    };
    for name in collective() {
        let mut command = Program::command(name, folder.path());
        command.arg("--config").arg(&path);
        let (code, told) = Program::run(command).await;
        assert_eq!(code, Some(64), "{name}: {told}");
        let everywhere = ["[risks]", "did you mean 'risk'?"];
        for problem in own_problems(name).into_iter().chain(everywhere) {
            assert!(
                told.contains(problem),
                "{name} does not tell '{problem}':\n{told}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_configuration_file_exits_64() {
    let folder = tempfile::tempdir().unwrap();
    for name in collective() {
        let mut command = Program::command(name, folder.path());
        command.args(["--config", "nowhere.toml"]);
        let (code, told) = Program::run(command).await;
        assert_eq!(code, Some(64), "{name}: {told}");
        assert!(told.contains("nowhere.toml"), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_good_configuration_is_checked_without_starting() {
    let folder = tempfile::tempdir().unwrap();
    for name in collective() {
        let mut command = Program::command(name, folder.path());
        command.arg("--check-config");
        let (code, told) = Program::run(command).await;
        assert_eq!(code, Some(0), "{name}: {told}");
    }
}

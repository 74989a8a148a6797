//! The life of a process, watched from outside: this program starts itself again as a child that
//! behaves in some way, and looks at the exit code and the log. (No test harness: a child must be
//! a whole `main`.)

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, though clippy sees a main: a check fails by panicking"
)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rawe_runtime::{BrokerArgs, CommonArgs, ConfigProblems, LogFormat, run_command, run_main};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Tells a child how to behave.
const BEHAVIOUR: &str = "RAWE_RUNTIME_TEST_BEHAVIOUR";
/// How long a process may take to end after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(5);
/// A secret that no output may contain.
const CANARY: &str = "canary-5f2a";

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

fn main() -> ExitCode {
    if let Ok(behaviour) = std::env::var(BEHAVIOUR) {
        return child(behaviour);
    }
    let checks: [(&str, fn()); 12] = [
        ("clean_end_and_failures_have_their_exit_codes", exit_codes),
        ("sigterm_and_sigint_end_cleanly", signals_end_cleanly),
        (
            "work_that_does_not_end_is_cut_off_in_time",
            stubborn_work_is_cut_off,
        ),
        ("a_second_signal_ends_at_once", second_signal_ends_at_once),
        ("a_panic_in_a_task_aborts_the_process", panic_aborts),
        (
            "waiting_for_redis_ends_with_sigterm",
            waiting_for_redis_ends,
        ),
        ("a_bad_redis_url_is_a_bad_configuration", bad_redis_url),
        ("json_lines_are_flat_objects", json_lines_are_flat),
        ("pretty_lines_are_sentences", pretty_lines_are_sentences),
        ("a_commands_log_goes_to_stderr", command_logs_to_stderr),
        ("secrets_are_never_logged", secrets_are_never_logged),
        ("a_lost_supervisor_ends_the_process", lost_supervisor),
    ];
    let wanted = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'));
    let selected = checks.into_iter().filter(|(name, _)| {
        wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
    });
    for (name, check) in selected {
        // A check that fails panics, and so fails this program.
        check();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn child(behaviour: String) -> ExitCode {
    let format = if behaviour == "pretty" {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    };
    if behaviour == "command" {
        return run_command("child", Some(format), |_| async {
            println!("the answer");
            tracing::info!(event = "command_worked", "done");
            Ok(())
        });
    }
    run_main("child", Some(format), |shutdown| {
        behave(behaviour, shutdown)
    })
}

async fn behave(behaviour: String, shutdown: CancellationToken) -> anyhow::Result<()> {
    tracing::info!(event = "child_started", "ready");
    match behaviour.as_str() {
        "clean" => Ok(()),
        "fail" => Err(std::io::Error::other("the disk is full")).context("opening the journal"),
        "misconfigured" => {
            let problems = ConfigProblems(vec!["first problem".into(), "second problem".into()]);
            Err(problems).context("reading the configuration")
        }
        "wait" => {
            shutdown.cancelled().await;
            Ok(())
        }
        "stubborn" => std::future::pending().await,
        "panic" => {
            tokio::spawn(async { panic!("a value was missing") });
            std::future::pending().await
        }
        "redis" => rawe_runtime::connect_bus("redis://127.0.0.1:1")
            .await
            .map(drop),
        "bad-redis-url" => rawe_runtime::connect_bus(&format!("http://:{CANARY}@host"))
            .await
            .map(drop),
        "log" | "pretty" => {
            let asset = "AAPL";
            let error = std::io::Error::other("broken");
            tracing::warn!(
                event = "round_closed", %asset, votes = 3_u64, share = 0.5, won = true, level = "x",
                error = &error as &dyn std::error::Error, wide = 1_u128 << 70, "{asset} \u{1b}[2J ends"
            );
            tracing::debug!(event = "hidden", "not at this level");
            tracing::info!("no event name");
            Ok(())
        }
        "secrets" => {
            let args = Args::parse();
            tracing::info!(event = "arguments_read", ?args, "arguments {args:?}");
            anyhow::bail!("failed with {args:?} and {:?}", args.broker.keys());
        }
        other => anyhow::bail!("unknown behaviour {other}"),
    }
}

fn command(behaviour: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().env(BEHAVIOUR, behaviour);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(behaviour: &str) -> Output {
    command(behaviour).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Starts a child and waits until its log has a line with `event`.
fn start_until(
    command: &mut Command,
    event: &str,
) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(event) {
        line.clear();
        assert!(
            log.read_line(&mut line).unwrap() > 0,
            "the log ended without '{event}'"
        );
    }
    (child, log)
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn exit_codes() {
    let table = [
        ("clean", 0, vec![]),
        (
            "fail",
            1,
            vec!["child: opening the journal: the disk is full"],
        ),
        (
            "misconfigured",
            64,
            vec!["2 problems", "- first problem", "- second problem"],
        ),
    ];
    for (behaviour, code, expected) in table {
        let output = run(behaviour);
        assert_eq!(output.status.code(), Some(code), "{behaviour}");
        for part in expected {
            let told = text(&output.stderr);
            assert!(told.contains(part), "{behaviour}: no '{part}' in {told}");
        }
    }
}

fn signals_end_cleanly() {
    for name in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut child, mut log) = start_until(&mut command("wait"), "child_started");
        signal(&child, name);
        let told = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        assert!(told.elapsed() < END_LIMIT);
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(name.as_str()), "{rest}");
    }
}

fn stubborn_work_is_cut_off() {
    let (mut child, _log) = start_until(&mut command("stubborn"), "child_started");
    signal(&child, Signal::SIGTERM);
    let told = Instant::now();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(1),
        "cut-off work is no clean end"
    );
    assert!(told.elapsed() < END_LIMIT, "{:?}", told.elapsed());
}

fn second_signal_ends_at_once() {
    let (mut child, mut log) = start_until(&mut command("stubborn"), "child_started");
    signal(&child, Signal::SIGINT);
    let mut line = String::new();
    while !line.contains("shutdown_requested") {
        assert!(log.read_line(&mut line).unwrap() > 0);
    }
    let told = Instant::now();
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "{:?}",
        told.elapsed()
    );
}

fn panic_aborts() {
    let output = run("panic");
    assert_eq!(output.status.signal(), Some(Signal::SIGABRT as i32));
    let log = text(&output.stdout);
    assert!(
        log.contains("process_panicked") && log.contains("a value was missing"),
        "{log}"
    );
}

fn waiting_for_redis_ends() {
    let (mut child, _log) = start_until(&mut command("redis"), "bus_awaited");
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn bad_redis_url() {
    let output = run("bad-redis-url");
    assert_eq!(output.status.code(), Some(64));
    let told = text(&output.stderr);
    assert!(
        told.contains("expected redis://host:port") && !told.contains(CANARY),
        "{told}"
    );
}

fn json_lines_are_flat() {
    let output = run("log");
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        let object = line.as_object().unwrap();
        for key in ["timestamp", "level", "event", "process", "pid", "message"] {
            assert!(object.contains_key(key), "no {key} in {line}");
        }
        assert!(
            object
                .values()
                .all(|value| !value.is_object() && !value.is_array())
        );
        assert_eq!(line["process"], "child");
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok());
    }
    let line = &lines[1];
    let expected = [
        ("level", Value::from("warn")),
        ("event", Value::from("round_closed")),
        ("asset", Value::from("AAPL")),
        ("votes", Value::from(3)),
        ("share", Value::from(0.5)),
        ("won", Value::from(true)),
        ("field_level", Value::from("x")),
        ("error", Value::from("broken")),
        ("wide", Value::from("1180591620717411303424")),
        ("message", Value::from("AAPL \u{1b}[2J ends")),
    ];
    for (key, value) in expected {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!(
        lines[2]["event"], "process",
        "without a name the module's path stands in"
    );
}

fn pretty_lines_are_sentences() {
    let log = text(&run("pretty").stdout);
    let line = log.lines().nth(1).unwrap();
    assert!(
        line.contains("WARN  child AAPL \\u{1b}[2J ends asset=AAPL votes=3"),
        "{line}"
    );
    assert!(
        !log.contains('\u{1b}'),
        "no colours and no smuggled ones off a terminal"
    );
}

fn command_logs_to_stderr() {
    let output = run("command");
    assert_eq!(text(&output.stdout), "the answer\n");
    assert!(text(&output.stderr).contains("command_worked"));
}

fn secrets_are_never_logged() {
    for by_flag in [true, false] {
        let mut command = command("secrets");
        let redis = format!("redis://user:{CANARY}@host:1");
        if by_flag {
            command.args(["--redis-url", &redis, "--alpaca-key-id", CANARY]);
            command.args(["--alpaca-secret-key", CANARY]);
        } else {
            command
                .env("RAWE_REDIS_URL", redis)
                .env("APCA_API_KEY_ID", CANARY);
            command.env("APCA_API_SECRET_KEY", CANARY);
        }
        let output = command.output().unwrap();
        let all = text(&output.stdout) + &text(&output.stderr);
        assert!(
            all.contains("arguments_read") && all.contains("redis://user@host:1"),
            "{all}"
        );
        assert!(!all.contains(CANARY), "{all}");
        let help = command.arg("--help").output().unwrap();
        assert!(text(&help.stdout).contains("APCA_API_SECRET_KEY"));
        assert!(!text(&help.stdout).contains(CANARY));
    }
}

fn lost_supervisor() {
    let mut command = command("wait");
    command
        .env(rawe_runtime::LIFELINE_VARIABLE, "1")
        .stdin(Stdio::piped());
    let (mut child, _log) = start_until(&mut command, "child_started");
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

//! `rawe status`: which bus, which processes, what they are doing and when they last made
//! progress; and `--check PROCESS`, the health check of containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rawe_bus::{Bus, RedisBus};
use rawe_core::channels::STATUS_HASH;
use rawe_core::{Heartbeat, ProcessState, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::run_folder::{BASE_DEFAULT, ProcessEntry, RunFolder, RunState};
use crate::up::account::AccountSource;
use crate::up::tap::heartbeats;

/// How long the bus may take to answer.
const BUS_PATIENCE: Duration = Duration::from_secs(3);

/// The process that is asked itself.
const EXCHANGE: &str = "paper-exchange";

/// What `rawe status` takes.
#[derive(clap::Args, Clone)]
pub(crate) struct StatusArgs {
    /// Redis to ask [default: that of the newest run of `rawe up`]
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true,
        value_parser = rawe_runtime::redis_url
    )]
    redis_url: Option<String>,
    /// Where `rawe up` keeps its run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    run_dir: PathBuf,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only say whether this process lives and makes progress: exit code 0, else 1
    #[arg(long, value_name = "PROCESS")]
    check: Option<String>,
    /// With --check: the longest a running process may go without handling anything, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RAWE_STALLED_AFTER",
        default_value_t = 120
    )]
    stalled_after: i64,
    /// With --check paper-exchange: where it listens
    #[arg(
        long,
        value_name = "URL",
        env = "APCA_API_BASE_URL",
        default_value = "http://127.0.0.1:8460"
    )]
    exchange_url: String,
}

/// What was found out.
struct Findings {
    bus: String,
    bus_described: String,
    reachable: bool,
    run: Option<(RunFolder, RunState)>,
    beats: BTreeMap<String, Heartbeat>,
}

/// Prints the status, or checks one process.
pub(crate) async fn status(args: StatusArgs) -> anyhow::Result<()> {
    if args.check.as_deref() == Some(EXCHANGE) {
        return check_exchange(&args.exchange_url).await;
    }
    let findings = find(&args).await?;
    let now = rawe_runtime::wall_now();
    if let Some(process) = &args.check {
        let beat = findings
            .beats
            .get(process)
            .with_context(|| format!("{process} has no heartbeat on {}", findings.bus_described))?;
        if let Some(problem) = problem(beat, now, args.stalled_after) {
            bail!("{process}: {problem}");
        }
        println!("{process}: {}", state_text(beat));
        return Ok(());
    }
    if args.json {
        println!("{}", as_json(&findings, now));
    } else {
        print!("{}", as_table(&findings, now));
    }
    Ok(())
}

/// The exchange knows no bus and has no heartbeat: it is asked itself.
async fn check_exchange(url: &str) -> anyhow::Result<()> {
    let base = url.trim_end_matches('/').to_owned();
    if !(AccountSource::Exchange { base }).answers().await {
        bail!("{EXCHANGE} at {url} does not answer");
    }
    println!("{EXCHANGE}: answers");
    Ok(())
}

async fn find(args: &StatusArgs) -> anyhow::Result<Findings> {
    let given = args.redis_url.clone().filter(|url| !url.is_empty());
    let run = if given.is_some() {
        None
    } else {
        RunFolder::newest(&args.run_dir)
    };
    let url = given.or_else(|| run.as_ref().and_then(|(_, state)| state.redis_url.clone()));
    let mut findings = Findings {
        bus: run
            .as_ref()
            .map_or("redis", |(_, state)| state.bus.as_str())
            .to_owned(),
        bus_described: run
            .as_ref()
            .map_or_else(String::new, |(_, state)| state.bus_described.clone()),
        reachable: false,
        run,
        beats: BTreeMap::new(),
    };
    if let Some(url) = url {
        let bus: Arc<dyn Bus> = Arc::new(RedisBus::open(&url)?);
        findings.bus_described = bus.describe();
        if let Ok(Ok(fields)) = timeout(BUS_PATIENCE, bus.fields(STATUS_HASH)).await {
            findings.reachable = true;
            findings.beats = heartbeats(&fields);
        }
    } else if let Some((folder, _)) = &findings.run {
        // Embedded: the bus is inside one process, which leaves its heartbeats in the run folder.
        let kept = std::fs::read(folder.file(EMBEDDED_STATUS_FILE)).ok();
        if let Some(beats) = kept.and_then(|text| serde_json::from_slice(&text).ok()) {
            findings.reachable = true;
            findings.beats = beats;
        }
    } else {
        bail!(
            "no run of `rawe up` found in {} and no --redis-url (RAWE_REDIS_URL) given",
            args.run_dir.display()
        );
    }
    Ok(findings)
}

/// Where `rawe up` leaves the heartbeats of the embedded default, whose bus nobody else can ask.
pub(crate) const EMBEDDED_STATUS_FILE: &str = "status.json";

/// What is wrong with a process, if anything.
fn problem(beat: &Heartbeat, now: Timestamp, stalled_after_secs: i64) -> Option<String> {
    if !beat.is_alive(now) {
        return Some(format!(
            "no heartbeat for {} s",
            (now - beat.at).num_seconds()
        ));
    }
    let idle_secs = (now - beat.last_event_at).num_seconds();
    let must_move = matches!(beat.state, ProcessState::Running | ProcessState::Warming);
    (must_move && idle_secs > stalled_after_secs)
        .then(|| format!("alive, but has handled nothing for {idle_secs} s"))
}

fn state_text(beat: &Heartbeat) -> String {
    // The names of states are an interface; serde has them.
    let name = serde_json::to_value(beat.state).ok();
    name.as_ref()
        .and_then(Value::as_str)
        .unwrap_or("unknown")
        .to_owned()
}

/// The entry of a process in the state file.
fn supervised<'a>(findings: &'a Findings, process: &str) -> Option<&'a ProcessEntry> {
    let (_, state) = findings.run.as_ref()?;
    state.processes.iter().find(|entry| entry.name == process)
}

/// All process names: supervised ones in the order of their start, then others by name.
fn process_names(findings: &Findings) -> Vec<String> {
    let mut names: Vec<String> = findings
        .run
        .iter()
        .flat_map(|(_, state)| state.processes.iter().map(|entry| entry.name.clone()))
        .collect();
    for name in findings.beats.keys() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn as_json(findings: &Findings, now: Timestamp) -> Value {
    let processes: Vec<Value> = process_names(findings)
        .into_iter()
        .map(|name| {
            let beat = findings.beats.get(&name);
            let entry = supervised(findings, &name);
            json!({
                "process": name,
                "pid": beat.map(|beat| beat.pid).or(entry.and_then(|entry| entry.pid)),
                "alive": beat.map(|beat| beat.is_alive(now)),
                "state": beat.map(state_text),
                "detail": beat.map(|beat| beat.detail.as_str()),
                "last_event": beat.map(|beat| beat.last_event.as_str()),
                "last_event_age_ms": beat.map(|b| (now - b.last_event_at).num_milliseconds()),
                "market_time": beat.and_then(|beat| beat.market_time),
                "counters": beat.map(|beat| &beat.counters),
                "supervised": entry.map(|entry| entry.state.as_str()),
                "restarts": entry.map(|entry| entry.restarts),
            })
        })
        .collect();
    let market_time = findings
        .beats
        .values()
        .filter_map(|beat| beat.market_time)
        .max();
    let run = findings.run.as_ref().map(|(folder, state)| {
        json!({
            "folder": folder.path,
            "pid": state.pid,
            "running": state.is_running(),
            "started": state.started,
        })
    });
    json!({
        "bus": {
            "kind": findings.bus,
            "url": findings.bus_described,
            "reachable": findings.reachable,
        },
        "market_time": market_time,
        "run": run,
        "processes": processes,
    })
}

fn as_table(findings: &Findings, now: Timestamp) -> String {
    let reachable = if findings.reachable {
        ""
    } else {
        ", which does not answer"
    };
    let mut text = format!(
        "bus: {} ({}){reachable}\n",
        findings.bus, findings.bus_described
    );
    if let Some((folder, state)) = &findings.run {
        let running = if state.is_running() {
            "running"
        } else {
            "ended"
        };
        text += &format!(
            "run: {} (pid {}, {running})\n",
            folder.path.display(),
            state.pid
        );
    }
    text += &format!(
        "{:22} {:>8} {:10} {:>9}  {:16}  {}\n",
        "process", "pid", "state", "progress", "market time", "detail"
    );
    for name in process_names(findings) {
        let Some(beat) = findings.beats.get(&name) else {
            let entry = supervised(findings, &name);
            let pid = entry
                .and_then(|e| e.pid)
                .map_or_else(String::new, |pid| pid.to_string());
            let state = entry.map_or("unknown", |entry| entry.state.as_str());
            text += &format!("{name:22} {pid:>8} {state:10}\n");
            continue;
        };
        let state = if beat.is_alive(now) {
            state_text(beat)
        } else {
            "dead".to_owned()
        };
        let age_secs = (now - beat.last_event_at).num_milliseconds().max(0) as f64 / 1_000.0;
        let market_time = beat
            .market_time
            .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M").to_string());
        text += &format!(
            "{name:22} {:>8} {state:10} {age_secs:>7.1} s  {market_time:16}  {}\n",
            beat.pid, beat.detail
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn beat(state: ProcessState, now: Timestamp, age_secs: i64, idle_secs: i64) -> Heartbeat {
        Heartbeat {
            process: "market-feed".to_owned(),
            agent: None,
            pid: 7,
            boot_id: "b".to_owned(),
            at: now - TimeDelta::seconds(age_secs),
            state,
            detail: String::new(),
            last_event: "bar".to_owned(),
            last_event_at: now - TimeDelta::seconds(idle_secs),
            market_time: None,
            counters: BTreeMap::new(),
        }
    }

    #[test]
    fn alive_is_not_enough() {
        let now: Timestamp = "2026-01-05T15:00:00Z".parse().unwrap();
        for (state, age_secs, idle_secs, healthy) in [
            (ProcessState::Running, 0, 0, true),
            (ProcessState::Running, 0, 121, false),
            (ProcessState::Running, 6, 6, false),
            (ProcessState::Warming, 0, 500, false),
            (ProcessState::Starting, 0, 500, true),
            (ProcessState::Ended, 0, 500, true),
        ] {
            let found = problem(&beat(state, now, age_secs, idle_secs), now, 120);
            assert_eq!(
                found.is_none(),
                healthy,
                "{state:?} {age_secs} {idle_secs}: {found:?}"
            );
        }
    }

    #[test]
    fn json_and_table_name_every_process_once() {
        let now: Timestamp = "2026-01-05T15:00:00Z".parse().unwrap();
        let state = RunState {
            pid: 1,
            started: now,
            bus: "redis".to_owned(),
            bus_described: "redis://127.0.0.1:1".to_owned(),
            redis_url: Some("redis://default:geheim@127.0.0.1:1".to_owned()),
            keep: false,
            processes: vec![ProcessEntry {
                name: "paper-exchange".to_owned(),
                pid: Some(9),
                state: "running".to_owned(),
                restarts: 0,
            }],
        };
        let findings = Findings {
            bus: "redis".to_owned(),
            bus_described: "redis://127.0.0.1:1".to_owned(),
            reachable: true,
            run: Some((
                RunFolder {
                    path: "the-run".into(),
                },
                state,
            )),
            beats: [(
                "market-feed".to_owned(),
                beat(ProcessState::Running, now, 0, 2),
            )]
            .into(),
        };
        let value = as_json(&findings, now);
        assert_eq!(value["processes"].as_array().unwrap().len(), 2);
        assert_eq!(value["processes"][0]["pid"], 9);
        assert_eq!(value["processes"][1]["last_event_age_ms"], 2_000);
        let table = as_table(&findings, now);
        assert_eq!(table.lines().count(), 5);
        assert!(!table.contains("geheim") && !value.to_string().contains("geheim"));
    }
}

//! `rawe halt`, `resume`, `reduce` and `flatten`: the operator's word to the consensus engine, over
//! Redis and, for a halt, by a file beside the journal as well, which works when nothing else does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use consensus_engine::HALT_FILE;
use rawe_bus::{Bus, RedisBus, StreamAppend};
use rawe_core::channels::{CONTROL_STREAM, STATUS_HASH, STREAM_LENGTH_MAX};
use rawe_core::control::{ControlCommand, ControlMessage};
use rawe_core::{Heartbeat, ProcessState, Timestamp};
use rawe_runtime::{read_signing_key, wall_now};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::journal;
use crate::run_folder::{BASE_DEFAULT, RunFolder};

/// The process that is told.
const ENGINE: &str = "consensus-engine";
/// How long Redis may take for one answer.
const BUS_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the engine may take to confirm.
const CONFIRM_WITHIN: Duration = Duration::from_secs(3);
/// How often its heartbeat is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Redis where no other is named.
const REDIS_DEFAULT: &str = "redis://127.0.0.1:6379";

/// What all four commands take.
#[derive(clap::Args, Clone)]
#[command(
    after_help = "Examples:\n  rawe halt --reason 'the broker announced a split'\n  \
    rawe resume\n  rawe halt --journal /var/lib/rawe/journal.sqlite   # works with Redis down\n\n\
    Exit code 0 only when the engine has confirmed or, for a halt, the HALT file is written."
)]
pub(crate) struct ControlArgs {
    /// Why, for the journal and everybody who looks
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    reason: String,
    /// Redis of the engine [default: that of the newest run of `rawe up`, else this machine's]
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true
    )]
    redis_url: Option<String>,
    /// Your private key, where operators have keys; a file, or a folder with operator.pem
    #[arg(long, value_name = "PATH", env = "RAWE_OPERATOR_KEY")]
    signing_key: Option<PathBuf>,
    /// Name of the engine's deployment, which a signature covers
    #[arg(
        long,
        value_name = "NAME",
        env = "RAWE_DEPLOYMENT",
        default_value = "local"
    )]
    deployment: String,
    /// The engine's journal, beside which the HALT file lies [default: the newest found]
    #[arg(long, value_name = "FILE", env = "RAWE_JOURNAL")]
    journal: Option<PathBuf>,
    /// Where `rawe up` keeps its run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    run_dir: PathBuf,
    /// One JSON object instead of text for people
    #[arg(long)]
    json: bool,
}

/// What came of a command.
struct Outcome {
    /// The file: what was done with it, or why not; `None` if the command does not touch it.
    file: Option<Result<PathBuf, String>>,
    bus: Result<(), String>,
    engine: Option<Heartbeat>,
    confirmed: bool,
}

/// Tells the engine and waits for its word.
///
/// # Errors
/// When the engine has not confirmed in time, and no file halts it either.
pub(crate) async fn control(command: ControlCommand, args: ControlArgs) -> anyhow::Result<()> {
    let said_at = wall_now();
    // The file first: it works whatever else does not.
    let file = file_work(command, &args);
    let (bus, engine) = match send(command, &args, said_at).await {
        Ok(bus) => {
            let engine = confirmation(&bus, command, said_at).await;
            (Ok(()), engine)
        }
        Err(error) => (Err(format!("{error:#}")), None),
    };
    let confirmed = engine
        .as_ref()
        .is_some_and(|beat| confirms(beat, command, said_at));
    let outcome = Outcome {
        file,
        bus,
        engine,
        confirmed,
    };
    if args.json {
        println!("{}", as_json(command, &outcome));
    } else {
        print!("{}", as_text(command, &outcome, said_at));
    }
    let halted_by_file = command == ControlCommand::Halt && matches!(outcome.file, Some(Ok(_)));
    if outcome.confirmed || halted_by_file {
        return Ok(());
    }
    bail!(
        "the engine has not confirmed within {} s; look at `rawe status`",
        CONFIRM_WITHIN.as_secs()
    );
}

fn name(command: ControlCommand) -> &'static str {
    match command {
        ControlCommand::Halt => "halt",
        ControlCommand::Resume => "resume",
        ControlCommand::Reduce => "reduce",
        ControlCommand::Flatten => "flatten",
    }
}

/// Writes the file for a halt, removes it for a resume.
fn file_work(command: ControlCommand, args: &ControlArgs) -> Option<Result<PathBuf, String>> {
    let work = match command {
        ControlCommand::Halt => write_file,
        ControlCommand::Resume => remove_file,
        ControlCommand::Reduce | ControlCommand::Flatten => return None,
    };
    let path = match journal::find(args.journal.as_deref(), &args.run_dir) {
        Ok(journal) => journal.with_file_name(HALT_FILE),
        Err(error) => return Some(Err(format!("{error:#}"))),
    };
    let done = work(&path, &args.reason);
    Some(done.map(|()| path).map_err(|error| format!("{error:#}")))
}

fn write_file(path: &Path, reason: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        writeln!(file, "{reason}")?;
        file.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

fn remove_file(path: &Path, _reason: &str) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn redis_url(args: &ControlArgs) -> String {
    let given = args.redis_url.clone().filter(|url| !url.is_empty());
    given
        .or_else(|| RunFolder::newest(&args.run_dir).and_then(|(_, state)| state.redis_url))
        .unwrap_or_else(|| REDIS_DEFAULT.to_owned())
}

async fn send(
    command: ControlCommand,
    args: &ControlArgs,
    said_at: Timestamp,
) -> anyhow::Result<RedisBus> {
    let url = rawe_runtime::redis_url(&redis_url(args)).map_err(anyhow::Error::msg)?;
    let bus = RedisBus::open(&url)?;
    let key = args.signing_key.as_deref();
    let key = key
        .map(|path| read_signing_key(path, "operator"))
        .transpose();
    // A halt counts without a signature: that its key cannot be read must not stop it.
    let key = match key {
        Err(error) if command != ControlCommand::Halt => return Err(error.into()),
        key => key.unwrap_or_default(),
    };
    let message = ControlMessage::new(command, said_at, args.reason.clone());
    let append = StreamAppend {
        stream: CONTROL_STREAM,
        payloads: vec![message.to_payload(key.as_ref(), &args.deployment)?],
        length_max: STREAM_LENGTH_MAX,
    };
    timeout(BUS_PATIENCE, bus.append(&[append]))
        .await
        .with_context(|| format!("{} does not answer", bus.describe()))?
        .with_context(|| format!("telling the engine over {}", bus.describe()))?;
    Ok(bus)
}

/// The engine's heartbeat once it confirms, or the last one seen.
async fn confirmation(
    bus: &RedisBus,
    command: ControlCommand,
    said_at: Timestamp,
) -> Option<Heartbeat> {
    let started = Instant::now();
    let mut last = None;
    while started.elapsed() < CONFIRM_WITHIN {
        if let Ok(Ok(fields)) = timeout(BUS_PATIENCE, bus.fields(STATUS_HASH)).await
            && let Some(beat) = fields
                .get(ENGINE)
                .and_then(|beat| serde_json::from_slice::<Heartbeat>(beat).ok())
        {
            let done = confirms(&beat, command, said_at);
            last = Some(beat);
            if done {
                break;
            }
        }
        sleep(LOOK_EVERY).await;
    }
    last
}

/// Whether a heartbeat written since then shows the state that was asked for, or a stricter one
/// where that is what was asked for.
fn confirms(beat: &Heartbeat, command: ControlCommand, said_at: Timestamp) -> bool {
    let closing = beat.detail.starts_with(consensus_engine::ONLY_CLOSING);
    let shows = match command {
        ControlCommand::Halt => {
            matches!(beat.state, ProcessState::Halted | ProcessState::Ended)
        }
        ControlCommand::Resume => beat.state == ProcessState::Running && !closing,
        ControlCommand::Reduce | ControlCommand::Flatten => {
            beat.state == ProcessState::Running && closing
        }
    };
    beat.at >= said_at && shows
}

fn engine_text(outcome: &Outcome, said_at: Timestamp) -> String {
    match &outcome.engine {
        Some(beat) if !beat.is_alive(said_at) => {
            let at = journal::time_text(beat.at);
            format!("silent, its last heartbeat is of {at} UTC")
        }
        Some(beat) if beat.detail.is_empty() => format!("{:?}", beat.state).to_lowercase(),
        Some(beat) => format!("{:?}, {}", beat.state, beat.detail).to_lowercase(),
        None => "unknown, there is no heartbeat of it".to_owned(),
    }
}

fn as_text(command: ControlCommand, outcome: &Outcome, said_at: Timestamp) -> String {
    let mut lines = Vec::new();
    match (command, &outcome.file) {
        (ControlCommand::Halt, Some(Ok(path))) => lines.push(format!(
            "the file {} is written: an engine with this journal halts, whatever else is down",
            path.display()
        )),
        (_, Some(Ok(path))) => lines.push(format!("there is no file {} any more", path.display())),
        (_, Some(Err(_)) | None) => {}
    }
    match &outcome.bus {
        Ok(()) if outcome.confirmed => {
            let engine = engine_text(outcome, said_at);
            lines.push(format!("the engine confirms: {engine}"));
        }
        Ok(()) => lines.push(format!(
            "{} was said over Redis, the engine does not confirm it; it is {}",
            name(command),
            engine_text(outcome, said_at)
        )),
        Err(error) => lines.push(format!("Redis was not told: {error}")),
    }
    // After what the engine says: where it has confirmed, no file is needed.
    match (command, &outcome.file) {
        (ControlCommand::Halt, Some(Err(error))) => {
            lines.push(format!("no HALT file was written: {error}"));
        }
        (_, Some(Err(error))) => lines.push(format!("no HALT file was removed: {error}")),
        (_, Some(Ok(_)) | None) => {}
    }
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(command: ControlCommand, outcome: &Outcome) -> serde_json::Value {
    let file = outcome.file.as_ref().map(|file| match file {
        Ok(path) => json!({"path": path, "done": true}),
        Err(error) => json!({"done": false, "error": error}),
    });
    json!({
        "command": name(command),
        "file": file,
        "bus": {"told": outcome.bus.is_ok(), "error": outcome.bus.as_ref().err()},
        "confirmed": outcome.confirmed,
        "engine": outcome.engine.as_ref().map(|beat| json!({
            "state": beat.state,
            "detail": beat.detail,
            "at": beat.at,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn beat(state: ProcessState, detail: &str, at: Timestamp) -> Heartbeat {
        Heartbeat {
            process: ENGINE.to_owned(),
            agent: None,
            pid: 1,
            boot_id: "boot".to_owned(),
            at,
            state,
            detail: detail.to_owned(),
            last_event: "signal".to_owned(),
            last_event_at: at,
            market_time: None,
            counters: BTreeMap::new(),
        }
    }

    #[test]
    fn only_a_newer_heartbeat_with_the_wanted_state_confirms() {
        let said_at = wall_now();
        let later = said_at + chrono::TimeDelta::milliseconds(100);
        let closing = format!("{}: drill", consensus_engine::ONLY_CLOSING);
        for (command, state, detail, confirmed) in [
            (ControlCommand::Halt, ProcessState::Halted, "drill", true),
            (ControlCommand::Halt, ProcessState::Running, "", false),
            (ControlCommand::Resume, ProcessState::Running, "", true),
            (
                ControlCommand::Resume,
                ProcessState::Running,
                closing.as_str(),
                false,
            ),
            (
                ControlCommand::Resume,
                ProcessState::Halted,
                "broken",
                false,
            ),
            (
                ControlCommand::Reduce,
                ProcessState::Running,
                closing.as_str(),
                true,
            ),
            (
                ControlCommand::Flatten,
                ProcessState::Running,
                closing.as_str(),
                true,
            ),
            (ControlCommand::Reduce, ProcessState::Running, "", false),
        ] {
            let word = format!("{command:?} {state:?} {detail}");
            assert_eq!(
                confirms(&beat(state, detail, later), command, said_at),
                confirmed,
                "{word}"
            );
            let earlier = said_at - chrono::TimeDelta::milliseconds(1);
            assert!(
                !confirms(&beat(state, detail, earlier), command, said_at),
                "{word}"
            );
        }
    }

    #[test]
    fn the_engine_is_told_of_before_a_file_that_could_not_be_written() {
        let said_at = Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(1);
        let cases = [
            (Ok(()), said_at, true, "the engine confirms: halted, drill"),
            (
                Ok(()),
                Timestamp::UNIX_EPOCH,
                false,
                "halt was said over Redis, the engine does not confirm it; it is silent, its last \
                 heartbeat is of 1970-01-01 00:00:00 UTC",
            ),
            (
                Err("no answer".to_owned()),
                said_at,
                false,
                "Redis was not told: no answer",
            ),
        ];
        for (bus, heard_at, confirmed, first) in cases {
            let outcome = Outcome {
                file: Some(Err("no journal here".to_owned())),
                bus,
                engine: Some(beat(ProcessState::Halted, "drill", heard_at)),
                confirmed,
            };
            let text = as_text(ControlCommand::Halt, &outcome, said_at);
            let lines: Vec<&str> = text.lines().collect();
            let second = "no HALT file was written: no journal here";
            assert_eq!(lines, [first, second]);
        }
    }

    #[test]
    fn the_file_is_written_for_a_halt_and_gone_after_a_resume() {
        let folder = tempfile::tempdir().unwrap();
        let args = ControlArgs {
            reason: "drill".to_owned(),
            redis_url: None,
            signing_key: None,
            deployment: "local".to_owned(),
            journal: Some(folder.path().join("journal.sqlite")),
            run_dir: folder.path().to_owned(),
            json: false,
        };
        let path = folder.path().join(HALT_FILE);
        for _ in 0..2 {
            assert_eq!(
                file_work(ControlCommand::Halt, &args),
                Some(Ok(path.clone()))
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "drill\n");
        }
        assert_eq!(file_work(ControlCommand::Reduce, &args), None);
        for _ in 0..2 {
            assert_eq!(
                file_work(ControlCommand::Resume, &args),
                Some(Ok(path.clone()))
            );
            assert!(!path.exists());
        }
    }
}

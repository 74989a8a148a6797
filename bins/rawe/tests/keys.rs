//! `rawe keys` and what it makes: files, configurations, and a real Redis in which every process
//! can do its own work and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed test says where; processes are waited for with a deadline"
)]

use std::fs::read_to_string;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rawe_bus::testing::{RedisServer, free_port};
use rawe_bus::{Bus, BusError, BusEvent, EntryId, RedisBus, StreamAppend, Subscription};
use rawe_core::Heartbeat;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::signing::{Binding, SigningKey, sign};
use serde_json::Value;

const CHANNEL: &str = "rawe_collective_signals";
const VOTE: &str = include_str!("../../../crates/rawe-core/tests/golden/signal_v1.json");
/// Nothing here takes longer, on the slowest machine.
const LIMIT: Duration = Duration::from_mins(4);

fn rawe(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rawe"));
    command.args(words).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn good(words: &[&str]) -> String {
    let output = rawe(words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}{failed}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn keys_for_everybody_make_a_configuration_that_demands_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("keys");
    good(&["keys", "all", "--out", text(&out)]);
    let config = out.join("rawe.toml");
    let checked = good(&[
        "keys",
        "check",
        "--config",
        text(&config),
        "--keys",
        text(&out),
    ]);
    assert_eq!(
        checked.matches("its private file fits").count(),
        6,
        "{checked}"
    );
    assert!(checked.contains("everybody must sign"), "{checked}");
    for (id, _) in FOUNDING_AGENTS {
        let mode = out
            .join(format!("{id}.pem"))
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let words = [
            "run",
            id,
            "--check-config",
            "--config",
            text(&config),
            "--signing-key",
        ];
        good(&[&words[..], &[text(&out)]].concat());
    }
    good(&[
        "run",
        "consensus-engine",
        "--check-config",
        "--config",
        text(&config),
    ]);
    let again = rawe(&["keys", "all", "--out", text(&out)]);
    assert!(!again.status.success(), "nothing is overwritten");
    let said = good(&[
        "keys",
        "new",
        "--agent",
        "flux-follower",
        "--out",
        text(folder.path()),
    ]);
    assert!(said.contains("public_keys = [\""), "{said}");
    // Another key than the configuration's does not fit.
    let new = folder.path().join("flux-follower.pem");
    std::fs::copy(&new, out.join("flux-follower.pem")).unwrap();
    let words = [
        "keys",
        "check",
        "--json",
        "--config",
        text(&config),
        "--keys",
        text(&out),
    ];
    let checked = rawe(&words);
    assert_eq!(checked.status.code(), Some(64));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(
        checked["problems"].as_array().unwrap().len(),
        1,
        "{checked}"
    );
    // A file that others can read is refused, with what to do.
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o644)).unwrap();
    let shown = rawe(&["keys", "show", text(&new)]);
    assert_eq!(shown.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&shown.stderr).contains("chmod 600"));
}

/// A Redis with the users of a first start.
struct House {
    _folder: tempfile::TempDir,
    keys: PathBuf,
    _redis: RedisServer,
    port: u16,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let port = free_port().unwrap();
        let address = format!("127.0.0.1:{port}");
        let words = ["keys", "init", "--out", text(&keys), "--address", &address];
        good(&words);
        assert!(
            good(&words).contains("nothing to do"),
            "a second start keeps everything"
        );
        let acl = keys.join("redis/users.acl");
        let redis = RedisServer::start_on(port, &["--aclfile", text(&acl)]).unwrap();
        Self {
            _folder: folder,
            keys,
            _redis: redis,
            port,
        }
    }

    fn url(&self, user: &str) -> String {
        let file = self.keys.join(user).join("redis.url");
        read_to_string(file).unwrap().trim().to_owned()
    }

    async fn bus(&self, user: &str) -> RedisBus {
        RedisBus::connect(&self.url(user)).await.unwrap()
    }

    fn config(&self) -> PathBuf {
        self.keys.join("config/rawe.toml")
    }

    /// Starts a process of the collective as compose does.
    fn start(&self, name: &str, words: &[&str]) -> Process {
        let mut command = command(&[&["run", name], words].concat());
        let url = self.keys.join(name).join("redis.url");
        if url.exists() {
            command.env("RAWE_REDIS_URL", format!("@{}", url.display()));
            command.env("RAWE_SIGNING_KEY_FILE", self.keys.join(name));
        }
        command.env("RAWE_CONFIG", self.config());
        command.env("RAWE_LOG_FORMAT", "json");
        command.current_dir(&self.keys);
        let log = self.keys.join(format!("{name}.log"));
        let file = std::fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Process {
            child: command.spawn().unwrap(),
            log,
        }
    }
}

struct Process {
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn append(bus: &RedisBus, stream: &str) -> Result<(), BusError> {
    let append = StreamAppend {
        stream,
        payloads: vec![b"{}".to_vec()],
        length_max: 10,
    };
    bus.append(&[append]).await.map(drop)
}

fn refused<T: std::fmt::Debug>(result: Result<T, BusError>) -> bool {
    match result {
        Err(BusError::Refused(_)) => true,
        other => panic!("not refused: {other:?}"),
    }
}

/// What is heard next, within a deadline.
async fn next(heard: &mut Subscription) -> Option<BusEvent> {
    let limit = Duration::from_secs(20);
    let event = tokio::time::timeout(limit, heard.events.recv());
    event.await.unwrap()
}

#[tokio::test]
async fn each_user_may_do_its_own_work_and_nothing_else() {
    let house = House::new();
    let agent = house.bus("flux-follower").await;
    let reader = house.bus("reader").await;
    let engine = house.bus("consensus-engine").await;
    let feed = house.bus("market-feed").await;
    let operator = house.bus("operator").await;
    let nobody = RedisBus::open(&format!("redis://127.0.0.1:{}", house.port)).unwrap();

    // The one channel: agents speak, the engine hears.
    let mut heard = engine.subscribe(CHANNEL, 10).await;
    assert_eq!(next(&mut heard).await, Some(BusEvent::Up));
    agent.publish(CHANNEL, b"a vote").await.unwrap();
    let vote = BusEvent::Message(b"a vote".to_vec());
    assert_eq!(next(&mut heard).await, Some(vote));
    assert!(refused(agent.publish("elsewhere", b"x").await));
    for other in [&reader, &engine, &feed, &operator] {
        assert!(refused(other.publish(CHANNEL, b"x").await));
    }
    assert!(nobody.publish(CHANNEL, b"x").await.is_err());
    assert!(nobody.ping().await.is_err());

    // What each writes.
    append(&agent, "rawe:stances").await.unwrap();
    append(&agent, "rawe:acks").await.unwrap();
    agent
        .set_field("rawe:snapshot:flux-follower", "a", b"b")
        .await
        .unwrap();
    agent
        .set_field("rawe:status", "flux-follower", b"{}")
        .await
        .unwrap();
    // `rawe status --check` in an agent's container asks as the agent.
    agent.fields("rawe:status").await.unwrap();
    for stream in [
        "rawe:bars",
        "rawe:news",
        "rawe:clock",
        "rawe:control",
        "rawe:decisions",
    ] {
        assert!(refused(append(&agent, stream).await), "{stream}");
        assert!(refused(append(&reader, stream).await), "{stream}");
    }
    assert!(refused(
        agent
            .set_field("rawe:snapshot:alpha-aggressor", "a", b"b")
            .await
    ));
    assert!(refused(agent.fields("rawe:snapshot:alpha-aggressor").await));
    for stream in ["rawe:bars", "rawe:news", "rawe:clock"] {
        append(&feed, stream).await.unwrap();
        assert!(refused(append(&engine, stream).await), "{stream}");
        agent.range(stream, EntryId::START, None, 5).await.unwrap();
    }
    feed.clear_streams(&["rawe:bars", "rawe:acks"])
        .await
        .unwrap();
    assert!(refused(append(&feed, "rawe:control").await));
    append(&operator, "rawe:control").await.unwrap();
    assert!(refused(append(&operator, "rawe:stances").await));
    engine.last("rawe:control").await.unwrap();
    append(&engine, "rawe:decisions").await.unwrap();
    assert!(refused(append(&engine, "rawe:control").await));
    reader.fields("rawe:status").await.unwrap();
}

/// The engine's heartbeat, once `holds` of it.
async fn beat_of(bus: &RedisBus, process: &str, holds: impl Fn(&Heartbeat) -> bool) -> Heartbeat {
    let deadline = Instant::now() + LIMIT;
    loop {
        let beats = bus.fields("rawe:status").await.unwrap();
        let beat = beats
            .get(process)
            .and_then(|beat| serde_json::from_slice(beat).ok());
        if let Some(beat) = beat.filter(&holds) {
            return beat;
        }
        assert!(Instant::now() < deadline, "{process} did not come so far");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_collective_works_with_keys_and_users() {
    let house = House::new();
    let port = free_port().unwrap();
    let exchange = format!("http://127.0.0.1:{port}");
    let listen = format!("127.0.0.1:{port}");
    let days = ["--warmup-days", "2"];
    let words = [
        "--paced",
        "--seed",
        "7",
        "--listen",
        &listen,
        "--play-days",
        "1",
    ];
    let mut processes = vec![house.start("paper-exchange", &[&words[..], &days].concat())];
    let agents: Vec<&str> = FOUNDING_AGENTS.iter().map(|(id, _)| *id).collect();
    for agent in &agents {
        processes.push(house.start(agent, &["--warmup-days", "0"]));
    }
    let engine = ["--alpaca-url", &exchange, "--journal", "journal.sqlite"];
    processes.push(house.start("consensus-engine", &engine));
    let all = format!("{},consensus-engine", agents.join(","));
    let words = ["--paced", "--news", "scenario:7", "--alpaca-url", &exchange];
    let words = [&words[..], &["--participants", &all], &days].concat();
    let feed = house.start("market-feed", &words);
    let deadline = Instant::now() + LIMIT;
    let feed_log = || read_to_string(&feed.log).unwrap();
    while !feed_log().contains("\"feed_ended\"") {
        assert!(Instant::now() < deadline, "{}", feed_log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reader = house.bus("reader").await;
    for agent in &agents {
        // Its last heartbeat may be older than the end of the replay.
        let spoke = |beat: &Heartbeat| beat.counters.get("stances_published") > Some(&0);
        beat_of(&reader, agent, spoke).await;
    }
    processes.push(feed);
    for process in &processes {
        let log = read_to_string(&process.log).unwrap();
        assert!(
            !log.contains("NOPERM") && !log.contains("permission"),
            "{log}"
        );
        assert!(
            !log.contains("signal_refused") && !log.contains("UNSIGNED"),
            "{log}"
        );
    }
    // Who may publish and has no key, or no agent's, is refused by the engine.
    let agent = house.bus("flux-follower").await;
    let pem = read_to_string(house.keys.join("operator/operator.pem")).unwrap();
    let binding = Binding::new("local", CHANNEL);
    let forged = sign(
        VOTE.as_bytes(),
        &SigningKey::from_pem(&pem).unwrap(),
        &binding,
    )
    .unwrap();
    for (payload, code) in [(VOTE.as_bytes(), "UNSIGNED"), (&forged, "UNKNOWN_KEY")] {
        agent.publish(CHANNEL, payload).await.unwrap();
        let counter = format!("refused.{code}");
        beat_of(&reader, "consensus-engine", |beat| {
            beat.counters.contains_key(&counter)
        })
        .await;
    }
}

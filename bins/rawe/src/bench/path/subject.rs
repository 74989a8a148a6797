//! The processes of a measurement: a private Redis, and in turn the relays and the engine, all
//! started from this very program. What they cost is read from /proc.

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rawe_core::channels::SIGNAL_CHANNEL;
use toml::{Table, Value};

use super::figures::Part;
use super::load::{Load, Sender, nap};
use super::wire::{Replies, connect};
use crate::up::private_redis::find_program;

/// How long a process may take to be there.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Clock ticks a second of /proc on Linux.
const TICKS: f64 = 100.0;

/// The engine's configuration for the measurement: the given one with the durability wanted.
pub(super) fn configuration(
    path: &Path,
    durability: &str,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "reading {}; give --config a file with raised limits",
            path.display()
        )
    })?;
    let mut table: Table =
        toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let journal = table
        .entry("journal")
        .or_insert_with(|| Value::Table(Table::new()));
    if let Some(journal) = journal.as_table_mut() {
        journal.insert("durability".to_owned(), durability.into());
    }
    let own = folder.join(format!("bench-{durability}.toml"));
    std::fs::write(&own, table.to_string())
        .with_context(|| format!("writing {}", own.display()))?;
    Ok(own)
}

/// A private Redis that keeps nothing.
pub(super) struct Server {
    pub(super) port: u16,
    child: Child,
}

impl Server {
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = find_program().context(
            "redis-server is not installed; install it, as in: apt-get install redis-server",
        )?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--loglevel", "warning", "--dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting redis-server")?;
        let server = Self { port, child };
        let deadline = Instant::now() + START_LIMIT;
        while connect(port).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "redis-server does not answer");
            nap(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Empties it, so that no run hears of the one before.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        let mut replies = Replies::new(connect(self.port)?);
        replies.ask(&[b"FLUSHALL"])?;
        Ok(())
    }

    fn listeners(&self) -> anyhow::Result<u64> {
        let mut replies = Replies::new(connect(self.port)?);
        let answer = replies.ask(&[b"PUBSUB", b"NUMSUB", SIGNAL_CHANNEL.as_bytes()])?;
        Ok(String::from_utf8_lossy(&answer).parse().unwrap_or(0))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended already, and nothing else can be done about one that does not.
    let _ended = child.kill();
    let _reaped = child.wait();
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Relay,
    /// A relay made of the engine's libraries.
    Packages,
    /// With a journal of this durability.
    Engine(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay => f.write_str("the relay"),
            Self::Packages => f.write_str("the relay of the packages"),
            Self::Engine(durability) => write!(f, "the engine, journal {durability}"),
        }
    }
}

/// A running relay or engine.
pub(super) struct Subject {
    child: Child,
    log: PathBuf,
}

impl Subject {
    pub(super) fn start(
        kind: Kind,
        server: &Server,
        endpoint: u16,
        config: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join("subject.log");
        let file = std::fs::File::create(&log)?;
        let mut command = Command::new(std::env::current_exe()?);
        match kind {
            Kind::Relay | Kind::Packages => command
                .args(["bench", "relay", "--channel", SIGNAL_CHANNEL])
                .args(["--redis-port", &server.port.to_string()])
                .args(["--endpoint-port", &endpoint.to_string()])
                .args((kind == Kind::Packages).then_some("--packages")),
            Kind::Engine(_) => {
                let journal = folder.join("journal");
                if journal.exists() {
                    std::fs::remove_dir_all(&journal)?;
                }
                command
                    .args([
                        "run",
                        "consensus-engine",
                        "--log-format",
                        "json",
                        "--config",
                    ])
                    .arg(config)
                    .args(["--redis-url", &format!("redis://127.0.0.1:{}", server.port)])
                    .args(["--alpaca-url", &format!("http://127.0.0.1:{endpoint}")])
                    .args([
                        "--channel",
                        SIGNAL_CHANNEL,
                        "--deployment",
                        "bench",
                        "--journal",
                    ])
                    .arg(journal.join("journal.sqlite"))
            }
        };
        let child = command
            .env("RAWE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {kind}"))?;
        let mut subject = Self { child, log };
        let deadline = Instant::now() + START_LIMIT;
        while server.listeners()? == 0 {
            subject.check(deadline, "does not listen")?;
            nap(Duration::from_millis(20));
        }
        Ok(subject)
    }

    fn check(&mut self, deadline: Instant, what: &str) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        if ended.is_some() || Instant::now() > deadline {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            bail!("it {what}; its last lines:\n{}", last.join("\n"));
        }
        Ok(())
    }

    /// Votes until the first order comes, and a moment longer.
    pub(super) fn wait_until_it_decides(&mut self, sender: &mut Sender) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let before = sender.decided();
        while sender.decided() == before {
            self.check(deadline, "sends no order")?;
            sender.knock()?;
            nap(Duration::from_millis(250));
        }
        sender.knock()?;
        nap(Duration::from_millis(500));
        sender.forget();
        Ok(())
    }

    /// One part of a run, with what it cost this process.
    pub(super) fn measure(&mut self, sender: &mut Sender, load: &Load) -> anyhow::Result<Part> {
        let before = self.processor();
        let sent = sender.send(load)?;
        let spent = self
            .processor()
            .zip(before)
            .map(|(after, before)| after - before);
        self.check(Instant::now() + START_LIMIT, "ended")?;
        Ok(Part::of(&sent, spent))
    }

    /// Seconds of processor time so far, where the system tells.
    fn processor(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ').skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / TICKS)
    }

    /// Peak memory, KiB, where the system tells.
    pub(super) fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    pub(super) fn end(mut self) {
        end(&mut self.child);
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

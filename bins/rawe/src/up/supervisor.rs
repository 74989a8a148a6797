//! Children of `rawe up`: starting them, reading what they write, starting the dead ones again,
//! and stopping all of them in order. What their lines mean is not decided here.
//!
//! Every child has its own process group, so that Ctrl-C in a terminal reaches `rawe up` alone and
//! the order of the end is ours; and a pipe at its standard input, whose end tells it to stop when
//! `rawe up` itself was killed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::log_line::LogLine;
use crate::up::log_file::LogFile;
use crate::up::restart::{RestartPolicy, Verdict};

/// Exit code of a configuration that cannot be used.
pub(crate) const EXIT_BAD_CONFIGURATION: i32 = 64;
/// How long each stage of the end may take before the next one is told to stop.
const STAGE_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the whole end may take before what is left is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a dead child's last lines may take; a grandchild can hold the pipe open.
const LAST_LINES_PATIENCE: Duration = Duration::from_millis(500);
/// How many of its last lines are remembered, to be shown when it fails.
const TAIL_LINES: usize = 20;

/// In which order processes are told to stop: who speaks first, who is listened to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Those who vote.
    Agents,
    /// The pacer.
    Feed,
    /// The one that trades.
    Engine,
    /// The market.
    Exchange,
    /// Redis, or the one process that is everything.
    Bus,
}

impl Stage {
    const ORDER: [Self; 5] = [
        Self::Agents,
        Self::Feed,
        Self::Engine,
        Self::Exchange,
        Self::Bus,
    ];
}

/// How to start one process.
#[derive(Clone, Debug)]
pub(crate) struct ChildPlan {
    /// Its name.
    pub(crate) name: String,
    /// What is executed.
    pub(crate) program: PathBuf,
    /// With which arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Variables set on top of our own.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// When it is stopped.
    pub(crate) stage: Stage,
    /// Where its lines are kept.
    pub(crate) log: PathBuf,
    /// Whether leaving with 0 is its proper end.
    pub(crate) may_end: bool,
}

/// What happened to a child.
#[derive(Debug)]
pub(crate) enum ChildEvent {
    /// It wrote a line.
    Line(LogLine),
    /// It was started (again).
    Started {
        /// Its name.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// It died, and is started again after the pause.
    Died {
        /// Its name.
        name: String,
        /// How it ended, for people.
        how: String,
        /// Until the restart.
        pause: Duration,
    },
    /// It died too often and is left dead.
    Failed {
        /// Its name.
        name: String,
        /// How it ended the last time.
        how: String,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// It came to its proper end.
    Ended {
        /// Its name.
        name: String,
    },
    /// Its configuration cannot be used: nothing else will do any good.
    BadConfiguration {
        /// Its name.
        name: String,
        /// What it wrote about it.
        tail: Vec<String>,
    },
}

#[derive(Debug)]
struct Supervised {
    stage: Stage,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// All children.
#[derive(Debug)]
pub(crate) struct Supervisor {
    children: Vec<Supervised>,
    events: mpsc::Sender<ChildEvent>,
    kill_all: CancellationToken,
    policy: fn() -> RestartPolicy,
}

impl Supervisor {
    /// A supervisor that reports to `events`.
    pub(crate) fn new(events: mpsc::Sender<ChildEvent>) -> Self {
        Self {
            children: Vec::new(),
            events,
            kill_all: CancellationToken::new(),
            policy: RestartPolicy::default,
        }
    }

    /// A supervisor that never gives a child up.
    pub(crate) fn tireless(events: mpsc::Sender<ChildEvent>) -> Self {
        Self {
            policy: RestartPolicy::tireless,
            ..Self::new(events)
        }
    }

    /// Starts a child and keeps it alive from now on.
    pub(crate) fn start(&mut self, plan: ChildPlan) {
        let stop = CancellationToken::new();
        let stage = plan.stage;
        let keeper = Keeper {
            log: LogFile::new(plan.log.clone()),
            plan,
            events: self.events.clone(),
            stop: stop.clone(),
            kill: self.kill_all.clone(),
            policy: (self.policy)(),
            tail: VecDeque::new(),
        };
        let task = tokio::spawn(keeper.keep());
        self.children.push(Supervised { stage, stop, task });
    }

    /// Stops all children, stage by stage, and kills what is left after [`STOP_PATIENCE`].
    /// The caller must go on draining the events meanwhile, or drop their receiver.
    pub(crate) async fn stop(self) {
        let kill_all = self.kill_all.clone();
        let killer = tokio::spawn(async move {
            sleep(STOP_PATIENCE).await;
            kill_all.cancel();
        });
        let mut late = Vec::new();
        let mut waiting = self.children;
        for stage in Stage::ORDER {
            let (now, later) = waiting.into_iter().partition(|child| child.stage == stage);
            waiting = later;
            let now: Vec<Supervised> = now;
            for child in &now {
                child.stop.cancel();
            }
            let deadline = tokio::time::Instant::now() + STAGE_PATIENCE;
            for mut child in now {
                if tokio::time::timeout_at(deadline, &mut child.task)
                    .await
                    .is_err()
                {
                    late.push(child.task);
                }
            }
        }
        for task in late {
            let _ = task.await;
        }
        killer.abort();
    }
}

/// How one life of a child ended.
enum End {
    /// We stopped it.
    Stopped,
    /// By itself.
    Exited(ExitStatus),
    /// It could not even be started.
    NotStarted(std::io::Error),
}

struct Keeper {
    plan: ChildPlan,
    events: mpsc::Sender<ChildEvent>,
    stop: CancellationToken,
    kill: CancellationToken,
    log: LogFile,
    policy: RestartPolicy,
    tail: VecDeque<String>,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let how = match self.live().await {
                End::Stopped => return,
                End::Exited(status) if status.code() == Some(EXIT_BAD_CONFIGURATION) => {
                    let tail = self.tail.drain(..).collect();
                    let name = self.plan.name.clone();
                    self.tell(ChildEvent::BadConfiguration { name, tail }).await;
                    return;
                }
                End::Exited(status) if status.success() && self.plan.may_end => {
                    self.tell(ChildEvent::Ended {
                        name: self.plan.name.clone(),
                    })
                    .await;
                    return;
                }
                End::Exited(status) => status.to_string(),
                End::NotStarted(error) => {
                    format!("could not start {}: {error}", self.plan.program.display())
                }
            };
            let name = self.plan.name.clone();
            match self.policy.died(Instant::now()) {
                Verdict::GiveUp => {
                    let tail = self.tail.drain(..).collect();
                    self.tell(ChildEvent::Failed { name, how, tail }).await;
                    return;
                }
                Verdict::RestartAfter(pause) => {
                    self.tell(ChildEvent::Died { name, how, pause }).await;
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
    }

    /// One life, from start to end.
    async fn live(&mut self) -> End {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => return End::NotStarted(error),
        };
        let pid = child.id().unwrap_or_default();
        self.tell(ChildEvent::Started {
            name: self.plan.name.clone(),
            pid,
        })
        .await;
        // Held until the end of this life: when it closes, the child knows that we are gone.
        let _lifeline = child.stdin.take();
        let mut out = child.stdout.take().map(|pipe| BufReader::new(pipe).lines());
        let mut err = child.stderr.take().map(|pipe| BufReader::new(pipe).lines());
        let (stop, kill) = (self.stop.clone(), self.kill.clone());
        let mut stopping = false;
        let end = loop {
            tokio::select! {
                line = next_line(&mut out) => self.wrote(line).await,
                line = next_line(&mut err) => self.wrote(line).await,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    terminate(pid);
                }
                () = kill.cancelled(), if stopping => {
                    let _ = child.kill().await;
                    break End::Stopped;
                }
                status = child.wait() => break match status {
                    _ if stopping => End::Stopped,
                    Ok(status) => End::Exited(status),
                    Err(error) => End::NotStarted(error),
                },
            }
        };
        let _ = timeout(LAST_LINES_PATIENCE, self.last_lines(&mut out, &mut err)).await;
        end
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.plan.program)
            .args(&self.plan.arguments)
            .envs(
                self.plan
                    .variables
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn last_lines<O, E>(
        &mut self,
        out: &mut Option<Lines<BufReader<O>>>,
        err: &mut Option<Lines<BufReader<E>>>,
    ) where
        O: AsyncRead + Unpin,
        E: AsyncRead + Unpin,
    {
        while out.is_some() {
            let line = next_line(out).await;
            self.wrote(line).await;
        }
        while err.is_some() {
            let line = next_line(err).await;
            self.wrote(line).await;
        }
    }

    async fn wrote(&mut self, line: Option<String>) {
        let Some(text) = line.filter(|text| !text.trim().is_empty()) else {
            return;
        };
        let line = LogLine::read(&self.plan.name, &text);
        self.log.append(&line.to_json());
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(if line.message.is_empty() {
            text
        } else {
            line.message.clone()
        });
        self.tell(ChildEvent::Line(line)).await;
    }

    async fn tell(&self, event: ChildEvent) {
        // The receiver is gone only when `rawe up` is past caring.
        let _ = self.events.send(event).await;
    }
}

/// The next line of a pipe; never returns once the pipe has ended and was set to `None`, so that
/// `select!` waits for the other branches.
async fn next_line<R: AsyncRead + Unpin>(
    lines: &mut Option<Lines<BufReader<R>>>,
) -> Option<String> {
    let Some(reader) = lines else {
        return std::future::pending().await;
    };
    let line = reader.next_line().await.ok().flatten();
    if line.is_none() {
        *lines = None;
    }
    line
}

fn terminate(pid: u32) {
    if let Ok(pid) = i32::try_from(pid)
        && pid > 0
    {
        // It may be gone already; then there is nothing to stop.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

#[cfg(test)]
mod tests;

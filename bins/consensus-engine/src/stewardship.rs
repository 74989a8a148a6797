//! Which of several engines may trade. Two things must be had: a lock on a file beside the journal,
//! which the system frees when its holder dies, and a lease on the bus for the deployment. Who has
//! both trades; anybody else stands by.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rawe_bus::{Bus, Lease, LeaseHolder};
use rawe_core::ProcessState;
use rawe_runtime::Heart;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// For how long a lease holds that is not renewed.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often it is renewed, or asked for again.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How much earlier than the bus we count it as over, for clocks that tick unalike.
const MARGIN: Duration = Duration::from_millis(500);
/// For how long a bus that cannot be asked is borne at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseNews {
    /// We have it, under this token.
    Held(u64),
    /// It ran out because the bus cannot be asked. Nobody else can have it from this bus either.
    Away(String),
    /// Somebody else has it.
    Lost(String),
}

/// Our part in it.
#[derive(Clone, Debug)]
pub(crate) struct Stewardship {
    bus: Arc<dyn Bus>,
    name: String,
    boot: String,
    holder: String,
    valid_until: Arc<Mutex<Option<Instant>>>,
    /// Locked as long as this lives.
    _lock: Arc<File>,
    /// The token under which we began.
    pub(crate) token: u64,
}

impl Stewardship {
    /// Waits until nobody else may trade for this deployment. `None` when told to end.
    ///
    /// # Errors
    /// When the bus or the file cannot be asked for half a minute.
    pub(crate) async fn acquire(
        bus: Arc<dyn Bus>,
        deployment: &str,
        journal: &Path,
        boot: &str,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let path = lock_path(journal);
        let holder = holder_name(&path);
        let standby = CancellationToken::new();
        let mut stands_by = false;
        let mut silent_since: Option<Instant> = None;
        loop {
            let taken_by = match try_lock(&path)? {
                None => format!("another engine on this machine, by {}", path.display()),
                Some(lock) => {
                    let asked = Instant::now();
                    let asking = LeaseHolder {
                        boot,
                        holder: &holder,
                    };
                    match bus.lease(deployment, asking, LEASE_TTL).await {
                        Ok(Lease::Held { token }) => {
                            standby.cancel();
                            return Ok(Some(Self {
                                bus,
                                name: deployment.to_owned(),
                                boot: boot.to_owned(),
                                holder,
                                valid_until: Arc::new(Mutex::new(Some(asked + LEASE_TTL - MARGIN))),
                                _lock: Arc::new(lock),
                                token,
                            }));
                        }
                        Ok(Lease::Taken { holder, .. }) => holder,
                        Err(error) => {
                            let since = *silent_since.get_or_insert(asked);
                            if since.elapsed() >= PATIENCE {
                                return Err(error).context("asking for the lease on trading");
                            }
                            format!("nobody can tell, {error}")
                        }
                    }
                }
            };
            if !stands_by {
                stands_by = true;
                stand_by(&bus, &taken_by, &standby);
            }
            tokio::select! {
                () = sleep(RENEW_EVERY / 2) => {}
                () = shutdown.cancelled() => {
                    standby.cancel();
                    return Ok(None);
                }
            }
        }
    }

    /// Whether it is certain, without asking, that nobody else has the lease now.
    pub(crate) fn is_valid(&self) -> bool {
        let until = *self
            .valid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set_valid_until(&self, until: Option<Instant>) {
        *self
            .valid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Renews the lease until the shutdown, telling every change.
    pub(crate) async fn keep(self, news: mpsc::Sender<LeaseNews>, shutdown: CancellationToken) {
        let mut told = LeaseNews::Held(self.token);
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = sleep(RENEW_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
            let asked = Instant::now();
            let asking = LeaseHolder {
                boot: &self.boot,
                holder: &self.holder,
            };
            let now = match self.bus.lease(&self.name, asking, LEASE_TTL).await {
                Ok(Lease::Held { token }) => {
                    self.set_valid_until(Some(asked + LEASE_TTL - MARGIN));
                    LeaseNews::Held(token)
                }
                Ok(Lease::Taken { holder, .. }) => {
                    self.set_valid_until(None);
                    LeaseNews::Lost(holder)
                }
                Err(_) if self.is_valid() => continue,
                Err(error) => LeaseNews::Away(error.to_string()),
            };
            let same = matches!((&told, &now), (LeaseNews::Away(_), LeaseNews::Away(_)));
            if same || told == now {
                continue;
            }
            told = now.clone();
            if news.send(now).await.is_err() {
                return;
            }
        }
    }

    /// Gives the lease back, so that a standby takes over at once.
    pub(crate) async fn give_back(&self) {
        if let Err(error) = self.bus.release_lease(&self.name, &self.boot).await {
            tracing::debug!(event = "lease_kept", %error, "it runs out by itself");
        }
    }
}

/// Says that another engine trades, in the log and in a heartbeat of its own.
fn stand_by(bus: &Arc<dyn Bus>, taken_by: &str, standby: &CancellationToken) {
    tracing::warn!(
        event = "engine_stands_by",
        holder = taken_by,
        "another engine trades for this deployment; this one takes over when that one is gone"
    );
    let process = format!("{}-standby", crate::instants::PROCESS);
    let heart = Heart::new(&process, None, rawe_runtime::new_boot_id());
    heart.set_state(ProcessState::Halted, format!("standing by for {taken_by}"));
    heart.beat(bus.clone(), standby.clone());
}

fn lock_path(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".engine-lock");
    journal.with_file_name(name)
}

/// The file, locked; `None` if another process has it.
fn try_lock(path: &Path) -> anyhow::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("opening the lock {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// This machine and this journal: of all engines of this name only one lives, by the lock.
fn holder_name(lock: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .unwrap_or_else(|_| "this machine".to_owned());
    let path = std::fs::canonicalize(lock).unwrap_or_else(|_| lock.to_owned());
    format!("{}:{}", host.trim(), path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_bus::MemoryBus;
    use tokio::time::timeout;

    async fn acquire(bus: &MemoryBus, journal: &Path, boot: &str) -> Option<Stewardship> {
        let shutdown = CancellationToken::new();
        let acquiring =
            Stewardship::acquire(Arc::new(bus.clone()), "local", journal, boot, &shutdown);
        match timeout(Duration::from_secs(2), acquiring).await {
            Ok(had) => had.unwrap(),
            Err(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_has_it_a_restart_gets_it_at_once_and_a_standby_when_it_runs_out() {
        let (bus, folder) = (MemoryBus::new(), tempfile::tempdir().unwrap());
        let (here, there) = (
            folder.path().join("a.sqlite"),
            folder.path().join("b.sqlite"),
        );
        let first = acquire(&bus, &here, "boot-1").await.unwrap();
        assert!(first.is_valid());
        assert!(acquire(&bus, &here, "boot-2").await.is_none(), "locked");
        assert!(acquire(&bus, &there, "boot-3").await.is_none(), "leased");
        let token = first.token;
        drop(first);
        let again = acquire(&bus, &here, "boot-4").await.unwrap();
        assert!(again.token > token);
        again.give_back().await;
        drop(again);
        let other = acquire(&bus, &there, "boot-5").await.unwrap();
        sleep(LEASE_TTL).await;
        assert!(!other.is_valid(), "not renewed");
        assert!(acquire(&bus, &here, "boot-6").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_kept_and_its_loss_is_told() {
        let (bus, folder) = (MemoryBus::new(), tempfile::tempdir().unwrap());
        let here = folder.path().join("a.sqlite");
        let ours = acquire(&bus, &here, "boot-1").await.unwrap();
        let (sender, mut news) = mpsc::channel(4);
        let shutdown = CancellationToken::new();
        let keeping = tokio::spawn(ours.clone().keep(sender, shutdown.clone()));
        sleep(LEASE_TTL * 3).await;
        assert!(ours.is_valid());
        assert!(news.try_recv().is_err(), "nothing has changed");
        bus.release_lease("local", "boot-1").await.unwrap();
        let thief = LeaseHolder {
            boot: "boot-9",
            holder: "elsewhere",
        };
        bus.lease("local", thief, LEASE_TTL).await.unwrap();
        assert_eq!(
            news.recv().await,
            Some(LeaseNews::Lost("elsewhere".to_owned()))
        );
        assert!(!ours.is_valid());
        shutdown.cancel();
        keeping.await.unwrap();
    }
}

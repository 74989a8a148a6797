//! The run folder: where one `rawe up` keeps its state file, the logs of all its processes, the
//! private Redis's data and the engine's journal; and how `rawe status` and `rawe logs` find it.
//!
//! A folder is `<base>/run-<date>-<time>-<pid>`. The newest finished one stays until the next
//! start, so that a run can be read afterwards; `--keep` keeps it for good.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Where run folders are made when the user names no other place.
pub(crate) const BASE_DEFAULT: &str = ".rawe";
const STATE_FILE: &str = "state.json";
/// The engine's journal in the folder.
pub(crate) const JOURNAL_FILE: &str = "journal.sqlite";
/// The journal of the broker's paper account, beside the run folders, which it outlives.
pub(crate) const ALPACA_JOURNAL_FILE: &str = "alpaca-paper-journal.sqlite";
const NAME_PREFIX: &str = "run-";

/// What `rawe up` writes for the other commands. Readable by the user alone, because the private
/// Redis's password is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// The process id of `rawe up`.
    pub(crate) pid: u32,
    /// Wall time of the start.
    pub(crate) started: Timestamp,
    /// `redis` or `embedded`.
    pub(crate) bus: String,
    /// The bus for people, without a password.
    pub(crate) bus_described: String,
    /// How to reach the private Redis. Absent when the user gave a URL, whose password is not ours
    /// to write down, and when everything runs embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redis_url: Option<String>,
    /// Whether the folder outlives the next start.
    #[serde(default)]
    pub(crate) keep: bool,
    /// The processes, in the order of their start.
    #[serde(default)]
    pub(crate) processes: Vec<ProcessEntry>,
}

/// One child in the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessEntry {
    /// Its name.
    pub(crate) name: String,
    /// Its process id; absent while it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// `running`, `restarting`, `FAILED` or `ended`.
    pub(crate) state: String,
    /// How often it was started again.
    #[serde(default)]
    pub(crate) restarts: u32,
}

impl RunState {
    /// Whether the `rawe up` that wrote this is still there.
    pub(crate) fn is_running(&self) -> bool {
        i32::try_from(self.pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
    }
}

/// A run folder.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl RunFolder {
    /// Makes a folder under `base`, or under the system's temporary folder when `base` cannot be
    /// written, and removes the folders of earlier runs that ended and were not to be kept.
    pub(crate) fn create(base: &Path, now: Timestamp) -> anyhow::Result<Self> {
        let name = format!(
            "{NAME_PREFIX}{}-{}",
            now.format("%Y%m%d-%H%M%S"),
            std::process::id()
        );
        let make = |base: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(base.join(&name))?;
            base.join(&name).canonicalize()
        };
        let path = make(base).or_else(|_| {
            let fallback = std::env::temp_dir().join("rawe");
            make(&fallback).with_context(|| {
                format!(
                    "making a run folder in {} and {}",
                    base.display(),
                    fallback.display()
                )
            })
        })?;
        if let Some(base) = path.parent() {
            remove_finished(base, &path);
        }
        Ok(Self { path })
    }

    /// The newest run folder with a state file under `base` or the temporary folder.
    pub(crate) fn newest(base: &Path) -> Option<(Self, RunState)> {
        let fallback = std::env::temp_dir().join("rawe");
        let mut found: Vec<_> = [base, fallback.as_path()]
            .iter()
            .flat_map(|base| run_folders(base))
            .filter_map(|folder| folder.state().map(|state| (folder, state)))
            .collect();
        found.sort_by_key(|(_, state)| (state.is_running(), state.started));
        found.pop()
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log of a process.
    pub(crate) fn log_of(&self, process: &str) -> PathBuf {
        self.file(&format!("{process}.jsonl"))
    }

    /// The state file's content, if it is there and whole.
    pub(crate) fn state(&self) -> Option<RunState> {
        serde_json::from_slice(&fs::read(self.file(STATE_FILE)).ok()?).ok()
    }

    /// Writes the state file: whole, or not at all.
    pub(crate) fn write_state(&self, state: &RunState) -> anyhow::Result<()> {
        let target = self.file(STATE_FILE);
        let fresh = self.file("state.json.new");
        write_private(&fresh, &serde_json::to_vec_pretty(state)?)
            .and_then(|()| fs::rename(&fresh, &target))
            .with_context(|| format!("writing {}", target.display()))
    }
}

/// Writes a file that only this user can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}

fn run_folders(base: &Path) -> Vec<RunFolder> {
    let Ok(entries) = fs::read_dir(base) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(NAME_PREFIX))
        .map(|entry| RunFolder { path: entry.path() })
        .collect()
}

fn remove_finished(base: &Path, except: &Path) {
    for folder in run_folders(base) {
        let finished = folder
            .state()
            .is_some_and(|state| !state.keep && !state.is_running());
        if finished && folder.path != except {
            // A folder that cannot be removed is left; the next start tries again.
            let _ = fs::remove_dir_all(&folder.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn state(pid: u32, started: &str) -> RunState {
        RunState {
            pid,
            started: at(started),
            bus: "redis".to_owned(),
            bus_described: "redis://127.0.0.1:1".to_owned(),
            redis_url: None,
            keep: false,
            processes: Vec::new(),
        }
    }

    /// A process id that no process has: above the kernel's maximum.
    const NOBODY: u32 = 0x7fff_fff0;

    #[test]
    fn the_next_start_removes_what_ended_and_keeps_what_runs_or_was_to_be_kept() {
        let base = tempfile::tempdir().unwrap();
        let ended = RunFolder::create(base.path(), at("2026-01-01T00:00:00Z")).unwrap();
        ended
            .write_state(&state(NOBODY, "2026-01-01T00:00:00Z"))
            .unwrap();
        let kept = RunFolder::create(base.path(), at("2026-01-02T00:00:00Z")).unwrap();
        assert!(!ended.path.exists());
        kept.write_state(&RunState {
            keep: true,
            ..state(NOBODY, "2026-01-02T00:00:00Z")
        })
        .unwrap();
        let running = RunFolder::create(base.path(), at("2026-01-03T00:00:00Z")).unwrap();
        running
            .write_state(&state(std::process::id(), "2026-01-03T00:00:00Z"))
            .unwrap();
        let newest = RunFolder::create(base.path(), at("2026-01-04T00:00:00Z")).unwrap();
        assert!(kept.path.exists() && running.path.exists() && newest.path.exists());
    }

    #[test]
    fn a_running_one_is_found_before_a_newer_one_that_ended() {
        let base = tempfile::tempdir().unwrap();
        let running = RunFolder::create(base.path(), at("2026-01-03T00:00:00Z")).unwrap();
        running
            .write_state(&state(std::process::id(), "2026-01-03T00:00:00Z"))
            .unwrap();
        let ended = RunFolder::create(base.path(), at("2026-01-04T00:00:00Z")).unwrap();
        ended
            .write_state(&state(NOBODY, "2026-01-04T00:00:00Z"))
            .unwrap();
        let (found, read) = RunFolder::newest(base.path()).unwrap();
        assert_eq!(found.path, running.path);
        assert_eq!(read, state(std::process::id(), "2026-01-03T00:00:00Z"));
    }

    #[test]
    fn the_state_file_is_for_the_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(base.path(), at("2026-01-01T00:00:00Z")).unwrap();
        folder
            .write_state(&state(NOBODY, "2026-01-01T00:00:00Z"))
            .unwrap();
        let mode = fs::metadata(folder.file(STATE_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

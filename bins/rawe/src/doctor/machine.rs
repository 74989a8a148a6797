//! This machine: can the journal be written, how long does a write take until it is on the disk,
//! how much room is there, and does it know New York's time?

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Findings;

/// How often the disk is asked.
const SYNCS: usize = 20;
/// Slower than this, each order of an account that syncs waits noticeably.
const SYNC_SLOW: Duration = Duration::from_millis(50);
/// Faster than this, no disk was asked.
const SYNC_UNBELIEVABLE: Duration = Duration::from_micros(20);
/// Room for weeks of a busy journal, bytes.
const ROOM_MIN: u64 = 1 << 30;
/// Less is too little to begin with, bytes.
const ROOM_LEAST: u64 = 64 << 20;

pub(super) fn look(journal: &Path, findings: &mut Findings) {
    let folder = match journal.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // It is made by the engine at its first start; until then its place is what counts.
    let folder = folder
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(folder);
    look_at_disk(folder, findings);
    look_at_room(folder, findings);
    findings.ok(
        "time_zones",
        "built in: New York's, daylight saving by the rule in force since 2007".to_owned(),
    );
}

fn look_at_disk(folder: &Path, findings: &mut Findings) {
    let check = "journal.disk";
    let mut times = match time_syncs(folder) {
        Ok(times) => times,
        Err(error) => {
            let found = format!("{} cannot be written: {error}", folder.display());
            return findings.fail(check, found, "choose another --journal, or mend the rights");
        }
    };
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    let found = format!(
        "{}: a write is on the disk after {:.2} ms (slowest of {SYNCS}: {:.2} ms)",
        folder.display(),
        median.as_secs_f64() * 1e3,
        slowest.as_secs_f64() * 1e3
    );
    if median > SYNC_SLOW {
        let advice = "an order waits that long when journal.durability is \"synced\"; use an SSD";
        findings.warn(check, found, advice);
    } else if median < SYNC_UNBELIEVABLE {
        let advice = "too fast for a disk: memory, or a disk that promises what it has not done";
        findings.warn(check, found, advice);
    } else {
        findings.ok(check, found);
    }
}

fn time_syncs(folder: &Path) -> std::io::Result<Vec<Duration>> {
    let path = folder.join(format!(".rawe-doctor-{}", std::process::id()));
    let work = || -> std::io::Result<Vec<Duration>> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let page = [7_u8; 4096];
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let started = Instant::now();
            file.write_all(&page)?;
            file.sync_data()?;
            times.push(started.elapsed());
        }
        Ok(times)
    };
    let result = work();
    // Where it could not be made there is nothing to remove.
    let _removed = std::fs::remove_file(&path);
    result
}

fn look_at_room(folder: &Path, findings: &mut Findings) {
    let check = "journal.room";
    let Some(room) = room(folder) else {
        return findings.warn(check, "unknown: `df` does not say", "look yourself");
    };
    let found = format!("{} MiB free at {}", room >> 20, folder.display());
    match room {
        room if room < ROOM_LEAST => findings.fail(check, found, "make room"),
        room if room < ROOM_MIN => findings.warn(check, found, "make room before it is full"),
        _ => findings.ok(check, found),
    }
}

/// Free bytes, as POSIX's `df` tells them in its fourth column.
fn room(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(free.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut findings = Findings::default();
        look(&folder.path().join("new/journal.sqlite"), &mut findings);
        assert_eq!(findings.0.len(), 3);
        assert_ne!(findings.worst(), Level::Fail, "{findings:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

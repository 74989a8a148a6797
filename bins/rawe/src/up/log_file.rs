//! One process's log file in the run folder, capped: when it is full it becomes `<name>.1` and a
//! new one begins, so that a run of weeks keeps its newest lines and never fills the disk.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

/// The size at which a file is full. Two of them per process, ten processes: at most 640 MB.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A capped log file. Failing to write it is not a reason to stop trading: the line is dropped.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    bytes_max: u64,
}

impl LogFile {
    /// A log at `path`, opened with the first line.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            bytes: 0,
            bytes_max: FILE_BYTES_MAX,
        }
    }

    /// Appends a line.
    pub(crate) fn append(&mut self, line: &str) {
        let length = line.len() as u64 + 1;
        if self.bytes + length > self.bytes_max && self.bytes > 0 {
            self.file = None;
            self.bytes = 0;
            let _ = std::fs::rename(&self.path, self.path.with_extension("1.jsonl"));
        }
        if self.file.is_none() {
            self.file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)
                .ok();
        }
        if let Some(file) = &mut self.file {
            self.bytes += length;
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_lines_within_twice_the_cap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let mut log = LogFile {
            bytes_max: 100,
            ..LogFile::new(path.clone())
        };
        for i in 0..100 {
            log.append(&format!("line {i:03}"));
        }
        let newest = std::fs::read_to_string(&path).unwrap();
        let older = std::fs::read_to_string(folder.path().join("x.1.jsonl")).unwrap();
        assert!(newest.ends_with("line 099\n"));
        assert!(newest.len() <= 100 && older.len() <= 100);
        assert!(older.lines().chain(newest.lines()).count() > 11);
    }
}

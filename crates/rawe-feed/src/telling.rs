//! The log line about a file that was read, the same from every program that reads one.

use std::path::Path;

use crate::files::FileReport;

/// Says what became of a file's lines.
pub fn tell_file_read(path: &Path, report: &FileReport) {
    tracing::info!(
        event = "file_read",
        path = %path.display(),
        lines = report.lines,
        accepted = report.accepted,
        refused = report.refused(),
        faults = report.faults_text(),
        "read a file"
    );
}

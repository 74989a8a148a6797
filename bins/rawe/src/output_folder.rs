//! Files that appear in a folder all at once: written beside their places first, then renamed. A
//! reader never sees half a file, and a run that fails leaves the folder as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::SecondsFormat;
use rawe_core::Timestamp;

/// Files waiting to be written.
pub(crate) struct OutputFolder {
    folder: PathBuf,
    files: Vec<(String, String)>,
    rows: BTreeMap<String, u64>,
}

impl OutputFolder {
    /// Nothing yet, for this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    /// Adds a file; 0 rows mean that it is no table.
    pub(crate) fn add(&mut self, name: &str, rows: u64, text: String) {
        if rows > 0 {
            self.rows.insert(name.to_owned(), rows);
        }
        self.files.push((name.to_owned(), text));
    }

    /// The tables added, with their rows.
    pub(crate) fn rows(&self) -> BTreeMap<String, u64> {
        self.rows.clone()
    }

    /// Writes everything.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let folder = &self.folder;
        let failed = |what: &str, path: &Path| {
            format!(
                "{what} {} failed; check the folder and its permissions",
                path.display()
            )
        };
        std::fs::create_dir_all(folder).with_context(|| failed("making the folder", folder))?;
        let waiting = |name: &str| folder.join(format!(".{name}.{}", std::process::id()));
        for (name, text) in &self.files {
            let path = waiting(name);
            std::fs::write(&path, text).with_context(|| failed("writing", &path))?;
        }
        for (name, _) in &self.files {
            let path = folder.join(name);
            std::fs::rename(waiting(name), &path).with_context(|| failed("writing", &path))?;
        }
        Ok(())
    }
}

/// A table as CSV, and how many rows it has.
pub(crate) fn csv_text(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> anyhow::Result<(String, u64)> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    let mut count = 0;
    for row in rows {
        writer.write_record(&row)?;
        count += 1;
    }
    let bytes = writer.into_inner().context("writing a table failed")?;
    Ok((
        String::from_utf8(bytes).context("writing a table failed")?,
        count,
    ))
}

/// An instant as files write it, such as 2020-01-02T21:00:00Z.
pub(crate) fn time_text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_and_cells_are_quoted() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let rows = vec![vec!["1,2".to_owned(), "x\"y".to_owned()]];
        let (text, count) = csv_text(&["id", "narrative"], rows.into_iter()).unwrap();
        assert_eq!(
            (text.as_str(), count),
            ("id,narrative\n\"1,2\",\"x\"\"y\"\n", 1)
        );
        let mut out = OutputFolder::new(&folder);
        out.add("t.csv", count, text);
        out.write().unwrap();
        let names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["t.csv"]);
        let at: Timestamp = "2020-01-02T21:00:00Z".parse().unwrap();
        assert_eq!(time_text(at), "2020-01-02T21:00:00Z");
    }
}

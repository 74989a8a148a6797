//! Texts in an order without times, with the story each belongs to, as benchmarks of stream
//! clustering publish them.

use std::path::Path;

use super::records::{Record, for_each_record};
use super::{FileError, FileReport, LineFault, nothing};

/// The columns a stream must have.
const REQUIRED: [&str; 2] = ["id", "text"];
/// The header as documented.
const HEADER: &str = "seq,id,text,cluster";

/// One text of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamItem {
    /// Its id, as the file writes it.
    pub id: String,
    /// The text.
    pub text: String,
    /// The true story; `None` where the file leaves it open.
    pub cluster: Option<String>,
}

/// The items of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamFile {
    /// The items, in the order of the file.
    pub items: Vec<StreamItem>,
    /// What became of the lines.
    pub report: FileReport,
}

pub(super) fn read(path: &Path) -> Result<StreamFile, FileError> {
    let mut report = FileReport::default();
    let mut items = Vec::new();
    for_each_record(
        path,
        &REQUIRED,
        ("stream items", HEADER),
        &mut report,
        |record, _, _| {
            items.push(parse_item(record)?);
            Ok(())
        },
    )?;
    report.accepted = items.len() as u64;
    if items.is_empty() {
        return Err(nothing(path, "stream items", &report));
    }
    Ok(StreamFile { items, report })
}

fn parse_item(record: &Record<'_>) -> Result<StreamItem, LineFault> {
    let (id, text) = record.id_and_text()?;
    let cluster = Some(record.text("cluster")).filter(|cluster| !cluster.is_empty());
    Ok(StreamItem { id, text, cluster })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn items_keep_their_order_and_bad_ones_are_counted() {
        let (_folder, path) = file(concat!(
            "{\"seq\":0,\"id\":\"9\",\"text\":\"spd labor talk\",\"cluster\":2}\n",
            "{\"seq\":1,\"id\":\"3\",\"text\":\"pm resigns\",\"cluster\":\"5\"}\n",
            "{\"seq\":2,\"id\":\"\",\"text\":\"nobody\"}\n",
            "{\"seq\":3,\"id\":\"4\",\"text\":\"open\"}\n",
            "[]\n",
        ));
        let found = read(&path).unwrap();
        let rows: Vec<_> = found
            .items
            .iter()
            .map(|i| (i.id.as_str(), i.cluster.as_deref()))
            .collect();
        assert_eq!(rows, [("9", Some("2")), ("3", Some("5")), ("4", None)]);
        assert_eq!((found.report.lines, found.report.refused()), (5, 2));
        let (_folder, path) = file("");
        assert!(matches!(read(&path), Err(FileError::Nothing { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_file_is_read_without_panic(text in "(\\PC|\n|,|\"){0,200}") {
            let (_folder, path) = file(&text);
            if let Ok(found) = read(&path) {
                prop_assert_eq!(found.report.lines, found.report.accepted + found.report.refused());
            }
        }
    }
}

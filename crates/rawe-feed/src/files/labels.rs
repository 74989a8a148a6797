//! Texts with a label of their tone, as benchmarks of sentiment publish them.

use std::collections::HashSet;
use std::path::Path;

use rawe_core::Register;

use super::records::{Record, for_each_record};
use super::{FileError, FileReport, LineFault, nothing, register_of};

/// The columns a file of labels must have.
const REQUIRED: [&str; 2] = ["id", "text"];
/// The header as documented.
const HEADER: &str = "id,text,label,entity,emotion,source";

/// One labelled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledText {
    /// Its id, unique in the file.
    pub id: String,
    /// The text.
    pub text: String,
    /// -1, 0 or +1; `None` where the file leaves it open.
    pub label: Option<i8>,
    /// Whom the label is about, if the file says so.
    pub entity: Option<String>,
    /// Its source, if the file names one.
    source: Option<String>,
    /// Whether the row names an emotion, which only posts of users have.
    emotional: bool,
}

/// The labelled texts of a file.
#[derive(Clone, Debug, Default)]
pub struct LabelFile {
    /// The rows, in the order of the file.
    pub rows: Vec<LabelledText>,
    /// What became of the lines.
    pub report: FileReport,
}

impl LabelFile {
    /// The register of the whole file: social where a source of posts is named, where rows carry
    /// the emotion of a user, or where most texts speak of $tickers or to @names; else news.
    pub fn register(&self) -> Register {
        let named = self.rows.iter().find_map(|row| row.source.as_deref());
        if let Some(source) = named {
            return register_of(source);
        }
        let posts = self.rows.iter().filter(|row| looks_like_a_post(&row.text));
        let mostly = posts.count() * 2 > self.rows.len();
        if mostly || self.rows.iter().any(|row| row.emotional) {
            Register::Social
        } else {
            Register::News
        }
    }
}

/// A word that begins with $ and a letter, or with @.
fn looks_like_a_post(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (Some('$'), Some(letter)) => letter.is_ascii_alphabetic(),
            (Some('@'), Some(letter)) => letter.is_alphanumeric(),
            _ => false,
        }
    })
}

pub(super) fn read(path: &Path) -> Result<LabelFile, FileError> {
    let mut report = FileReport::default();
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for_each_record(
        path,
        &REQUIRED,
        ("labels", HEADER),
        &mut report,
        |record, _, _| {
            let row = parse_row(record)?;
            if !seen.insert(row.id.clone()) {
                return Err(LineFault::Duplicate);
            }
            rows.push(row);
            Ok(())
        },
    )?;
    report.accepted = rows.len() as u64;
    if rows.is_empty() {
        return Err(nothing(path, "labels", &report));
    }
    Ok(LabelFile { rows, report })
}

fn parse_row(record: &Record<'_>) -> Result<LabelledText, LineFault> {
    let (id, text) = record.id_and_text()?;
    let some = |name| Some(record.text(name)).filter(|text: &String| !text.is_empty());
    let label = match some("label")
        .map(|label| label.to_ascii_lowercase())
        .as_deref()
    {
        None => None,
        Some("-1" | "-1.0" | "negative" | "bearish") => Some(-1),
        Some("0" | "0.0" | "neutral") => Some(0),
        Some("1" | "+1" | "1.0" | "positive" | "bullish") => Some(1),
        Some(_) => return Err(LineFault::BadNumber),
    };
    Ok(LabelledText {
        id,
        text,
        label,
        entity: some("entity"),
        source: some("source"),
        emotional: some("emotion").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn rows_are_read_and_bad_ones_counted() {
        let (_folder, path) = file(concat!(
            "{\"id\":\"a\",\"text\":\"Shares rose\",\"label\":1,\"entity\":\"X\"}\n",
            "{\"id\":\"b\",\"text\":\"Shares fell\",\"label\":\"negative\"}\n",
            "{\"id\":\"c\",\"text\":\"Nobody said\"}\n",
            "{\"id\":\"d\",\"text\":\"Odd\",\"label\":7}\n",
            "{\"id\":\"a\",\"text\":\"Again\",\"label\":0}\n",
            "{\"id\":\"e\",\"text\":\"\",\"label\":0}\n",
            "not json\n",
        ));
        let found = read(&path).unwrap();
        let labels: Vec<_> = found.rows.iter().map(|row| row.label).collect();
        assert_eq!(labels, [Some(1), Some(-1), None]);
        assert_eq!(found.rows[0].entity.as_deref(), Some("X"));
        assert_eq!((found.report.lines, found.report.refused()), (7, 4));
        assert_eq!(found.register(), Register::News);
    }

    #[test]
    fn the_register_is_that_of_the_texts() {
        let cases = [
            (
                "id,text,label\n1,$TSLA to the moon,1\n2,@you see,-1\n",
                Register::Social,
            ),
            (
                "id,text,label\n1,Profit of $5 mn,1\n2,Loss,0\n",
                Register::News,
            ),
            ("id,text,emotion\n1,so good,joy\n", Register::Social),
            ("id,text,source\n1,so good,reddit/x\n", Register::Social),
            ("id,text,source\n1,$T up,wire\n", Register::News),
        ];
        for (text, register) in cases {
            let (_folder, path) = file(text);
            assert_eq!(read(&path).unwrap().register(), register, "{text}");
        }
        let (_folder, path) = file("id,label\n1,1\n");
        assert!(matches!(
            read(&path),
            Err(FileError::Column { column: "text", .. })
        ));
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

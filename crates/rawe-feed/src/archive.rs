//! A folder of what was recorded or downloaded: gzipped JSON lines, one entry of a stream each, and
//! a manifest that says what they are. Whoever writes may be killed at any time: what is noted in
//! the manifest is in the files, and what lies behind it is cut off when the writing goes on.
//!
//! Lines are the very bytes that travel on the bus, so that [`crate::files`] reads them back as
//! what they were.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rawe_core::{Symbol, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

/// The form of the folder.
const FORMAT: u32 = 1;
/// The manifest's name in the folder.
const MANIFEST: &str = "manifest.json";

/// One file of the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Lines in it.
    pub lines: u64,
    /// Its length, bytes.
    pub bytes: u64,
}

/// What a download was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Bars that end, and articles updated, after this,
    pub from: Timestamp,
    /// and by this.
    pub to: Timestamp,
    /// The assets, sorted.
    pub symbols: Vec<Symbol>,
    /// The length of the bars.
    pub timeframe: Timeframe,
    /// Which stock prices.
    pub stock_feed: String,
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The run recorded; absent for downloads, and while none has said its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Whether a replay was recorded.
    #[serde(default)]
    pub paced: bool,
    /// Where its history ends and its play begins, market time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played_from: Option<Timestamp>,
    /// Whether it was recorded, or downloaded, to its end.
    #[serde(default)]
    pub is_complete: bool,
    /// What a download was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// How far a download has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_through: Option<Timestamp>,
    /// The files, by the name of what they hold, such as `bars`.
    pub parts: BTreeMap<String, Part>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    #[error("{doing} {path} failed: {source}; check the folder, its permissions and free space")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is not ours.
    #[error("{0} is no manifest of a recording or download; name a folder made by rawe")]
    NoManifest(PathBuf),
    /// The folder is in use.
    #[error("{0} holds a recording or download already; name a new folder, or remove it")]
    InUse(PathBuf),
}

/// The name of the file that holds `part`, such as `bars.jsonl.gz`.
pub fn part_path(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("{part}.jsonl.gz"))
}

/// Reads the manifest of a folder; `None` if it has none.
///
/// # Errors
/// When it cannot be read, or is not ours.
pub fn read_manifest(folder: &Path) -> Result<Option<Manifest>, ArchiveError> {
    let path = folder.join(MANIFEST);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("reading", &path, source)),
    };
    match serde_json::from_slice::<Manifest>(&text) {
        Ok(manifest) if manifest.format == FORMAT => Ok(Some(manifest)),
        _ => Err(ArchiveError::NoManifest(path)),
    }
}

/// A folder being written.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    manifest: Manifest,
    files: BTreeMap<String, File>,
}

impl Archive {
    /// A new folder.
    ///
    /// # Errors
    /// When it holds an archive already, or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, ArchiveError> {
        std::fs::create_dir_all(folder).map_err(|e| failed("making the folder", folder, e))?;
        if read_manifest(folder)?.is_some() {
            return Err(ArchiveError::InUse(folder.to_owned()));
        }
        let manifest = Manifest {
            format: FORMAT,
            ..Manifest::default()
        };
        let mut archive = Self {
            folder: folder.to_owned(),
            manifest,
            files: BTreeMap::new(),
        };
        archive.save(|_| ())?;
        Ok(archive)
    }

    /// Goes on where the manifest says that an earlier writer stopped.
    ///
    /// # Errors
    /// When a file cannot be opened, or is shorter than it was.
    pub fn resume(folder: &Path, manifest: Manifest) -> Result<Self, ArchiveError> {
        let mut archive = Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            manifest,
        };
        for (name, part) in archive.manifest.parts.clone() {
            let path = part_path(folder, &name);
            let cut = || {
                let mut file = OpenOptions::new().write(true).open(&path)?;
                if file.metadata()?.len() < part.bytes {
                    return Err(io::Error::other("it is shorter than the manifest says"));
                }
                file.set_len(part.bytes)?;
                file.seek(SeekFrom::End(0))?;
                Ok(file)
            };
            let file = cut().map_err(|error| failed("going on with", &path, error))?;
            archive.files.insert(name, file);
        }
        Ok(archive)
    }

    /// Forgets everything written so far.
    ///
    /// # Errors
    /// When a file cannot be removed, or the manifest not be written.
    pub fn start_over(&mut self) -> Result<(), ArchiveError> {
        for name in std::mem::take(&mut self.files).into_keys() {
            let path = part_path(&self.folder, &name);
            std::fs::remove_file(&path).map_err(|error| failed("removing", &path, error))?;
        }
        self.save(|manifest| {
            *manifest = Manifest {
                format: FORMAT,
                ..Manifest::default()
            };
        })
    }

    /// What the folder holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Appends lines to a part, as a piece that can be read by itself. They count only when the
    /// manifest is saved.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append<'a>(
        &mut self,
        part: &str,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), ArchiveError> {
        let path = part_path(&self.folder, part);
        if !self.files.contains_key(part) {
            let file = File::create(&path).map_err(|error| failed("making", &path, error))?;
            self.files.insert(part.to_owned(), file);
        }
        let Some(file) = self.files.get_mut(part) else {
            return Ok(());
        };
        let mut count = 0;
        let write = || {
            let mut piece = GzEncoder::new(&mut *file, Compression::default());
            for line in lines {
                piece.write_all(line)?;
                piece.write_all(b"\n")?;
                count += 1;
            }
            piece.finish()?;
            file.stream_position()
        };
        let bytes = write().map_err(|error| failed("writing", &path, error))?;
        let known = self.manifest.parts.entry(part.to_owned()).or_default();
        known.lines += count;
        known.bytes = bytes;
        Ok(())
    }

    /// Changes the manifest and saves it, after the files: all at once or not at all.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn save(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<(), ArchiveError> {
        change(&mut self.manifest);
        for (name, file) in &self.files {
            let path = part_path(&self.folder, name);
            file.sync_data()
                .map_err(|error| failed("writing", &path, error))?;
        }
        let (path, waiting) = (
            self.folder.join(MANIFEST),
            self.folder.join(".manifest.new"),
        );
        let save = || {
            let mut file = File::create(&waiting)?;
            serde_json::to_writer_pretty(&mut file, &self.manifest)?;
            file.sync_data()?;
            std::fs::rename(&waiting, &path)
        };
        save().map_err(|error| failed("writing", &path, error))
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SymbolMap;
    use crate::files::{read_bars, read_news};
    use proptest::prelude::*;
    use rawe_core::{Bar, NewsItem, Register};

    fn at(hour: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_767_600_000 + hour * 3_600, 0).unwrap()
    }

    fn bar(symbol: &str, hour: i64, price: f64) -> Bar {
        Bar {
            symbol: Symbol::new(symbol).unwrap(),
            start: at(hour - 1),
            end: at(hour),
            timeframe: Timeframe::Hour,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0.1,
            backfill: false,
        }
    }

    fn item(id: &str) -> NewsItem {
        NewsItem {
            id: id.into(),
            published: at(1),
            first_seen: at(2),
            source: "wire".into(),
            register: Register::Social,
            author: Some("a".into()),
            followers: Some(7),
            repost_of: Some("x".into()),
            trust_percent: Some(40),
            symbols: vec![Symbol::new("SOL").unwrap()],
            headline: "h \u{2028} \"q\"".into(),
            text: String::new(),
            backfill: false,
        }
    }

    fn lines<T: Serialize>(values: &[T]) -> Vec<Vec<u8>> {
        values
            .iter()
            .map(|v| serde_json::to_vec(v).unwrap())
            .collect()
    }

    fn append<T: Serialize>(archive: &mut Archive, part: &str, values: &[T]) {
        let lines = lines(values);
        archive
            .append(part, lines.iter().map(Vec::as_slice))
            .unwrap();
    }

    #[test]
    fn what_was_written_is_read_back_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let mut archive = Archive::create(&folder).unwrap();
        // A stock called as a coin is, and a bar alone of its symbol: nothing is guessed.
        let bars = [
            bar("BTC/USD", 1, 0.1 + 0.2),
            bar("SOL", 1, 3.0),
            bar("BTC/USD", 2, 1e-7),
        ];
        append(&mut archive, "bars", &bars[..1]);
        append(&mut archive, "bars", &bars[1..]);
        append(&mut archive, "news", &[item("1"), item("2")]);
        archive
            .save(|manifest| manifest.run_id = Some("r".into()))
            .unwrap();
        let map = SymbolMap::default();
        let read = read_bars(&part_path(&folder, "bars"), &map).unwrap();
        assert_eq!(read.bars, bars);
        assert_eq!(read.report.accepted, 3);
        let news = read_news(&part_path(&folder, "news"), &map).unwrap();
        assert_eq!(news.items, [item("1"), item("2")]);
        let manifest = read_manifest(&folder).unwrap().unwrap();
        assert_eq!(
            (manifest.run_id.as_deref(), manifest.parts["bars"].lines),
            (Some("r"), 3)
        );
        assert!(matches!(
            Archive::create(&folder),
            Err(ArchiveError::InUse(_))
        ));
    }

    #[test]
    fn what_was_not_noted_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::create(folder.path()).unwrap();
        append(&mut archive, "bars", &[bar("BTC/USD", 1, 1.0)]);
        archive.save(|_| ()).unwrap();
        append(&mut archive, "bars", &[bar("BTC/USD", 2, 2.0)]);
        drop(archive);
        let manifest = read_manifest(folder.path()).unwrap().unwrap();
        let mut archive = Archive::resume(folder.path(), manifest).unwrap();
        append(&mut archive, "bars", &[bar("BTC/USD", 3, 3.0)]);
        append(&mut archive, "news", &[item("1")]);
        archive.save(|_| ()).unwrap();
        let path = part_path(folder.path(), "bars");
        let ends = |path: &Path| -> Vec<Timestamp> {
            let read = read_bars(path, &SymbolMap::default()).unwrap();
            read.bars.iter().map(|bar| bar.end).collect()
        };
        assert_eq!(ends(&path), [at(1), at(3)]);
        // A file that was cut short is not gone on with.
        std::fs::write(&path, b"").unwrap();
        let manifest = read_manifest(folder.path()).unwrap().unwrap();
        assert!(Archive::resume(folder.path(), manifest).is_err());
        archive.start_over().unwrap();
        assert!(archive.manifest().parts.is_empty());
        assert!(!part_path(folder.path(), "news").exists());
        std::fs::write(folder.path().join(MANIFEST), b"{}").unwrap();
        assert!(matches!(
            read_manifest(folder.path()),
            Err(ArchiveError::NoManifest(_))
        ));
    }

    /// A reader of JSON that is fast and nearly right makes 57872.40931893659 of the first.
    #[test]
    fn prices_of_seventeen_digits_come_back_to_the_bit() {
        for text in [
            "57872.409318936596",
            "1043.9126514652999",
            "0.30000000000000004",
        ] {
            let price: f64 = text.parse().unwrap();
            let written = serde_json::to_string(&bar("BTC/USD", 1, price)).unwrap();
            assert!(written.contains(text), "{written}");
            let read: Bar = serde_json::from_str(&written).unwrap();
            assert_eq!(read.close.to_bits(), price.to_bits(), "{text}");
            let value: serde_json::Value = serde_json::from_str(&written).unwrap();
            assert_eq!(
                value["close"].as_f64().map(f64::to_bits),
                Some(price.to_bits())
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_price_comes_back_to_the_bit(
            prices in prop::collection::vec(prop::num::f64::POSITIVE, 1..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut archive = Archive::create(folder.path()).unwrap();
            let bars: Vec<Bar> = prices
                .iter()
                .zip(1..)
                .filter(|(price, _)| price.is_finite() && **price > 0.0)
                .map(|(price, hour)| bar("BTC/USD", hour, *price))
                .collect();
            prop_assume!(!bars.is_empty());
            append(&mut archive, "bars", &bars);
            let read = read_bars(&part_path(folder.path(), "bars"), &SymbolMap::default());
            prop_assert_eq!(read.unwrap().bars, bars);
        }
    }
}

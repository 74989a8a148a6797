//! `rawe record`: everything seen on the bus into a folder that `rawe up --recording` and the paper
//! exchange play again: bars, news and the clock from the beginning of the run, votes, decisions
//! and the rest from now on. The lines are the very bytes of the bus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rawe_bus::{Bus, Entry, EntryId, RedisBus};
use rawe_core::channels::{
    BARS_STREAM, CLOCK_STREAM, CONTROL_STREAM, DECISIONS_STREAM, NEWS_STREAM, SIGNALS_STREAM,
    STANCES_STREAM,
};
use rawe_core::{ClockInstant, ClockMode};
use rawe_feed::archive::{Archive, Manifest};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::run_folder::{BASE_DEFAULT, RunFolder};

/// What is read from the beginning, and emptied by a feed that begins a new run.
const MARKET: [(&str, &str); 3] = [
    ("bars", BARS_STREAM),
    ("news", NEWS_STREAM),
    ("clock", CLOCK_STREAM),
];
/// What is read from now on: older runs may have left some.
const REST: [(&str, &str); 4] = [
    ("signals", SIGNALS_STREAM),
    ("stances", STANCES_STREAM),
    ("decisions", DECISIONS_STREAM),
    ("control", CONTROL_STREAM),
];
/// Entries read of each stream at a time.
const BATCH_ENTRIES: usize = 1_000;
/// How long one read waits for entries.
const READ_BLOCK: Duration = Duration::from_millis(500);
/// The pause after a read that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// How much may be lost when this process is killed.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// Lines of one stream that are compressed together at most.
const PIECE_LINES: usize = 20_000;

/// What `rawe record` takes.
#[derive(clap::Args, Clone)]
#[command(after_help = "Examples:\n  \
    rawe record --out sessions/monday          until Ctrl-C, or the end of a replay\n  \
    rawe up --recording sessions/monday        plays it again, with the same decisions")]
pub(crate) struct RecordArgs {
    /// The folder to write: one file of gzipped JSON lines for each stream, and manifest.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Redis to read [default: that of the newest run of `rawe up`]
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true,
        value_parser = rawe_runtime::redis_url
    )]
    redis_url: Option<String>,
    /// Where `rawe up` keeps its run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    run_dir: PathBuf,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

/// Why the recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Somebody said so.
    Told,
    /// The replay is over.
    Played,
    /// Another run began on the bus.
    OtherRun,
}

impl Ending {
    fn words(self) -> &'static str {
        match self {
            Self::Told => "told to end",
            Self::Played => "the replay is over",
            Self::OtherRun => "another run began",
        }
    }
}

/// Records until told to end, or the run is over.
pub(crate) async fn record(args: RecordArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let bus = RedisBus::open(&redis_url(&args)?)?;
    let archive = Archive::create(&args.out)?;
    tracing::info!(
        event = "recording_started",
        bus = bus.describe(),
        folder = %args.out.display(),
        "recording what is seen on {}", bus.describe()
    );
    let mut recorder = Recorder::new(bus, archive).await;
    let ending = recorder.run(&shutdown).await?;
    recorder.save(ending == Ending::Played)?;
    let manifest = recorder.archive.manifest();
    tell(&args, manifest, ending);
    Ok(())
}

fn redis_url(args: &RecordArgs) -> anyhow::Result<String> {
    let given = args.redis_url.clone().filter(|url| !url.is_empty());
    if let Some(url) = given {
        return Ok(url);
    }
    match RunFolder::newest(&args.run_dir) {
        Some((_, state)) => state.redis_url.context(
            "the newest run of `rawe up` has no Redis, its bus is in memory; \
             start it with --require-redis or --redis-url",
        ),
        None => bail!(
            "no run of `rawe up` found in {} and no --redis-url (RAWE_REDIS_URL) given",
            args.run_dir.display()
        ),
    }
}

fn tell(args: &RecordArgs, manifest: &Manifest, ending: Ending) {
    let lines: BTreeMap<&str, u64> = manifest
        .parts
        .iter()
        .map(|(name, part)| (name.as_str(), part.lines))
        .collect();
    if args.json {
        let summary = json!({
            "folder": args.out,
            "run_id": manifest.run_id,
            "ended": ending.words(),
            "is_complete": manifest.is_complete,
            "lines": lines,
        });
        println!("{summary}");
        return;
    }
    let counts: Vec<String> = lines
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    println!("{}: {}", ending.words(), counts.join(", "));
    println!("play it again: rawe up --recording {}", args.out.display());
}

/// What reads and writes.
struct Recorder {
    bus: RedisBus,
    archive: Archive,
    cursors: BTreeMap<&'static str, EntryId>,
    /// What waits to be written, by part.
    waiting: BTreeMap<&'static str, Vec<Vec<u8>>>,
    saved: Instant,
    /// Where the bars ended when the recording began: what is older may be another run's.
    begun_behind: Option<EntryId>,
    is_over: bool,
}

impl Recorder {
    async fn new(bus: RedisBus, archive: Archive) -> Self {
        let mut cursors: BTreeMap<&'static str, EntryId> = BTreeMap::new();
        for (_, stream) in REST {
            cursors.insert(stream, newest(&bus, stream).await);
        }
        let begun_behind = newest(&bus, BARS_STREAM).await;
        cursors.extend(MARKET.map(|(_, stream)| (stream, EntryId::START)));
        Self {
            bus,
            archive,
            cursors,
            waiting: BTreeMap::new(),
            saved: Instant::now(),
            begun_behind: Some(begun_behind).filter(|id| *id != EntryId::START),
            is_over: false,
        }
    }

    async fn run(&mut self, shutdown: &CancellationToken) -> anyhow::Result<Ending> {
        loop {
            let batches = tokio::select! {
                () = shutdown.cancelled() => return Ok(Ending::Told),
                batches = self.read() => batches,
            };
            let batches = match batches {
                Ok(batches) => batches,
                Err(error) => {
                    tracing::warn!(event = "bus_failed", error = %error, "the bus does not answer");
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(Ending::Told),
                        () = sleep(PAUSE_AFTER_ERROR) => continue,
                    }
                }
            };
            let nothing = batches.values().all(Vec::is_empty);
            // The last decisions are on the bus before the clock says that all is over.
            if nothing && self.is_over {
                return Ok(Ending::Played);
            }
            if !nothing && self.was_emptied().await && !self.start_over()? {
                return Ok(Ending::OtherRun);
            }
            self.take(&batches)?;
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save(false)?;
            }
        }
    }

    async fn read(&self) -> Result<BTreeMap<String, Vec<Entry>>, rawe_bus::BusError> {
        let streams: Vec<(&str, EntryId)> = self.cursors.iter().map(|(s, id)| (*s, *id)).collect();
        self.bus.read(&streams, BATCH_ENTRIES, READ_BLOCK).await
    }

    /// Whether the streams of the market were emptied since we read of them: by a new run's feed.
    async fn was_emptied(&self) -> bool {
        let read = self
            .cursors
            .get(BARS_STREAM)
            .copied()
            .unwrap_or(EntryId::START);
        if read == EntryId::START {
            return false;
        }
        let oldest = self.bus.range(BARS_STREAM, EntryId::START, None, 1).await;
        // Streams are longer than any run; what is not there was taken away.
        oldest.is_ok_and(|found| found.first().is_none_or(|oldest| oldest.id > read))
    }

    /// Forgets what an earlier run had left behind; `false` if what we saw ourselves would go too.
    fn start_over(&mut self) -> anyhow::Result<bool> {
        let read = self
            .cursors
            .get(BARS_STREAM)
            .copied()
            .unwrap_or(EntryId::START);
        if self.begun_behind.is_none_or(|behind| read > behind) {
            return Ok(false);
        }
        tracing::info!(
            event = "recording_restarted",
            "a new run begins, its recording too"
        );
        self.begun_behind = None;
        self.waiting.clear();
        self.archive.start_over()?;
        self.cursors
            .extend(MARKET.map(|(_, stream)| (stream, EntryId::START)));
        Ok(true)
    }

    fn take(&mut self, batches: &BTreeMap<String, Vec<Entry>>) -> anyhow::Result<()> {
        for (part, stream) in MARKET.into_iter().chain(REST) {
            let Some(entries) = batches.get(stream).filter(|entries| !entries.is_empty()) else {
                continue;
            };
            if stream == CLOCK_STREAM {
                for entry in entries {
                    self.note_instant(entry)?;
                }
            }
            let lines = entries.iter().map(|entry| line_of(&entry.payload));
            let waiting = self.waiting.entry(part).or_default();
            waiting.extend(lines);
            if let Some(last) = entries.last() {
                self.cursors.insert(stream, last.id);
            }
            if waiting.len() >= PIECE_LINES {
                let lines = std::mem::take(waiting);
                self.archive.append(part, lines.iter().map(Vec::as_slice))?;
            }
        }
        Ok(())
    }

    /// Notes which run it is, where its play begins and whether it is over.
    fn note_instant(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let Ok(clock) = serde_json::from_slice::<ClockInstant>(&entry.payload) else {
            return Ok(());
        };
        if clock.mode == ClockMode::WarmedUp && self.archive.manifest().run_id.is_none() {
            tracing::info!(
                event = "run_recorded",
                run_id = clock.run_id,
                "recording this run"
            );
            self.archive.save(|manifest| {
                manifest.run_id = Some(clock.run_id.clone());
                manifest.paced = clock.paced;
                manifest.played_from = Some(clock.instant);
            })?;
        }
        self.is_over |= clock.mode == ClockMode::Ended;
        Ok(())
    }

    /// Writes what waits, and that it is there.
    fn save(&mut self, is_complete: bool) -> anyhow::Result<()> {
        for (part, lines) in std::mem::take(&mut self.waiting) {
            if !lines.is_empty() {
                self.archive.append(part, lines.iter().map(Vec::as_slice))?;
            }
        }
        self.archive
            .save(|manifest| manifest.is_complete = is_complete)?;
        self.saved = Instant::now();
        Ok(())
    }
}

/// The payload as one line: as it is, or as a JSON text if it has line breaks or is no text.
fn line_of(payload: &[u8]) -> Vec<u8> {
    let is_line = std::str::from_utf8(payload).is_ok() && !payload.contains(&b'\n');
    if is_line {
        payload.to_vec()
    } else {
        json!({"unreadable": String::from_utf8_lossy(payload)})
            .to_string()
            .into_bytes()
    }
}

async fn newest(bus: &RedisBus, stream: &str) -> EntryId {
    let newest = bus.last(stream).await.ok().flatten();
    newest.map_or(EntryId::START, |entry| entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_lines_as_they_are_whenever_they_can_be() {
        assert_eq!(line_of(b"{\"a\":1.50}"), b"{\"a\":1.50}");
        assert_eq!(line_of(b"a\nb"), br#"{"unreadable":"a\nb"}"#);
        assert!(line_of(&[0xff, b'\n']).iter().all(|byte| *byte != b'\n'));
    }
}

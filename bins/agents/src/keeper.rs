//! Keeping snapshots: the agent's state with its place in the streams, in Redis, so that an agent
//! that is started again need not read months of history.
//!
//! Whatever does not fit (another program, configuration or run, streams that no longer hold the
//! agent's place, damaged bytes) is told once and thrown away; the agent then rebuilds from history.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rawe_agent::Agent;
use rawe_bus::{Bus, EntryId};
use rawe_core::Timestamp;
use rawe_core::channels::{BARS_STREAM, NEWS_STREAM, snapshot_hash};
use rawe_narrative::snapshot::{Block, Fingerprint, STATE_BYTES_MAX, SnapshotError};
use rawe_runtime::Heart;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::clock_reader::Run;
use crate::link::Link;
use crate::timeline::Place;

/// The one field of the hash in which a snapshot is kept.
const FIELD: &str = "state";
/// Counts up when the layout of a bookmark changes.
const FORMAT: u16 = 1;
/// The largest snapshot written, bytes, compressed.
const COMPRESSED_BYTES_MAX: usize = 64 << 20;
/// Under a paced clock a snapshot comes after so many instants.
const INSTANTS_APART: u32 = 24;
/// And not before this many times the time the last one took: snapshots may cost a twentieth.
const COST_TIMES: u32 = 20;
/// Live, a snapshot comes after this time.
const LIVE_APART: Duration = Duration::from_hours(1);
/// How long the last snapshot of a process that ends may take.
const LAST_LIMIT: Duration = Duration::from_secs(2);

/// Where an agent is in a run. Ids are those of streams.
#[derive(Debug, Serialize, Deserialize)]
struct Bookmark {
    run_id: String,
    paced: bool,
    /// The clock entry handled last.
    clock: (u64, u64),
    /// The bar applied last.
    bars: (u64, u64),
    /// The news item applied last, if any.
    news: Option<(u64, u64)>,
    scanned_through: Timestamp,
}

/// The code of a snapshot of another run.
const RUN: &str = "RUN";

/// Why a snapshot is not used.
#[derive(Debug)]
struct Refused {
    code: &'static str,
    why: String,
}

impl Refused {
    /// One line in the log; a feed that began another run is nothing to worry about.
    fn tell(&self, bytes: usize) {
        let Self { code, why } = self;
        // The level of an event is fixed where it is written, hence two of them.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    event = "snapshot_refused",
                    code,
                    why,
                    bytes,
                    "its snapshot cannot be used, so it reads the history: {why}"
                )
            };
        }
        if *code == RUN {
            tell!(info);
        } else {
            tell!(warn);
        }
    }
}

impl From<SnapshotError> for Refused {
    fn from(error: SnapshotError) -> Self {
        Self {
            code: error.code(),
            why: error.to_string(),
        }
    }
}

/// Writes snapshots now and then, and restores the newest.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// `None` with `--no-snapshot`.
    bus: Option<Arc<dyn Bus>>,
    key: String,
    program: Fingerprint,
    heart: Heart,
    instants: u32,
    last: Instant,
    writing: Option<JoinHandle<()>>,
    /// Size of the last one, to allocate the next in one piece.
    size: usize,
    /// How long the agent did nothing else for the last one.
    cost: Duration,
}

impl Keeper {
    /// A keeper for the agent `id`; it keeps nothing without a bus.
    pub(crate) fn new(bus: Option<Arc<dyn Bus>>, id: &str, heart: Heart) -> Self {
        Self {
            bus,
            key: snapshot_hash(id),
            program: program(),
            heart,
            instants: 0,
            last: Instant::now(),
            writing: None,
            size: 0,
            cost: Duration::ZERO,
        }
    }

    fn block(&self) -> Block {
        Block {
            of: "agent",
            magic: *b"RAWE-AGT",
            format: FORMAT,
            fingerprint: self.program,
        }
    }

    /// Takes over the newest snapshot if it fits this run. An agent that could not be restored is
    /// spoilt: `fresh` makes one.
    pub(crate) async fn restore(
        &mut self,
        link: &Link,
        run: &Run,
        fresh: impl Fn() -> Agent + Send + Sync,
    ) -> anyhow::Result<(Agent, Option<Place>)> {
        (self.instants, self.last) = (0, Instant::now());
        let mut agent = fresh();
        if self.bus.is_none() {
            return Ok((agent, None));
        }
        let Some(compressed) = link.fields(&self.key).await?.remove(FIELD) else {
            return Ok((agent, None));
        };
        let began = Instant::now();
        let read = match self.read(&compressed, run, &mut agent) {
            Ok(bookmark) => missing(link, &bookmark).await?.map_or(Ok(bookmark), Err),
            Err(refused) => Err(refused),
        };
        match read {
            Ok(bookmark) => {
                let at = bookmark.scanned_through;
                tracing::info!(
                    event = "snapshot_restored",
                    run_id = run.id,
                    at = %at,
                    bytes = compressed.len(),
                    millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "goes on from its snapshot of {at}"
                );
                self.heart.add("snapshots_restored", 1);
                let place = Place {
                    bars: id(bookmark.bars),
                    news: bookmark.news.map(id),
                    scanned_through: at,
                };
                Ok((agent, Some(place)))
            }
            Err(refused) => {
                refused.tell(compressed.len());
                self.heart.add("snapshots_refused", 1);
                Ok((fresh(), None))
            }
        }
    }

    fn read(&self, compressed: &[u8], run: &Run, agent: &mut Agent) -> Result<Bookmark, Refused> {
        let mut bytes = Vec::new();
        let limit = STATE_BYTES_MAX as u64;
        let unpacked = ZlibDecoder::new(compressed)
            .take(limit)
            .read_to_end(&mut bytes);
        if unpacked.is_err() {
            return Err(SnapshotError::Damaged("compressed bytes").into());
        }
        let (bookmark, state): (Bookmark, _) = self.block().take(&bytes)?;
        let clock = id(bookmark.clock);
        let of_run = bookmark.run_id == run.id && bookmark.paced == run.newest.paced;
        // Live, a feed that was started again goes on in the same streams.
        let in_run = !bookmark.paced || (clock > run.clock_before && clock <= run.newest_id);
        if !(of_run && in_run) {
            let why = format!("it is of an earlier run, {}", bookmark.run_id);
            return Err(Refused { code: RUN, why });
        }
        agent.restore(state)?;
        Ok(bookmark)
    }

    /// An instant of a paced clock has been handled.
    pub(crate) fn step(&mut self) {
        self.instants += 1;
    }

    /// Whether it is time for a snapshot and none is on its way.
    pub(crate) fn is_due(&self, paced: bool) -> bool {
        let waited = self.last.elapsed();
        let due = if paced {
            self.instants >= INSTANTS_APART && waited >= self.cost * COST_TIMES
        } else {
            waited >= LIVE_APART
        };
        let idle = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
        due && idle && self.bus.is_some()
    }

    /// Takes a snapshot now and writes it beside what the agent does next.
    pub(crate) fn write(&mut self, run: &Run, clock: EntryId, agent: &Agent, place: Option<Place>) {
        (self.instants, self.last) = (0, Instant::now());
        let (Some(bus), Some(place)) = (self.bus.clone(), place) else {
            return;
        };
        let bookmark = Bookmark {
            run_id: run.id.clone(),
            paced: run.newest.paced,
            clock: pair(clock),
            bars: pair(place.bars),
            news: place.news.map(pair),
            scanned_through: place.scanned_through,
        };
        let began = Instant::now();
        let mut bytes = Vec::with_capacity(self.size + self.size / 16);
        let written = self.block().append(&bookmark, &mut bytes);
        if let Err(error) = written.and_then(|()| agent.append_snapshot(&mut bytes)) {
            failed(&self.heart, &error);
            return;
        }
        self.size = bytes.len();
        self.cost = began.elapsed();
        let taken = self.cost;
        let (key, heart) = (self.key.clone(), self.heart.clone());
        self.writing = Some(tokio::spawn(async move {
            let size = bytes.len();
            match store(bus.as_ref(), &key, bytes).await {
                Ok(compressed) => {
                    heart.add("snapshots_written", 1);
                    tracing::debug!(
                        event = "snapshot_written",
                        at = %bookmark.scanned_through,
                        bytes = size,
                        compressed,
                        taken_micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
                        millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                        "kept a snapshot of {compressed} bytes"
                    );
                }
                Err(error) => failed(&heart, &error),
            }
        }));
    }

    /// Waits, for a short while, until what is on its way has been written.
    pub(crate) async fn finish(&mut self) {
        if let Some(writing) = self.writing.take() {
            // The process ends: nobody is left to tell.
            let _in_time = timeout(LAST_LIMIT, writing).await;
        }
    }
}

/// A snapshot that cannot be written costs time at the next start, and nothing else.
fn failed(heart: &Heart, error: &(dyn std::fmt::Display + Send + Sync)) {
    heart.add("snapshots_failed", 1);
    tracing::warn!(
        event = "snapshot_failed",
        %error,
        "no snapshot was kept; the next start may have to read the history"
    );
}

/// Compresses and sends; returns the compressed size.
async fn store(bus: &dyn Bus, key: &str, bytes: Vec<u8>) -> anyhow::Result<usize> {
    let packing = tokio::task::spawn_blocking(move || {
        let mut encoder =
            ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
        encoder.write_all(&bytes)?;
        encoder.finish()
    });
    let packed = packing.await??;
    let size = packed.len();
    anyhow::ensure!(
        size <= COMPRESSED_BYTES_MAX,
        "a snapshot of {size} bytes is above {COMPRESSED_BYTES_MAX}"
    );
    bus.set_field(key, FIELD, &packed).await?;
    Ok(size)
}

/// Why the streams do not go on where the bookmark is, if so: they were trimmed or emptied.
async fn missing(link: &Link, bookmark: &Bookmark) -> anyhow::Result<Option<Refused>> {
    let news = bookmark.news.map(|news| (NEWS_STREAM, news));
    for (stream, place) in [(BARS_STREAM, bookmark.bars)].into_iter().chain(news) {
        let place = id(place);
        let before = EntryId {
            millis: place.millis - u64::from(place.sequence == 0).min(place.millis),
            sequence: place.sequence.wrapping_sub(1),
        };
        let found = link.range(stream, before, Some(place), 1).await?;
        if found.first().is_none_or(|entry| entry.id != place) {
            return Ok(Some(Refused {
                code: "STREAM",
                why: format!("{stream} no longer holds entry {place}"),
            }));
        }
    }
    Ok(None)
}

/// The program that runs: what another build makes of the same events may differ.
fn program() -> Fingerprint {
    // On Linux this is the file that was started, even if it has been replaced since.
    let file = std::fs::metadata("/proc/self/exe")
        .or_else(|_| std::env::current_exe().and_then(std::fs::metadata));
    let modified = file.as_ref().ok().and_then(|file| file.modified().ok());
    let length = file.map_or(0, |file| file.len());
    let built = format!("{length} {modified:?}");
    Fingerprint::of(&[env!("CARGO_PKG_VERSION").as_bytes(), built.as_bytes()])
}

fn pair(id: EntryId) -> (u64, u64) {
    (id.millis, id.sequence)
}

fn id((millis, sequence): (u64, u64)) -> EntryId {
    EntryId { millis, sequence }
}

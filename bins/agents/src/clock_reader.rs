//! Finding the newest run of the market feed in `rawe:clock`, and where its data begin.
//!
//! A run begins with its `warmed_up` entry. A stream may still hold an earlier run's entries (a feed
//! that was started again, under the same name if it plays the same market). Only the newest run
//! counts; an agent that is started in the middle of it begins at its beginning.

use std::time::Duration;

use rawe_bus::{Entry, EntryId};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM};
use rawe_core::{Acknowledgement, ClockInstant, ClockMode};

use crate::link::Link;

/// Entries of small messages read at once.
const PAGE: usize = 1_000;
/// How long to wait for the first entry before saying again that we wait.
const WAIT: Duration = Duration::from_millis(500);

/// The newest run, as it was when it was looked for.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its name.
    pub(crate) id: String,
    /// The clock entry before its first one.
    pub(crate) clock_before: EntryId,
    /// The last bar that belongs to an earlier replay.
    pub(crate) bars_before: EntryId,
    /// The last news item that belongs to an earlier replay.
    pub(crate) news_before: EntryId,
    /// Its newest entry so far.
    pub(crate) newest_id: EntryId,
    /// What that entry says.
    pub(crate) newest: ClockInstant,
}

/// Reads a clock entry. One that cannot be read is skipped with a warning: the feed's next one
/// tells more.
pub(crate) fn parse_clock(entry: &Entry) -> Option<ClockInstant> {
    match serde_json::from_slice(&entry.payload) {
        Ok(clock) => Some(clock),
        Err(error) => {
            tracing::warn!(
                event = "clock_entry_refused",
                entry = %entry.id,
                %error,
                "an entry of {CLOCK_STREAM} is not an instant of market time"
            );
            None
        }
    }
}

/// Reads the id of the last entry that belongs to an instant; nothing belongs if it is none.
pub(crate) fn entry_id(text: &str) -> EntryId {
    text.parse().unwrap_or(EntryId::START)
}

/// Waits for the first clock entry and returns the newest run.
pub(crate) async fn find_run(link: &Link) -> anyhow::Result<Run> {
    let mut after = EntryId::START;
    let mut run: Option<Run> = None;
    loop {
        let page = link.range(CLOCK_STREAM, after, None, PAGE).await?;
        for entry in &page {
            if let Some(clock) = parse_clock(entry) {
                run = Some(with_entry(run, entry.id, clock));
            }
            after = entry.id;
        }
        match run {
            Some(run) if page.len() < PAGE => return Ok(run),
            None if page.is_empty() => {
                link.read(&[(CLOCK_STREAM, after)], 1, WAIT).await?;
            }
            _ => {}
        }
    }
}

/// Whether a clock entry after the first one of the run `id` begins another run.
pub(crate) fn begins_another(id: &str, clock: &ClockInstant) -> bool {
    clock.run_id != id || clock.mode == ClockMode::WarmedUp
}

fn with_entry(run: Option<Run>, id: EntryId, clock: ClockInstant) -> Run {
    match run {
        Some(run) if !begins_another(&run.id, &clock) => Run {
            newest_id: id,
            newest: clock,
            ..run
        },
        Some(earlier) => Run {
            id: clock.run_id.clone(),
            clock_before: earlier.newest_id,
            // A live feed goes on where it stopped: all history in the streams is one. A replay
            // begins anew, after what the one before it wrote.
            bars_before: if clock.paced {
                entry_id(&earlier.newest.bars_through)
            } else {
                EntryId::START
            },
            news_before: if clock.paced {
                entry_id(&earlier.newest.news_through)
            } else {
                EntryId::START
            },
            newest_id: id,
            newest: clock,
        },
        None => Run {
            id: clock.run_id.clone(),
            clock_before: EntryId::START,
            bars_before: EntryId::START,
            news_before: EntryId::START,
            newest_id: id,
            newest: clock,
        },
    }
}

/// Whether an earlier boot of `participant` has acknowledged the run's newest entry.
pub(crate) async fn is_acknowledged(
    link: &Link,
    run: &Run,
    participant: &str,
) -> anyhow::Result<bool> {
    // The acknowledgement was appended after the instant, so its id is not before it.
    let mut after = EntryId {
        millis: run.newest_id.millis.saturating_sub(1),
        sequence: u64::MAX,
    };
    loop {
        let page = link.range(ACKS_STREAM, after, None, PAGE).await?;
        for entry in &page {
            after = entry.id;
            let ack: Option<Acknowledgement> = serde_json::from_slice(&entry.payload).ok();
            if ack.is_some_and(|a| a.participant == participant && a.step >= run.newest.step) {
                return Ok(true);
            }
        }
        if page.len() < PAGE {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    fn clock(run: &str, mode: ClockMode, step: u64, paced: bool) -> ClockInstant {
        ClockInstant {
            step,
            instant: Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap(),
            mode,
            paced,
            run_id: run.to_owned(),
            bars_through: format!("{}-0", 100 + step),
            news_through: format!("{}-0", 200 + step),
        }
    }

    fn id(millis: u64) -> EntryId {
        EntryId {
            millis,
            sequence: 0,
        }
    }

    fn newest(entries: &[(u64, ClockInstant)]) -> Run {
        let run = entries.iter().fold(None, |run, (millis, clock)| {
            Some(with_entry(run, id(*millis), clock.clone()))
        });
        run.unwrap()
    }

    #[test]
    fn the_newest_run_begins_at_its_warm_up() {
        use ClockMode::{Ended, Paced, WarmedUp};
        let first = [
            (1, clock("a", WarmedUp, 0, true)),
            (2, clock("a", Paced, 1, true)),
            (3, clock("a", Ended, 2, true)),
        ];
        let run = newest(&first);
        assert_eq!(
            (run.clock_before, run.newest_id, run.newest.step),
            (id(0), id(3), 2)
        );
        for name in ["a", "b"] {
            let mut again = first.to_vec();
            again.push((7, clock(name, WarmedUp, 0, true)));
            again.push((8, clock(name, Paced, 1, true)));
            let run = newest(&again);
            assert_eq!(
                (run.id.as_str(), run.clock_before, run.newest_id),
                (name, id(3), id(8))
            );
            assert_eq!((run.bars_before, run.news_before), (id(102), id(202)));
        }
        // A live feed that is started again: all history is one.
        let live = [
            (1, clock("live", WarmedUp, 0, false)),
            (9, clock("live", WarmedUp, 0, false)),
        ];
        let run = newest(&live);
        assert_eq!((run.clock_before, run.bars_before), (id(1), id(0)));
    }
}

//! After the violence: everything behaves again, and the collective gets the time to bring its
//! books in order, first as they are, then flat.

use std::time::Duration;

use paper_exchange::Book;
use rawe_core::ProcessState;
use rawe_core::control::ControlCommand;
use rawe_execution::journal::JournalEntry;
use rawe_journal::JournalReader;
use tokio::time::{Instant, sleep};

use super::acts::resume;
use super::house::House;
use super::verdict;

/// How long the engine may take to trade again.
const RESUME_PATIENCE: Duration = Duration::from_mins(1);
/// How long the books may take to agree; then they are taken as they are.
const AGREE_PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take to close everything.
const FLATTEN_PATIENCE: Duration = Duration::from_secs(150);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Both sides at one moment.
pub(crate) struct Snapshot {
    pub(crate) entries: Vec<(i64, JournalEntry)>,
    pub(crate) book: Book,
}

/// What was found.
pub(crate) struct Settled {
    /// When everything behaved again.
    pub(crate) before: Snapshot,
    /// After everything was closed.
    pub(crate) flat: Snapshot,
    /// Whether the engine traded again.
    pub(crate) resumed: bool,
    /// What the journal's own check says.
    pub(crate) audit: Vec<String>,
    /// What the exchange did wrong.
    pub(crate) faults: paper_exchange::FaultCounts,
}

/// Lets everything settle.
pub(crate) async fn settle(house: &mut House) -> anyhow::Result<Settled> {
    house.silence_voters().await;
    house.clear_faults().await?;
    let limit = Instant::now() + RESUME_PATIENCE;
    let mut resumed = false;
    while !resumed && Instant::now() < limit {
        resume(house).await;
        resumed = house
            .engine_reaches(ProcessState::Running, Duration::from_secs(10))
            .await;
    }
    let before = agree(house, AGREE_PATIENCE, verdict::loose_ends).await?;
    house.say(ControlCommand::Flatten).await?;
    let flat = agree(house, FLATTEN_PATIENCE, verdict::not_flat).await?;
    let audit = JournalReader::open(&house.journal)?.audit()?;
    Ok(Settled {
        before,
        flat,
        resumed,
        audit: audit.problems,
        faults: house.faults().await?.injected,
    })
}

async fn look(house: &House) -> anyhow::Result<Snapshot> {
    let book = house.book().await?;
    let entries = JournalReader::open(&house.journal)?.entries()?;
    Ok(Snapshot { entries, book })
}

/// Looks until there is nothing open twice in a row, or the patience ends.
async fn agree(
    house: &House,
    patience: Duration,
    open: fn(&Snapshot) -> Vec<String>,
) -> anyhow::Result<Snapshot> {
    let limit = Instant::now() + patience;
    let mut quiet = 0;
    loop {
        sleep(LOOK_EVERY).await;
        let snapshot = look(house).await?;
        quiet = if open(&snapshot).is_empty() {
            quiet + 1
        } else {
            0
        };
        if quiet == 2 || Instant::now() >= limit {
            return Ok(snapshot);
        }
    }
}

//! How alike the voters are: from their stances where Redis can be asked, else from their votes.
//!
//! Stances are the better measure, because they say what an agent thinks of every asset at every
//! scan. Votes are only there when somebody voted, which makes agents look more alike than they
//! are; an agent without a vote in a round counts as neutral there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rawe_bus::{Bus as _, EntryId, RedisBus};
use rawe_consensus::StanceBook;
use rawe_core::channels::STANCES_STREAM;
use rawe_core::{AgentId, AgentRef, BootId, RoundRecord, Stance, StanceMessage, Symbol, Timestamp};
use tokio::time::timeout;

use super::record::Records;
use crate::run_folder::RunFolder;

/// How long Redis may take for all stances.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries asked for at once.
const BATCH: usize = 1_000;

/// How alike the voters are.
#[derive(Debug)]
pub(super) struct Likeness {
    book: StanceBook,
    /// `stances` or `votes`.
    pub(super) source: &'static str,
    /// How many scans or rounds were compared.
    pub(super) compared: usize,
    voters: usize,
}

impl Likeness {
    /// The correlation of two voters, -1..1, if enough is known.
    pub(super) fn of(&self, one: &AgentId, other: &AgentId) -> Option<f64> {
        self.book.correlation(one, other)
    }

    /// How many independent votes all of them are worth.
    pub(super) fn effective(&self) -> Option<f64> {
        self.book.effective_votes(self.voters)
    }
}

/// Reads the stances; `None` if there is no Redis to ask, or it does not answer, or has none.
pub(super) async fn from_stances(url: Option<String>, run_dir: &Path) -> Option<Likeness> {
    let newest = || RunFolder::newest(run_dir).and_then(|(_, state)| state.redis_url);
    let bus = RedisBus::open(&url.or_else(newest)?).ok()?;
    timeout(PATIENCE, read_stances(&bus)).await.ok().flatten()
}

async fn read_stances(bus: &RedisBus) -> Option<Likeness> {
    let mut book = StanceBook::default();
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    let (mut after, mut compared) = (EntryId::START, 0);
    loop {
        let entries = bus.range(STANCES_STREAM, after, None, BATCH).await.ok()?;
        let Some(last) = entries.last() else { break };
        after = last.id;
        for entry in &entries {
            let message: Option<StanceMessage> = serde_json::from_slice(&entry.payload).ok();
            if let Some(message) = message {
                compared += usize::from(book.apply(&message, message.timestamp));
                agents.insert(message.agent.id);
            }
        }
    }
    (!agents.is_empty()).then_some(Likeness {
        book,
        source: "stances",
        compared,
        voters: agents.len(),
    })
}

/// Who voted which way on what, by the time the round closed.
#[derive(Debug, Default)]
pub(super) struct Votes(BTreeMap<Timestamp, BTreeMap<Symbol, BTreeMap<AgentId, f64>>>);

impl Votes {
    /// Adds a round.
    pub(super) fn note(&mut self, round: &RoundRecord) {
        let assets = self.0.entry(round.closed).or_default();
        let views = assets.entry(round.asset.clone()).or_default();
        for vote in &round.votes {
            *views.entry(vote.agent.clone()).or_default() += vote.direction.sign();
        }
    }
}

/// Compares votes as if each round had been a scan of its asset.
pub(super) fn from_votes(votes: Votes, records: &Records) -> Likeness {
    let mut book = StanceBook::default();
    let compared = votes.0.len();
    let boot = BootId::new("journal").ok();
    for (instant, assets) in votes.0 {
        for agent in records.agents() {
            let stance = |(asset, views): (&Symbol, &BTreeMap<AgentId, f64>)| Stance {
                asset: asset.clone(),
                direction: None,
                expert: views.get(agent).copied().unwrap_or(0.0),
            };
            let Some(boot_id) = boot.clone() else {
                continue;
            };
            let message = StanceMessage {
                timestamp: instant,
                agent: AgentRef {
                    id: agent.clone(),
                    boot_id,
                    sequence: 1,
                },
                scan_secs: 3_600,
                stances: assets.iter().map(stance).collect(),
            };
            book.apply(&message, instant);
        }
    }
    Likeness {
        book,
        source: "votes",
        compared,
        voters: records.agents().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{id, round};
    use super::*;
    use rawe_core::Direction;

    #[test]
    fn agents_that_vote_alike_are_one_vote() {
        let (mut records, mut votes) = (Records::default(), Votes::default());
        for second in 0..50 {
            let direction = if second % 3 == 0 {
                Direction::Long
            } else {
                Direction::Short
            };
            let other = if second % 7 < 3 {
                Direction::Long
            } else {
                Direction::Short
            };
            let cast = [("a", direction, 1), ("b", direction, 1), ("c", other, 1)];
            let round = round(second, &cast);
            assert!(records.round(&round));
            votes.note(&round);
        }
        let likeness = from_votes(votes, &records);
        assert_eq!((likeness.source, likeness.compared), ("votes", 50));
        assert!(likeness.of(&id("a"), &id("b")).unwrap() > 0.999);
        assert!(likeness.of(&id("c"), &id("a")).unwrap().abs() < 0.4);
        assert_eq!(likeness.of(&id("a"), &id("d")), None, "d never voted");
        let effective = likeness.effective().unwrap();
        assert!((1.0..4.0).contains(&effective), "{effective}");
    }
}

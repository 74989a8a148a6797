//! What one agent has said so far: the line in which its messages stand, so that none counts twice.
//! Who it is, and whether a message is in time, is decided by [`crate::admission`].

use std::collections::{BTreeMap, VecDeque};

use rawe_core::{
    AgentId, AgentRef, ArbitrageSignal, BootId, Direction, Refusal, RefusalCode, Symbol, Timestamp,
};

/// How many boots of one agent are remembered.
const BOOTS_MAX: usize = 8;
/// How many assets' last votes are remembered per agent of the original format.
const ORIGINAL_ASSETS_MAX: usize = 4_096;

/// One start of an agent.
#[derive(Clone, Debug)]
struct Boot {
    id: BootId,
    /// Its highest sequence.
    highest: u64,
    /// Its latest timestamp.
    latest: Timestamp,
}

/// What is remembered of one agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Oldest boot first.
    boots: VecDeque<Boot>,
    /// The latest timestamp of the boots that were forgotten: an unknown boot must be later.
    forgotten_through: Option<Timestamp>,
    /// Latest timestamp by asset and direction, for the original format.
    original: BTreeMap<(Symbol, Direction), Timestamp>,
}

impl Ledger {
    /// Takes the next message of a boot; says how many sequence numbers were skipped before it.
    pub(crate) fn follow(
        &mut self,
        reference: &AgentRef,
        timestamp: Timestamp,
    ) -> Result<u64, Refusal> {
        let mut boots = self.boots.iter_mut();
        if let Some(boot) = boots.find(|boot| boot.id == reference.boot_id) {
            if reference.sequence <= boot.highest {
                return Err(Refusal::new(
                    RefusalCode::ReplayedSequence,
                    format!("sequence {} after {}", reference.sequence, boot.highest),
                ));
            }
            let skipped = reference.sequence - boot.highest - 1;
            boot.highest = reference.sequence;
            boot.latest = boot.latest.max(timestamp);
            return Ok(skipped);
        }
        let forgotten = self.forgotten_through;
        if forgotten.is_some_and(|through| timestamp <= through) {
            return Err(Refusal::new(
                RefusalCode::ReplayedSequence,
                format!("of a start that is over: {BOOTS_MAX} starts came since"),
            ));
        }
        if self.boots.len() == BOOTS_MAX
            && let Some(oldest) = self.boots.pop_front()
        {
            self.forgotten_through = forgotten.max(Some(oldest.latest));
        }
        self.boots.push_back(Boot {
            id: reference.boot_id.clone(),
            highest: reference.sequence,
            latest: timestamp,
        });
        // The first message of a boot says nothing about earlier ones: we may have come later.
        Ok(0)
    }

    /// Takes a message in the original format. It has no sequence: such are ordered by timestamp,
    /// per asset and direction because one scan sends several at once.
    pub(crate) fn follow_original(
        &mut self,
        agent: &AgentId,
        signal: &ArbitrageSignal,
        timestamp: Timestamp,
    ) -> Result<(), Refusal> {
        let key = (signal.financial_asset.clone(), signal.metadata.direction);
        let latest = self.original.get(&key);
        if latest.is_some_and(|latest| timestamp <= *latest) {
            return Err(Refusal::new(
                RefusalCode::ReplayedSequence,
                format!("{timestamp} is not after the last such vote of {agent}"),
            ));
        }
        if self.original.len() >= ORIGINAL_ASSETS_MAX {
            self.original.pop_first();
        }
        self.original.insert(key, timestamp);
        Ok(())
    }
}

//! What an agent says: stances, then signals, then the acknowledgement; and the log of it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_agent::{Note, ScanResult};
use rawe_core::channels::{ACKS_STREAM, STANCES_STREAM};
use rawe_core::{Acknowledgement, ArbitrageSignal, BootId, Direction, Symbol, Timestamp};
use rawe_runtime::Heart;
use serde::Serialize;

use crate::link::{Link, Sent};
use crate::signer::Signer;

/// At most so many new votes of one scan are told at info; the others at debug.
const VOTES_TOLD_MAX: usize = 5;

/// Publishes and tells.
#[derive(Debug)]
pub(crate) struct Speaker {
    participant: String,
    boot: BootId,
    channel: String,
    signer: Option<Signer>,
    heart: Heart,
    /// Signals published by this boot.
    published: u64,
    /// What was last said of each asset, to tell a new vote from a repeated one.
    last_votes: BTreeMap<Symbol, Option<Direction>>,
}

impl Speaker {
    pub(crate) fn new(
        participant: String,
        boot: BootId,
        channel: String,
        signer: Option<Signer>,
        heart: Heart,
    ) -> Self {
        Self {
            participant,
            boot,
            channel,
            signer,
            heart,
            published: 0,
            last_votes: BTreeMap::new(),
        }
    }

    /// Publishes all that a scan said. Live, what expired while the bus was away is dropped and
    /// counted; under a paced clock market time stands still, and everything is repeated.
    pub(crate) async fn say(
        &mut self,
        link: &Link,
        said: ScanResult,
        is_live: bool,
    ) -> anyhow::Result<()> {
        let ScanResult {
            stances,
            signals,
            notes,
        } = said;
        tell_notes(&notes);
        let scan = TimeDelta::seconds(stances.scan_secs.into());
        let expires = is_live.then(|| stances.timestamp + scan);
        let payload = self.payload(&stances, STANCES_STREAM)?;
        match link.append(STANCES_STREAM, &payload, expires).await? {
            Sent::Yes => self.heart.add("stances_published", 1),
            Sent::Expired => self.heart.add("stances_expired", 1),
        }
        let mut told = 0;
        for signal in &signals {
            let payload = self.payload(signal, &self.channel)?;
            let expires = if is_live { Some(expiry(signal)) } else { None };
            match link.publish(&self.channel, &payload, expires).await? {
                Sent::Yes => {
                    self.published += 1;
                    self.heart.add("signals_published", 1);
                    told += usize::from(self.tell_signal(signal, told));
                }
                Sent::Expired => {
                    self.heart.add("signals_expired", 1);
                    tracing::debug!(
                        event = "signal_expired",
                        asset = %signal.financial_asset,
                        "a signal expired while the bus was away"
                    );
                }
            }
        }
        tracing::debug!(
            event = "scan_completed",
            at = %stances.timestamp,
            assets = stances.stances.len(),
            votes = signals.len(),
            "scanned {} assets, voted on {}",
            stances.stances.len(),
            signals.len()
        );
        for stance in stances.stances {
            self.last_votes.insert(stance.asset, stance.direction);
        }
        Ok(())
    }

    /// The bytes of a message, signed where there is a key.
    fn payload(&self, message: &impl Serialize, channel: &str) -> anyhow::Result<Vec<u8>> {
        let payload = serde_json::to_vec(message)?;
        match &self.signer {
            Some(signer) => signer.sign(&payload, channel),
            None => Ok(payload),
        }
    }

    /// Tells a vote, at info when it is new and among the best of its scan. Whether it was.
    fn tell_signal(&self, signal: &ArbitrageSignal, told: usize) -> bool {
        let trade = &signal.metadata;
        let last = self
            .last_votes
            .get(&signal.financial_asset)
            .copied()
            .flatten();
        let is_told = last != Some(trade.direction) && told < VOTES_TOLD_MAX;
        let text = |key: &str| {
            trade
                .metadata
                .get(key)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
        };
        let (narrative, headline) = (text("narrative_name"), text("headline"));
        // The level of an event is fixed where it is written, hence two of them.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    event = "signal_published",
                    signal_id = signal.signal_id.as_deref().unwrap_or_default(),
                    at = %signal.timestamp,
                    asset = %signal.financial_asset,
                    direction = %trade.direction,
                    signal_type = %signal.signal_type,
                    strength = signal.strength,
                    size_usd = %trade.size,
                    expected_profit_usd = signal.expected_profit,
                    narrative,
                    headline,
                    "votes {} {}, strength {:.2}, {} USD",
                    trade.direction,
                    signal.financial_asset,
                    signal.strength,
                    trade.size
                )
            };
        }
        if is_told {
            tell!(info);
        } else {
            tell!(debug);
        }
        is_told
    }

    /// Says that a paced step has been handled.
    pub(crate) async fn acknowledge(
        &self,
        link: &Link,
        step: u64,
        next_timer: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let ack = Acknowledgement {
            participant: self.participant.clone(),
            step,
            published: self.published,
            boot_id: self.boot.as_str().to_owned(),
            next_timer,
        };
        link.append(ACKS_STREAM, &serde_json::to_vec(&ack)?, None)
            .await?;
        self.heart.add("steps_acknowledged", 1);
        Ok(())
    }
}

fn expiry(signal: &ArbitrageSignal) -> Timestamp {
    let ttl_ms = i64::try_from(signal.ttl_ms.unwrap_or(0)).unwrap_or(i64::MAX);
    signal.timestamp + TimeDelta::milliseconds(ttl_ms.clamp(0, 86_400_000))
}

fn tell_notes(notes: &[Note]) {
    for note in notes {
        match note {
            Note::ClassStatus {
                class,
                open: true,
                expected_net_bp,
                trades,
            } => tracing::info!(
                event = "class_opened",
                class = %class,
                expected_net_bp,
                trades,
                "{class} is open: a trade is expected to bring {expected_net_bp:.0} bp after costs"
            ),
            Note::ClassStatus {
                class,
                open: false,
                expected_net_bp,
                trades,
            } => tracing::info!(
                event = "class_closed",
                reason = "CLASS_CLOSED",
                class = %class,
                expected_net_bp,
                trades,
                "{class} is closed: a trade is expected to bring {expected_net_bp:.0} bp after \
                 costs; stances abstain"
            ),
            Note::NarrativeRisen {
                asset,
                narrative_id,
                name,
                headline,
                rating,
                tone,
            } => {
                tracing::info!(
                    event = "narrative_risen",
                    asset = %asset,
                    narrative_id,
                    narrative = name,
                    headline,
                    rating,
                    tone,
                    "a story about {asset} rises: {name}"
                );
            }
        }
    }
}

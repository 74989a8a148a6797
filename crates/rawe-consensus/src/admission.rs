//! The second edge of a signal: may its sender vote, and in time?
//!
//! The first edge (`rawe_core::parse_vote`) decides whether bytes are a signal. Here the roster,
//! the signature, the clock, the sequence, the universe and the size are checked. Every message
//! received is either applied or refused with one code, and the counts always balance.
//!
//! Against captured messages sent again: a signature is bound to the deployment and the channel; a
//! message counts once, by boot and sequence; it is void after its time to live; and a signed one
//! from before this start is refused, because what had been heard then is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use chrono::TimeDelta;
use rawe_core::channels::STANCES_STREAM;
use rawe_core::signing::{Authentication, Binding, PublicKey, verify};
use rawe_core::{
    AgentId, ArbitrageSignal, Refusal, RefusalCode, Roster, RoundVote, StanceMessage, Timestamp,
    parse_vote,
};

use crate::config::Rules;
use crate::event::Vote;
use crate::ledger::Ledger;

/// How far ahead of us a sender's clock may be.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(2);
/// One vote weighs one million millionths under a headcount.
const HEADCOUNT_WEIGHT: u64 = 1_000_000;

/// What is known of the symbol of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Universe {
    /// The broker trades it and no list excludes it.
    Inside,
    /// It does not, or a list excludes it.
    Outside,
}

/// What the shell knows when a message arrives.
#[derive(Clone, Copy, Debug)]
pub struct Reception<'a> {
    /// Market time.
    pub now: Timestamp,
    /// Whether a virtual clock is announced: then messages in the original format, whose senders
    /// cannot know it, are stamped with market time.
    pub virtual_clock: bool,
    /// Roster agents with a live heartbeat.
    pub alive: &'a BTreeSet<AgentId>,
    /// Whether the symbol may be voted on.
    pub universe: Universe,
}

/// Counts of what came in. `received` = `applied` + the sum of `refused`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionCounts {
    /// Messages seen.
    pub received: u64,
    /// Messages that became votes.
    pub applied: u64,
    /// Messages refused, by code.
    pub refused: BTreeMap<RefusalCode, u64>,
    /// Original-format messages stamped with market time (part of `applied`).
    pub stamped: u64,
    /// Sequence numbers skipped between admitted messages: lost on the way, or refused.
    pub sequence_gaps: u64,
}

impl AdmissionCounts {
    /// Messages refused, of whatever code.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Whether every message is accounted for.
    pub fn balances(&self) -> bool {
        self.received == self.applied + self.refused_total()
    }
}

/// A signal whose signature was looked at as the rules demand. Only [`Admission::read`] makes one,
/// so that no other path leads a message to a vote.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedSignal(ArbitrageSignal);

impl Deref for CheckedSignal {
    type Target = ArbitrageSignal;
    fn deref(&self) -> &ArbitrageSignal {
        &self.0
    }
}

/// Where and since when this engine listens; what signatures are checked against.
#[derive(Clone, Debug)]
struct Post {
    binding: Binding,
    since: Timestamp,
}

/// The second edge.
#[derive(Clone, Debug)]
pub struct Admission {
    rules: Rules,
    roster: Roster,
    keys: BTreeMap<AgentId, Vec<PublicKey>>,
    post: Option<Post>,
    ledgers: BTreeMap<AgentId, Ledger>,
    counts: AdmissionCounts,
}

impl Admission {
    /// The edge for this roster under these rules. Where votes are authenticated it refuses all of
    /// them until it is told where it listens ([`Admission::bound_to`]).
    pub fn new(rules: Rules, roster: Roster) -> Self {
        let keys = roster
            .0
            .iter()
            .map(|agent| (agent.id.clone(), agent.keys()));
        Self {
            keys: keys.filter(|(_, keys)| !keys.is_empty()).collect(),
            rules,
            roster,
            post: None,
            ledgers: BTreeMap::new(),
            counts: AdmissionCounts::default(),
        }
    }

    /// Says for which deployment and channel signatures must be made, and since when (live market
    /// time) this engine listens: signed messages from before are refused, as they may be captured
    /// ones whose sequence a former start of the engine had counted.
    #[must_use]
    pub fn bound_to(mut self, binding: Binding, since: Timestamp) -> Self {
        self.post = Some(Post { binding, since });
        self
    }

    /// The counts so far.
    pub fn counts(&self) -> &AdmissionCounts {
        &self.counts
    }

    /// Whether the sender is on the roster: else the signal is refused, whatever its symbol.
    pub fn knows(&self, signal: &ArbitrageSignal) -> bool {
        match &signal.agent {
            Some(reference) => self.roster.by_id(&reference.id).is_some(),
            None => self.roster.by_name(&signal.metadata.agent_name).is_some(),
        }
    }

    /// Reads a message: is it a signal, and did its sender sign it, where that is demanded? What
    /// is refused here is counted here; what is read is counted by [`Admission::admit`].
    ///
    /// # Errors
    /// The refusal, with its code and one line for people.
    pub fn read(&mut self, payload: &[u8]) -> Result<CheckedSignal, Refusal> {
        let result = parse_vote(payload).and_then(|signal| {
            self.check_signature(payload, &signal)?;
            Ok(CheckedSignal(signal))
        });
        if let Err(refusal) = &result {
            self.counts.received += 1;
            *self.counts.refused.entry(refusal.code).or_default() += 1;
        }
        result
    }

    fn check_signature(&self, payload: &[u8], signal: &ArbitrageSignal) -> Result<(), Refusal> {
        if self.rules.auth == Authentication::Off {
            return Ok(());
        }
        // Without an agent there is neither boot nor sequence, and so no way to tell a replay.
        let Some(reference) = &signal.agent else {
            let voter = self.roster.by_name(&signal.metadata.agent_name);
            return match voter.filter(|voter| self.must_sign(&voter.id)) {
                Some(_) => Err(Refusal::new(
                    RefusalCode::Unsigned,
                    "its sender must sign, and name itself with boot and sequence in 'agent'",
                )),
                None => Ok(()),
            };
        };
        let channel = self.post.as_ref().map(|post| post.binding.channel.as_str());
        self.check_agent(payload, &reference.id, channel.unwrap_or_default())
    }

    /// Reads an entry of `rawe:stances`, signed where its agent must sign: stances decide exits.
    /// An old one sent again changes nothing, because the newest scan of an agent stands.
    ///
    /// # Errors
    /// The refusal; these are counted by the caller, as stances are no votes.
    pub fn read_stances(&self, payload: &[u8]) -> Result<StanceMessage, Refusal> {
        let message: StanceMessage = serde_json::from_slice(payload)
            .map_err(|error| Refusal::new(RefusalCode::NotJson, error.to_string()))?;
        self.check_agent(payload, &message.agent.id, STANCES_STREAM)?;
        Ok(message)
    }

    /// Whether the message is signed by this agent for this channel, if it must be.
    fn check_agent(&self, payload: &[u8], id: &AgentId, channel: &str) -> Result<(), Refusal> {
        if self.roster.by_id(id).is_none() || !self.must_sign(id) {
            return Ok(());
        }
        let post = self.post.as_ref().ok_or_else(|| {
            Refusal::new(
                RefusalCode::BadSignature,
                "this engine was not told its deployment and channel",
            )
        })?;
        let keys = self.keys.get(id).map_or(&[][..], Vec::as_slice);
        verify(payload, keys, &post.binding.on(channel))
    }

    fn must_sign(&self, id: &AgentId) -> bool {
        match self.rules.auth {
            Authentication::Off => false,
            Authentication::Optional => self.keys.contains_key(id),
            Authentication::Required => true,
        }
    }

    /// Decides on one message. A refused one changes nothing but the counts.
    ///
    /// # Errors
    /// The refusal, with its code and one line for people.
    pub fn admit(
        &mut self,
        signal: &CheckedSignal,
        reception: Reception<'_>,
    ) -> Result<Vote, Refusal> {
        let result = self.decide(signal, reception);
        self.count(&result);
        result
    }

    /// Takes a message whose symbol is not known yet into its sender's line, so that what the
    /// sender says meanwhile of other symbols does not make a replay of it. Its
    /// [`Admission::admit_expected`] follows, which also counts it.
    ///
    /// # Errors
    /// The refusal, which is counted: it is known already that no vote comes of it.
    pub fn expect(
        &mut self,
        signal: &CheckedSignal,
        reception: Reception<'_>,
    ) -> Result<(), Refusal> {
        let result = self.take_place(signal, reception);
        if result.is_err() {
            self.count(&result);
        }
        result
    }

    /// Decides on a message that was expected, now that its symbol is known.
    ///
    /// # Errors
    /// The refusal, with its code and one line for people.
    pub fn admit_expected(
        &mut self,
        signal: &CheckedSignal,
        reception: Reception<'_>,
    ) -> Result<Vote, Refusal> {
        let result = self.judge(signal, reception);
        let result = result.map(|(agent, timestamp)| self.vote(signal, agent, timestamp));
        self.count(&result);
        result
    }

    fn count<T>(&mut self, result: &Result<T, Refusal>) {
        self.counts.received += 1;
        match result {
            Ok(_) => self.counts.applied += 1,
            Err(refusal) => *self.counts.refused.entry(refusal.code).or_default() += 1,
        }
    }

    fn decide(
        &mut self,
        signal: &ArbitrageSignal,
        reception: Reception<'_>,
    ) -> Result<Vote, Refusal> {
        let (agent, timestamp) = self.judge(signal, reception)?;
        self.check_order(&agent, signal, timestamp)?;
        Ok(self.vote(signal, agent, timestamp))
    }

    fn take_place(
        &mut self,
        signal: &ArbitrageSignal,
        reception: Reception<'_>,
    ) -> Result<(), Refusal> {
        let inside = Reception {
            universe: Universe::Inside,
            ..reception
        };
        let (agent, timestamp) = self.judge(signal, inside)?;
        self.check_order(&agent, signal, timestamp)
    }

    /// Who says it, and when; refused for whatever does not depend on what was said before.
    fn judge(
        &self,
        signal: &ArbitrageSignal,
        reception: Reception<'_>,
    ) -> Result<(AgentId, Timestamp), Refusal> {
        let agent = self.sender(signal, reception.alive)?;
        if !reception.virtual_clock && self.must_sign(&agent) {
            self.check_since(signal.timestamp)?;
        }
        let stamped = signal.is_original_format() && reception.virtual_clock;
        let timestamp = if stamped {
            reception.now
        } else {
            signal.timestamp
        };
        if !stamped {
            self.check_time(signal, reception.now)?;
        }
        if reception.universe == Universe::Outside {
            return Err(Refusal::new(
                RefusalCode::UnknownSymbol,
                format!("{} is not in the universe", signal.financial_asset),
            ));
        }
        if signal.metadata.size > self.rules.size_max {
            return Err(Refusal::new(
                RefusalCode::SizeOverCap,
                format!(
                    "{} USD; at most {}",
                    signal.metadata.size, self.rules.size_max
                ),
            ));
        }
        Ok((agent, timestamp))
    }

    /// Whether it comes after what its sender said before.
    fn check_order(
        &mut self,
        agent: &AgentId,
        signal: &ArbitrageSignal,
        timestamp: Timestamp,
    ) -> Result<(), Refusal> {
        let ledger = self.ledgers.entry(agent.clone()).or_default();
        match &signal.agent {
            Some(reference) => self.counts.sequence_gaps += ledger.follow(reference, timestamp)?,
            None => ledger.follow_original(agent, signal, timestamp)?,
        }
        Ok(())
    }

    fn vote(&mut self, signal: &ArbitrageSignal, agent: AgentId, timestamp: Timestamp) -> Vote {
        self.counts.stamped += u64::from(timestamp != signal.timestamp);
        vote_of(signal, agent, timestamp)
    }

    /// Who on the roster speaks.
    fn sender(
        &self,
        signal: &ArbitrageSignal,
        alive: &BTreeSet<AgentId>,
    ) -> Result<AgentId, Refusal> {
        let stranger = |name: &str| {
            Refusal::new(
                RefusalCode::NotOnRoster,
                format!("'{name}' is not on the roster"),
            )
        };
        if let Some(reference) = &signal.agent {
            return self
                .roster
                .by_id(&reference.id)
                .map(|agent| agent.id.clone())
                .ok_or_else(|| stranger(reference.id.as_str()));
        }
        let name = &signal.metadata.agent_name;
        let id = self
            .roster
            .by_name(name)
            .map(|a| a.id.clone())
            .ok_or_else(|| stranger(name))?;
        if alive.contains(&id) {
            return Err(Refusal::new(
                RefusalCode::AgentActive,
                format!("{id} runs and speaks for itself; stop it or use another name"),
            ));
        }
        Ok(id)
    }

    fn check_time(&self, signal: &ArbitrageSignal, now: Timestamp) -> Result<(), Refusal> {
        let age = now - signal.timestamp;
        if signal.timestamp_was_naive && age.abs() > self.rules.window {
            return Err(Refusal::new(
                RefusalCode::StaleSendUtc,
                format!(
                    "{} has no offset and is {} s off; send UTC, with a Z",
                    signal.timestamp.naive_utc(),
                    age.num_seconds()
                ),
            ));
        }
        if -age > AHEAD_MAX {
            return Err(Refusal::new(
                RefusalCode::FromTheFuture,
                format!("{} ms ahead of {now}", -age.num_milliseconds()),
            ));
        }
        let ttl = signal
            .ttl_ms
            .filter(|_| !signal.is_original_format())
            .and_then(|ms| i64::try_from(ms).ok())
            .and_then(TimeDelta::try_milliseconds)
            .map_or(self.rules.window, |ttl| ttl.min(self.rules.ttl_max));
        if age > ttl {
            return Err(Refusal::new(
                RefusalCode::Stale,
                format!(
                    "{} ms old; void after {}",
                    age.num_milliseconds(),
                    ttl.num_milliseconds()
                ),
            ));
        }
        Ok(())
    }

    /// What was said before this start may have been heard before it.
    fn check_since(&self, timestamp: Timestamp) -> Result<(), Refusal> {
        match &self.post {
            Some(post) if timestamp < post.since => Err(Refusal::new(
                RefusalCode::ReplayedSequence,
                format!("signed at {timestamp}, before this engine started to listen"),
            )),
            _ => Ok(()),
        }
    }
}

fn vote_of(signal: &ArbitrageSignal, agent: AgentId, timestamp: Timestamp) -> Vote {
    Vote {
        asset: signal.financial_asset.clone(),
        original_format: signal.is_original_format(),
        vote: RoundVote {
            agent,
            direction: signal.metadata.direction,
            timestamp,
            signal_id: signal.signal_id.clone(),
            signal_type: signal.signal_type,
            strength: signal.strength,
            size: signal.metadata.size,
            expected_profit: signal.expected_profit,
            narrative_id: signal.narrative_id.clone(),
            weight_millionths: HEADCOUNT_WEIGHT,
        },
    }
}

//! I1 and I2: one order, on record, wanted by a quorum, and never another's.

use std::collections::{BTreeMap, BTreeSet};

use rawe_consensus::quorum_directions;
use rawe_core::{Purpose, RoundOutcome, RoundRecord, RoundVote, Symbol, Timestamp};
use rawe_execution::broker::OrderRequest;
use rawe_execution::journal::JournalEntry;

use crate::broker::{BrokerModel, Owner};
use crate::journal::JournalModel;
use crate::witness::Witness;
use crate::witness::{Known, Post};

/// How many sendings of one intent there may be.
const ATTEMPTS_MAX: u32 = 2;

impl Witness {
    /// I1: "resolved by lookup; the POST is sent again at most once, after a confirmed not-found".
    pub(super) fn check_single_sending(&mut self, order: &OrderRequest, now: Timestamp) {
        let id = &order.client_order_id;
        let boot = self.boot;
        let Some(post) = self.posts.get_mut(id) else {
            let post = Post {
                at: now,
                known: Known::Nothing,
                attempts: 1,
                boot,
            };
            self.posts.insert(id.clone(), post);
            return;
        };
        let known = post.known;
        post.attempts = if post.boot == boot {
            post.attempts + 1
        } else {
            1
        };
        let attempts = post.attempts;
        (post.at, post.known, post.boot) = (now, Known::Nothing, boot);
        match known {
            Known::Refused | Known::NotFound if attempts <= ATTEMPTS_MAX => {
                self.coverage.add("orders_sent_again", 1);
            }
            Known::Refused | Known::NotFound => {
                self.fail(
                    "I1",
                    format!("{id} was sent {attempts} times for one intent"),
                );
            }
            Known::Nothing | Known::Taken => {
                let detail = format!("{id} was sent again when the broker {known:?} of it");
                self.fail("I1", detail);
            }
        }
    }

    /// I2: "the intent is committed before the first byte leaves"; an opening's round is there too.
    pub(super) fn check_intent(&mut self, order: &OrderRequest, journal: &JournalModel) {
        let id = &order.client_order_id;
        let Some(intent) = self.intents.get(id) else {
            self.fail(
                "I2",
                format!("{id} was sent without an intent in the journal"),
            );
            return;
        };
        if intent.order != *order {
            let detail = format!(
                "{id} was sent as {order:?}, on record is {:?}",
                intent.order
            );
            self.fail("I2", detail);
            return;
        }
        let on_disk = journal.durable.iter().rev().any(
            |entry| matches!(entry, JournalEntry::Intent(i) if i.order.client_order_id == *id),
        );
        if !on_disk {
            self.fail(
                "I2",
                format!("{id} was sent, and the disk does not have its intent"),
            );
            return;
        }
        if intent.purpose == Purpose::Open && !self.rounds.contains_key(&intent.round_id) {
            let round = intent.round_id.clone();
            self.fail(
                "I2",
                format!("{id} opens, and its round {round} is not on record"),
            );
        }
    }

    /// I2: "survives kill -9": every order of ours that the broker has is on record at a start.
    pub(crate) fn check_on_record(&mut self, history: &[JournalEntry], broker: &BrokerModel) {
        if self.journal_was_lost {
            return;
        }
        let known: BTreeSet<&str> = history
            .iter()
            .filter_map(|entry| match entry {
                JournalEntry::Intent(intent) => Some(intent.order.client_order_id.as_str()),
                _ => None,
            })
            .collect();
        let unknown = broker
            .orders
            .iter()
            // Exits are the broker's making: it tells them with their order.
            .filter(|order| order.owner == Owner::Ours && order.leg_of.is_none())
            .find(|order| !known.contains(order.client_id.as_str()));
        if let Some(order) = unknown {
            let detail = format!("the journal of a start does not know {}", order.client_id);
            self.fail("I2", detail);
        }
    }

    /// I2: K distinct agents of the roster, votes really cast, within the window. And: "losing,
    /// duplicating, delaying or reordering can only remove quorums": whatever counted as a quorum
    /// is one of all that was ever said.
    pub(crate) fn check_round(
        &mut self,
        round: &RoundRecord,
        voted: &BTreeMap<Symbol, Vec<RoundVote>>,
    ) {
        let had_none = matches!(
            round.outcome,
            RoundOutcome::NoQuorum | RoundOutcome::Conflict | RoundOutcome::TooFewAlive
        );
        // Exits without a round have no votes: stances, stops and the operator decide them.
        let by_vote = !round.votes.is_empty() || round.purpose == Some(Purpose::Open);
        let Some(direction) = round.direction.filter(|_| !had_none && by_vote) else {
            return;
        };
        let quorum = self.settings.rules.quorum();
        let agreeing: Vec<RoundVote> = round
            .votes
            .iter()
            .filter(|vote| vote.direction == direction)
            .cloned()
            .collect();
        let agents: BTreeSet<&str> = agreeing.iter().map(|vote| vote.agent.as_str()).collect();
        let id = &round.round_id;
        if agents.len() < quorum {
            let detail = format!("{id} {} with {} agents", round.outcome, agents.len());
            self.fail("I2", detail);
            return;
        }
        if !quorum_directions(&agreeing, quorum, self.window).contains(&direction) {
            self.fail("I2", format!("{id}: its votes do not fall within a window"));
            return;
        }
        let all = voted
            .get(&round.asset)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for vote in &agreeing {
            let said = all.iter().rev().any(|said| {
                said.agent == vote.agent
                    && said.direction == vote.direction
                    && said.timestamp == vote.timestamp
            });
            if !said {
                let detail = format!(
                    "{id} counts a vote of {} at {} that was never cast",
                    vote.agent, vote.timestamp
                );
                self.fail("I2", detail);
                return;
            }
        }
    }

    /// I1: at the broker, at most one order of an asset and purpose works at a time, and a round
    /// opens at most once.
    pub(crate) fn taken(&mut self, order: &OrderRequest, broker: &BrokerModel) {
        let id = &order.client_order_id;
        let Some(intent) = self.intents.get(id) else {
            self.fail("I2", format!("the broker has {id}, the journal has not"));
            return;
        };
        let (purpose, round) = (intent.purpose, intent.round_id.clone());
        let others: Vec<&crate::broker::Order> = broker
            .orders
            .iter()
            .filter(|other| other.owner == Owner::Ours && other.client_id != id.as_str())
            .collect();
        let same = others.iter().find(|other| {
            !other.status.is_terminal()
                && other.request.symbol == order.symbol
                && self.purpose(&other.request.client_order_id) == Some(purpose)
        });
        if let Some(other) = same {
            let detail = format!(
                "{id} and {} both {purpose} {}",
                other.client_id, order.symbol
            );
            self.fail("I1", detail);
            return;
        }
        let again = others.iter().find(|other| {
            purpose == Purpose::Open
                && self
                    .intents
                    .get(&other.request.client_order_id)
                    .is_some_and(|i| i.purpose == Purpose::Open && i.round_id == round)
        });
        if let Some(other) = again {
            self.fail(
                "I1",
                format!("{id} and {} are of one round, {round}", other.client_id),
            );
        }
    }

    /// "Positions and orders we did not create are never touched."
    pub(crate) fn cancels(&mut self, broker_order_id: &str, broker: &BrokerModel) {
        let theirs = broker
            .orders
            .iter()
            .any(|order| order.id == broker_order_id && order.owner == Owner::Foreign);
        if theirs {
            self.fail(
                "I3",
                format!("{broker_order_id} is not ours and was cancelled"),
            );
        }
    }
}

//! What the engine does about the consensus's effects and about news of its orders: journal,
//! publish, log, count.

use rawe_consensus::{Effect, Event, ObservedPosition};
use rawe_core::channels::DECISIONS_STREAM;
use rawe_core::{Direction, Purpose, RoundRecord, Symbol};

use crate::desk::{OrderNews, PositionHint};
use crate::engine::Engine;

impl Engine {
    /// Performs effects; orders go to tasks of their own.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Order(proposal) => {
                    let (desk, news) = (self.desk.clone(), self.news.clone());
                    self.orders
                        .spawn(async move { desk.execute(*proposal, &news).await });
                }
                other => self.perform_quietly(other),
            }
        }
    }

    /// Performs an effect that is not an order.
    pub(crate) fn perform_quietly(&mut self, effect: Effect) {
        match effect {
            Effect::Order(proposal) => {
                // Orders are the caller's: one that gets here would be lost without a trace.
                tracing::error!(event = "order_lost", asset = %proposal.record.asset, "a bug");
                self.halts.broke("an order was lost by a bug");
            }
            Effect::NearMiss(record) => {
                let recorded = self
                    .desk
                    .with_journal(|journal| journal.record_round(&record));
                if let Err(error) = recorded {
                    self.halts.broke(&error.to_string());
                }
                self.close_round(&record);
            }
            Effect::StanceAlarm { asset, agents } => {
                let names: Vec<&str> = agents.iter().map(rawe_core::AgentId::as_str).collect();
                self.heart.add("stance_alarms", 1);
                tracing::warn!(
                    event = "stance_unknown",
                    %asset,
                    agents = names.join(","),
                    "the position is kept although agents that agreed have fallen silent"
                );
            }
            Effect::WeightsChanged(change) => {
                tracing::info!(event = "weights_changed", reason = change.reason, "voters earned");
            }
            Effect::CannotTrade { able, quorum } => self.unsaid = Some((able, quorum)),
            Effect::CanTrade { able } => {
                if self.unsaid.take().is_none() {
                    tracing::info!(
                        event = "collective_can_trade",
                        able,
                        "enough agents can be heard"
                    );
                }
            }
        }
    }

    /// Publishes, logs and counts a closed round.
    fn close_round(&mut self, record: &RoundRecord) {
        match serde_json::to_vec(record) {
            Ok(payload) => self.publisher.publish(DECISIONS_STREAM, payload),
            Err(error) => tracing::error!(event = "round_unwritable", %error, "a bug"),
        }
        self.heart.add("rounds", 1);
        let kind = if record.outcome.is_decision() {
            "decision"
        } else {
            "near_miss"
        };
        self.heart.add(&format!("{kind}.{}", record.outcome), 1);
        self.heart.progress("round", Some(record.closed));
        let votes = |direction| {
            record
                .votes
                .iter()
                .filter(|v| v.direction == direction)
                .count()
        };
        tracing::info!(
            event = "round_closed",
            round_id = record.round_id,
            asset = %record.asset,
            outcome = %record.outcome,
            purpose = record.purpose.map(tracing::field::display),
            direction = record.direction.map(tracing::field::display),
            votes_long = votes(Direction::Long),
            votes_short = votes(Direction::Short),
            notional = record.notional.map(tracing::field::display),
            decision_id = record.decision_id.as_ref().map(tracing::field::display),
            client_order_id = record.client_order_id.as_ref().map(tracing::field::display),
            "{}: {}",
            record.asset,
            record.reason
        );
    }

    /// News of an order; what follows from it.
    pub(crate) fn on_news(&mut self, news: OrderNews) -> Vec<Effect> {
        let now = self.time.now();
        match news {
            OrderNews::Accepted { record } => {
                self.heart.add("orders_accepted", 1);
                if let Some(record) = record {
                    self.close_round(&record);
                }
                Vec::new()
            }
            OrderNews::Refused {
                asset,
                purpose,
                record,
                position,
            } => {
                self.heart.add("orders_refused", 1);
                if let Some(record) = record {
                    self.close_round(&record);
                }
                let refused = Event::OrderRefused {
                    asset: asset.clone(),
                    purpose,
                };
                let mut effects = self.consensus.apply(refused, now);
                effects.extend(self.apply_hint(asset, purpose, position));
                effects
            }
            OrderNews::Ended {
                asset,
                purpose,
                filled,
                filled_at,
                position_left,
            } => {
                self.heart.add("orders_ended", 1);
                if !filled.is_zero() {
                    let counter = match purpose {
                        Purpose::Open => "positions_opened",
                        Purpose::Close | Purpose::Stop => "positions_closed",
                    };
                    self.heart.add(counter, 1);
                }
                self.observed.insert(asset.clone());
                let ended = Event::OrderEnded {
                    asset,
                    purpose,
                    filled,
                    filled_at,
                    position_left,
                };
                self.consensus.apply(ended, now)
            }
        }
    }

    fn apply_hint(&mut self, asset: Symbol, purpose: Purpose, hint: PositionHint) -> Vec<Effect> {
        let position = match (hint, purpose) {
            (PositionHint::Gone, Purpose::Close) => {
                self.desk.note_entry(&asset, None);
                None
            }
            (PositionHint::Foreign, Purpose::Open) => Some(ObservedPosition {
                direction: Direction::Long,
                opened_at: self.time.now(),
                agreeing: std::collections::BTreeSet::new(),
                ours: false,
            }),
            _ => return Vec::new(),
        };
        let observed = Event::PositionObserved {
            asset,
            position,
            last_fill: None,
        };
        let now = self.time.now();
        self.consensus.apply(observed, now)
    }
}

//! What the desk and the consensus tell each other: decisions one way, refusals, fills and
//! holdings the other; and the record that every closed round leaves.

use chrono::TimeDelta;
use rawe_consensus::{
    AssetFacts, Effect, Event, MarketHours, ObservedPosition, OrderProposal, Trading, Universe,
};
use rawe_core::channels::DECISIONS_STREAM;
use rawe_core::{AgentId, Direction, ExitReason, Purpose, RoundRecord, Symbol};
use rawe_execution::TradingState;
use rawe_execution::broker::{AssetInfo, BrokerClock};
use rawe_execution::desk::{Decision, DeskEvent, Notice, NoticeLevel, OrderNews};
use rawe_execution::journal::JournalEntry;

use crate::collective::{Collective, Turn};
use crate::event::Output;

/// How long the broker's word on market hours holds when it names no next change.
const HOURS_HOLD: TimeDelta = TimeDelta::seconds(60);

impl Collective {
    /// Performs an effect of the consensus.
    pub(crate) fn on_effect(&mut self, effect: Effect, turn: &mut Turn) {
        match effect {
            Effect::Order(proposal) => {
                self.tell_desk(DeskEvent::Decided(Box::new(decision(*proposal))), turn);
            }
            Effect::NearMiss(record) => {
                self.close_round(&record, turn);
                self.hindsight.note(&record);
                turn.entries.push(JournalEntry::Round(record));
            }
            Effect::WeightsChanged(change) => {
                turn.info(
                    "weights_changed",
                    Vec::new(),
                    format!("what each vote weighs: {}", change.reason),
                );
                turn.entries.push(JournalEntry::Weights(*change));
            }
            Effect::StanceAlarm { asset, agents } => {
                self.counts.stance_alarms += 1;
                let names: Vec<&str> = agents.iter().map(AgentId::as_str).collect();
                turn.warn(
                    "stance_unknown",
                    vec![("asset", asset.to_string()), ("agents", names.join(","))],
                    "the position is kept although agents that agreed have fallen silent"
                        .to_owned(),
                );
            }
            Effect::CannotTrade { able, quorum } => self.unsaid = Some((able, quorum)),
            Effect::CanTrade { able } => {
                if self.unsaid.take().is_none() {
                    turn.info(
                        "collective_can_trade",
                        vec![("able", able.to_string())],
                        "enough agents can be heard".to_owned(),
                    );
                }
            }
        }
    }

    /// What the desk has to say.
    pub(crate) fn on_news(&mut self, news: OrderNews, turn: &mut Turn) {
        match news {
            OrderNews::Accepted { record } => {
                self.counts.orders_accepted += 1;
                if let Some(record) = record {
                    self.close_round(&record, turn);
                }
            }
            OrderNews::Refused {
                asset,
                purpose,
                record,
            } => {
                self.counts.orders_refused += 1;
                if let Some(record) = record {
                    self.close_round(&record, turn);
                }
                self.tell_consensus(Event::OrderRefused { asset, purpose }, turn);
            }
            OrderNews::Resumed { .. } | OrderNews::Ended { .. } => self.on_progress(news, turn),
            OrderNews::Holding {
                asset,
                position,
                last_fill,
            } => {
                let position = position.map(|held| ObservedPosition {
                    direction: held.direction,
                    opened_at: held.opened_at,
                    agreeing: held.agreeing,
                    ours: held.ours,
                });
                let observed = Event::PositionObserved {
                    asset,
                    position,
                    last_fill,
                };
                self.tell_consensus(observed, turn);
            }
            OrderNews::TradeClosed(trade) => {
                self.tell_consensus(Event::TradeClosed(trade), turn);
            }
            OrderNews::Hours(clock) => self.note_hours(clock.as_ref(), turn),
            OrderNews::Asset { asset, info } => self.on_asset(&asset, info, turn),
            OrderNews::State(state) => {
                let trading = match state {
                    TradingState::Active => Trading::Active,
                    TradingState::Reducing => Trading::Reducing,
                    TradingState::Halted => Trading::Halted,
                };
                self.tell_consensus(Event::Trading(trading), turn);
            }
        }
    }

    /// An order of an earlier start works on, or one has ended.
    fn on_progress(&mut self, news: OrderNews, turn: &mut Turn) {
        match news {
            OrderNews::Resumed {
                asset,
                purpose,
                direction,
                agreeing,
            } => {
                let resumed = Event::OrderResumed {
                    asset,
                    purpose,
                    direction,
                    agreeing,
                };
                self.tell_consensus(resumed, turn);
            }
            OrderNews::Ended {
                asset,
                purpose,
                filled,
                filled_at,
                position_left,
            } => {
                self.counts.orders_ended += 1;
                if !filled.is_zero() {
                    match purpose {
                        Purpose::Open => self.counts.positions_opened += 1,
                        Purpose::Close | Purpose::Stop => self.counts.positions_closed += 1,
                    }
                }
                let ended = Event::OrderEnded {
                    asset,
                    purpose,
                    filled,
                    filled_at,
                    position_left,
                };
                self.tell_consensus(ended, turn);
            }
            _ => {}
        }
    }

    /// The broker has said what it knows of an asset.
    fn on_asset(&mut self, asset: &Symbol, info: Option<AssetInfo>, turn: &mut Turn) {
        let universe = if info.as_ref().is_some_and(|info| info.tradable) {
            Universe::Inside
        } else {
            Universe::Outside
        };
        let facts = info.map(|info| AssetFacts {
            tradable: info.tradable,
            shortable: info.shortable,
        });
        self.tell_consensus(Event::Asset(asset.clone(), facts), turn);
        self.known.assets.insert(asset.clone(), universe);
        if let Some(weighing) = &mut self.weighing {
            weighing.unknown.remove(asset);
        }
        self.release(asset, universe, turn);
    }

    /// Remembers the market's hours, in market time; `None` when the broker cannot be asked.
    pub(crate) fn note_hours(&mut self, clock: Option<&BrokerClock>, turn: &mut Turn) {
        self.hours = clock.map(|clock| {
            let change = if clock.is_open {
                clock.next_close
            } else {
                clock.next_open
            };
            let wait = change - clock.timestamp;
            let hold = if wait > TimeDelta::zero() {
                wait
            } else {
                HOURS_HOLD
            };
            MarketHours {
                is_open: clock.is_open,
                until: turn.now + hold,
            }
        });
        if let Some(weighing) = &mut self.weighing {
            weighing.hours_answered = true;
        }
        self.tell_consensus(Event::Market(self.hours), turn);
    }

    /// Publishes, tells and counts a closed round.
    fn close_round(&mut self, record: &RoundRecord, turn: &mut Turn) {
        match serde_json::to_vec(record) {
            Ok(payload) => turn.outputs.push(Output::Publish {
                stream: DECISIONS_STREAM,
                payload,
            }),
            Err(error) => turn.outputs.push(Output::Notice(Notice {
                level: NoticeLevel::Error,
                event: "round_unwritable",
                fields: vec![("round_id", record.round_id.clone())],
                message: format!("a bug: {error}"),
            })),
        }
        *self.counts.outcomes.entry(record.outcome).or_default() += 1;
        turn.outputs.push(Output::Notice(round_closed(record)));
    }

    /// Says that the collective cannot trade, once it is fair to expect all agents.
    pub(crate) fn say_unsaid(&mut self, turn: &mut Turn) {
        let quiet = self
            .started
            .is_none_or(|started| turn.now - started < QUIET_START);
        if quiet && !self.paced {
            return;
        }
        if let Some((able, quorum)) = self.unsaid.take() {
            self.counts.cannot_trade += 1;
            turn.warn(
                "collective_cannot_trade",
                vec![("able", able.to_string()), ("quorum", quorum.to_string())],
                format!(
                    "only {able} agents can be heard and {quorum} must agree: the collective \
                     cannot trade; start more agents"
                ),
            );
        }
    }
}

/// For how long after the start missing agents are not complained about.
const QUIET_START: TimeDelta = TimeDelta::seconds(30);

fn decision(proposal: OrderProposal) -> Decision {
    let closes = proposal.purpose != Purpose::Open;
    let exit = closes.then_some({
        // A closing without votes is the soft exit: those who agreed have left one by one.
        if proposal.record.votes.is_empty() {
            ExitReason::SoftExit
        } else {
            ExitReason::OpposingQuorum
        }
    });
    Decision {
        purpose: proposal.purpose,
        direction: proposal.direction,
        void_after: proposal.void_after,
        record: proposal.record,
        exit,
    }
}

fn round_closed(record: &RoundRecord) -> Notice {
    let votes = |direction| {
        let cast = record.votes.iter().filter(|v| v.direction == direction);
        cast.count().to_string()
    };
    let mut fields = vec![
        ("round_id", record.round_id.clone()),
        ("asset", record.asset.to_string()),
        ("outcome", record.outcome.to_string()),
        ("votes_long", votes(Direction::Long)),
        ("votes_short", votes(Direction::Short)),
    ];
    let purpose = record.purpose.map(|purpose| purpose.to_string());
    let direction = record.direction.map(|direction| direction.to_string());
    let notional = record.notional.map(|notional| notional.to_string());
    let decision_id = record.decision_id.as_ref().map(ToString::to_string);
    let order_id = record.client_order_id.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("purpose", purpose),
        ("direction", direction),
        ("notional", notional),
        ("decision_id", decision_id),
        ("client_order_id", order_id),
    ] {
        fields.extend(value.map(|value| (name, value)));
    }
    Notice {
        level: NoticeLevel::Info,
        event: "round_closed",
        fields,
        message: format!("{}: {}", record.asset, record.reason),
    }
}

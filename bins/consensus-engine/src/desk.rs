//! The order desk: takes a decision to the broker and says what came of it.
//!
//! Each decision is one call of [`Desk::execute`], which the engine runs in a task of its own when
//! live and awaits in a replay. The gate and the state machine of a submission are
//! `rawe-execution`'s; asking the broker what they need to know is done here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rawe_consensus::OrderProposal;
use rawe_core::{
    ClientOrderId, DecisionId, Direction, Purpose, RoundOutcome, RoundRecord, Symbol, Timestamp,
};
use rawe_execution::broker::{Broker, BrokerError, PositionReport};
use rawe_execution::journal::{Journal, JournalError};
use rawe_execution::{
    ApprovedOrder, Gate, GateInput, OrderIntentInput, OrderRefusal, Submission, TradingState,
    next_decision_id,
};
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::halts::Halts;
use crate::market_time::MarketTime;

/// How long a decision waits for a broker that cannot be asked, in real time; its time to live may
/// end it sooner.
const ASK_LIMIT: Duration = Duration::from_secs(15);
/// How long to wait before the broker is asked again.
const ASK_WAIT: Duration = Duration::from_millis(500);

/// What came of an order.
#[derive(Debug)]
pub(crate) enum OrderNews {
    /// There is no order at the broker and there will be none.
    Refused {
        asset: Symbol,
        purpose: Purpose,
        /// The round's record with the refusal as its outcome, if the round is of this start.
        record: Option<Box<RoundRecord>>,
        /// What the refusal tells about the position.
        position: PositionHint,
    },
    /// The broker has the order.
    Accepted {
        /// The round's record with its ids, if the round is of this start.
        record: Option<Box<RoundRecord>>,
    },
    /// The order has reached its end at the broker.
    Ended {
        asset: Symbol,
        purpose: Purpose,
        filled: Decimal,
        filled_at: Option<Timestamp>,
        position_left: bool,
    },
}

/// What a refusal tells about the position in an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionHint {
    /// Nothing.
    AsBefore,
    /// There is none (any more).
    Gone,
    /// There is one that we did not open.
    Foreign,
}

/// A position of ours, for its profit and its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) direction: Direction,
    /// Mean entry price, USD.
    pub(crate) price: Decimal,
    /// Units that are ours, where the broker's position holds more than ours.
    pub(crate) limit: Option<Decimal>,
}

/// What is on its way: counts as exposure until it has ended.
#[derive(Debug, Default)]
struct Exposure {
    /// USD of openings under way.
    in_flight: BTreeMap<ClientOrderId, Decimal>,
    /// Broker times of openings of the last hour.
    openings: Vec<(ClientOrderId, Timestamp)>,
}

/// The order desk.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) journal: Arc<Mutex<dyn Journal>>,
    pub(crate) time: Arc<MarketTime>,
    pub(crate) halts: Arc<Halts>,
    gate: Gate,
    deployment: Mutex<String>,
    /// Held while the gate looks, so that two decisions never share the same room.
    exposure: tokio::sync::Mutex<Exposure>,
    entries: Mutex<BTreeMap<Symbol, Entry>>,
}

/// Why there is no order.
enum Declined {
    /// A reason that stands.
    Refused {
        outcome: RoundOutcome,
        reason: String,
        position: PositionHint,
    },
    /// The broker could not be asked: try again.
    AskAgain(BrokerError),
}

impl From<OrderRefusal> for Declined {
    fn from(refusal: OrderRefusal) -> Self {
        let position = match refusal {
            OrderRefusal::NothingToClose(_) => PositionHint::Gone,
            OrderRefusal::AlreadyHeld { .. } | OrderRefusal::WouldFlip { .. } => {
                PositionHint::Foreign
            }
            _ => PositionHint::AsBefore,
        };
        Self::Refused {
            outcome: refusal.outcome(),
            reason: refusal.to_string(),
            position,
        }
    }
}

impl From<BrokerError> for Declined {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unavailable(_) | BrokerError::Unreadable(_) => Self::AskAgain(error),
            BrokerError::Unauthorized(_) | BrokerError::Refused { .. } => Self::Refused {
                outcome: RoundOutcome::BrokerRejected,
                reason: error.to_string(),
                position: PositionHint::AsBefore,
            },
        }
    }
}

impl From<JournalError> for Declined {
    fn from(error: JournalError) -> Self {
        Self::Refused {
            outcome: RoundOutcome::JournalFailed,
            reason: error.to_string(),
            position: PositionHint::AsBefore,
        }
    }
}

impl Desk {
    /// A desk with nothing on its way.
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        journal: Arc<Mutex<dyn Journal>>,
        time: Arc<MarketTime>,
        halts: Arc<Halts>,
        gate: Gate,
        deployment: &str,
    ) -> Self {
        Self {
            broker,
            journal,
            time,
            halts,
            gate,
            deployment: Mutex::new(deployment.to_owned()),
            exposure: tokio::sync::Mutex::default(),
            entries: Mutex::default(),
        }
    }

    /// Names the deployment: a replay's runs have names of their own.
    pub(crate) fn set_deployment(&self, name: String) {
        *lock(&self.deployment) = name;
    }

    /// The deployment's name.
    pub(crate) fn deployment(&self) -> String {
        lock(&self.deployment).clone()
    }

    /// Notes a position of ours, found or opened.
    pub(crate) fn note_entry(&self, asset: &Symbol, entry: Option<Entry>) {
        let mut entries = lock(&self.entries);
        match entry {
            Some(entry) => entries.insert(asset.clone(), entry),
            None => entries.remove(asset),
        };
    }

    /// The position of ours in an asset.
    pub(crate) fn entry(&self, asset: &Symbol) -> Option<Entry> {
        lock(&self.entries).get(asset).copied()
    }

    /// Reads or writes the journal.
    pub(crate) fn with_journal<T>(&self, call: impl FnOnce(&mut dyn Journal) -> T) -> T {
        call(&mut *lock_journal(&self.journal))
    }

    /// Takes a decision to its order's end, telling `news` on the way.
    pub(crate) async fn execute(&self, proposal: OrderProposal, news: &mpsc::Sender<OrderNews>) {
        match self.prepare(&proposal).await {
            Ok((submission, record)) => self.follow(submission, Some(record), news).await,
            Err(Declined::Refused {
                outcome,
                reason,
                position,
            }) => {
                if outcome == RoundOutcome::JournalFailed {
                    self.halts.broke(&reason);
                }
                self.refuse(proposal, outcome, reason, position, news).await;
            }
            Err(Declined::AskAgain(error)) => {
                let reason = format!("the decision was given up: {error}");
                let hint = PositionHint::AsBefore;
                self.refuse(proposal, RoundOutcome::Stale, reason, hint, news)
                    .await;
            }
        }
    }

    async fn refuse(
        &self,
        proposal: OrderProposal,
        outcome: RoundOutcome,
        reason: String,
        position: PositionHint,
        news: &mpsc::Sender<OrderNews>,
    ) {
        let (asset, purpose) = (proposal.record.asset.clone(), proposal.purpose);
        let record = proposal.refused(outcome, reason);
        if let Err(error) = self.with_journal(|journal| journal.record_round(&record)) {
            self.halts.broke(&error.to_string());
        }
        let record = Some(Box::new(record));
        tell(
            news,
            OrderNews::Refused {
                asset,
                purpose,
                record,
                position,
            },
        )
        .await;
    }

    /// Asks what the gate needs, again and again while the broker cannot be asked.
    async fn prepare(
        &self,
        proposal: &OrderProposal,
    ) -> Result<(Submission, Box<RoundRecord>), Declined> {
        let mut exposure = self.exposure.lock().await;
        let started = Instant::now();
        loop {
            match self.check(proposal, &mut exposure).await {
                Err(Declined::AskAgain(error)) => {
                    let late = self.time.now() > proposal.void_after;
                    if late || started.elapsed() > ASK_LIMIT {
                        return Err(Declined::AskAgain(error));
                    }
                    tracing::warn!(event = "broker_silent", %error, "asking again");
                    sleep(ASK_WAIT).await;
                }
                answer => return answer,
            }
        }
    }

    async fn check(
        &self,
        proposal: &OrderProposal,
        exposure: &mut Exposure,
    ) -> Result<(Submission, Box<RoundRecord>), Declined> {
        let (state, why) = self.halts.state();
        if state == TradingState::Halted {
            let reason = format!("trading is halted: {why}");
            let (outcome, position) = (RoundOutcome::Halted, PositionHint::AsBefore);
            return Err(Declined::Refused {
                outcome,
                reason,
                position,
            });
        }
        let asset = &proposal.record.asset;
        let (account, positions, info, clock, price, closed) = tokio::try_join!(
            self.broker.account(),
            self.broker.positions(),
            self.broker.asset(asset),
            self.broker.clock(),
            self.broker.latest_price(asset),
            self.broker.closed_orders(asset),
        )?;
        let info = info.ok_or_else(|| OrderRefusal::NotTradable(asset.clone()))?;
        let intents = self.with_journal(|journal| journal.intents(asset))?;
        let purpose = proposal.purpose;
        let id = next_decision_id(&self.deployment(), asset, purpose, &closed, &intents);
        let decision = OrderIntentInput {
            client_order_id: id.client_order_id(),
            purpose,
            symbol: asset.clone(),
            direction: proposal.direction,
            notional: proposal.record.notional.unwrap_or_default(),
            quantity_limit: self.entry(asset).and_then(|entry| entry.limit),
        };
        let now = self.time.broker_now();
        exposure
            .openings
            .retain(|(_, at)| now - *at < chrono::TimeDelta::hours(1));
        let openings: Vec<Timestamp> = exposure.openings.iter().map(|(_, at)| *at).collect();
        let under_way: Decimal = exposure.in_flight.values().sum();
        let approved = self.gate.check(&GateInput {
            now,
            state,
            clock: Some(&clock),
            account: &account,
            asset: &info,
            position: positions.iter().find(|position| position.symbol == *asset),
            price: price.map(|(price, _)| price),
            gross_notional: positions
                .iter()
                .map(|p| p.market_value.abs())
                .sum::<Decimal>()
                + under_way,
            openings: &openings,
            decision: &decision,
            void_after: self.time.to_broker(proposal.void_after),
        })?;
        self.commit(proposal, approved, id, now, exposure)
    }

    /// Puts the round on record before anything is sent: no order without its votes.
    fn commit(
        &self,
        proposal: &OrderProposal,
        approved: ApprovedOrder,
        id: DecisionId,
        now: Timestamp,
        exposure: &mut Exposure,
    ) -> Result<(Submission, Box<RoundRecord>), Declined> {
        let opens = proposal.purpose == Purpose::Open;
        let mut record = Box::new(proposal.record.clone());
        record.decision_id = Some(id.clone());
        record.client_order_id = Some(id.client_order_id());
        if opens {
            record.notional = Some(approved.notional().round_dp(2));
        }
        self.with_journal(|journal| journal.record_round(&record))?;
        if opens {
            exposure.openings.push((id.client_order_id(), now));
            exposure
                .in_flight
                .insert(id.client_order_id(), approved.notional());
        }
        let round_id = record.round_id.clone();
        Ok((Submission::new(approved, id, round_id, now), record))
    }

    /// An order is over: it is no longer on its way.
    pub(crate) async fn landed(&self, id: &ClientOrderId, opened: bool) {
        let mut exposure = self.exposure.lock().await;
        exposure.in_flight.remove(id);
        if !opened {
            exposure.openings.retain(|(other, _)| other != id);
        }
    }

    /// Whether a position worth trading is left at the broker; `None` if it cannot be asked.
    pub(crate) async fn position_left(&self, asset: &Symbol) -> Option<bool> {
        let mut attempts = 0;
        loop {
            let answers = tokio::try_join!(
                self.broker.positions(),
                self.broker.asset(asset),
                self.broker.latest_price(asset)
            );
            match answers {
                Ok((positions, info, price)) => {
                    let position: Option<PositionReport> = positions
                        .into_iter()
                        .find(|position| position.symbol == *asset);
                    let price = price.map(|(price, _)| price);
                    let dust = |position: &PositionReport| {
                        info.as_ref()
                            .is_some_and(|info| rawe_execution::is_dust(position, info, price))
                    };
                    return Some(position.is_some_and(|p| !p.quantity.is_zero() && !dust(&p)));
                }
                Err(error) if attempts < 3 => {
                    tracing::warn!(event = "broker_silent", %error, "asking again");
                    attempts += 1;
                    sleep(ASK_WAIT).await;
                }
                Err(_) => return None,
            }
        }
    }
}

/// Tells the engine; it may have ended.
pub(crate) async fn tell(news: &mpsc::Sender<OrderNews>, item: OrderNews) {
    if news.send(item).await.is_err() {
        tracing::debug!(event = "order_news_lost", "the engine has ended");
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_journal<'a>(
    journal: &'a Mutex<dyn Journal + 'static>,
) -> MutexGuard<'a, dyn Journal + 'static> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

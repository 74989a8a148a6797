//! What the broker has said lately, when it was asked, and what is being asked now.
//!
//! Answers are compared by the event in which their question was asked: what was asked before an
//! order ended says nothing of its fills.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{Account, AssetInfo, BrokerClock, PositionReport};
use crate::desk::Question;
use crate::limits::RiskLimits;

/// How old the account, positions and open orders may be before an opening: two reconciliations.
pub(crate) const VIEW_AGE_MAX: TimeDelta = TimeDelta::seconds(120);
/// How long a clock holds that names no next change of the session.
const CLOCK_HOLD: TimeDelta = TimeDelta::seconds(60);
/// How long what is said of an asset holds: borrowing changes daily.
const ASSET_HOLD: TimeDelta = TimeDelta::hours(1);

/// An answer and its circumstances.
#[derive(Clone, Debug)]
pub(crate) struct Told<T> {
    pub(crate) value: T,
    /// The event in which it was asked.
    pub(crate) sequence: u64,
    /// Market time of the question.
    pub(crate) asked_at: Timestamp,
    /// Market time of the answer.
    pub(crate) at: Timestamp,
}

/// A question under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    count: u32,
}

/// Buying power that an order takes until the account as read knows of it.
#[derive(Clone, Debug)]
struct Reserved {
    usd: Decimal,
    /// The event since which the broker has, or certainly has not, the order.
    known: Option<u64>,
}

/// The broker's side as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) account: Option<Told<Account>>,
    pub(crate) clock: Option<Told<BrokerClock>>,
    pub(crate) positions: Option<Told<BTreeMap<Symbol, PositionReport>>>,
    pub(crate) open_orders: Option<Told<()>>,
    pub(crate) assets: BTreeMap<Symbol, Told<Option<AssetInfo>>>,
    /// Seconds by which the broker's clock differs from ours.
    pub(crate) skew_secs: i64,
    /// Whether the last question for the account, positions or open orders failed.
    pub(crate) failing: bool,
    asked: BTreeMap<Question, Asked>,
    /// Answers to come that belong to an earlier start.
    void: BTreeMap<Question, u32>,
    reserved: BTreeMap<ClientOrderId, Reserved>,
    reserved_sum: Decimal,
}

impl View {
    /// Forgets everything; answers under way will be ignored.
    pub(crate) fn forget(&mut self) {
        let mut void = std::mem::take(&mut self.void);
        for (question, asked) in std::mem::take(&mut self.asked) {
            *void.entry(question).or_default() += asked.count;
        }
        *self = Self {
            void,
            ..Self::default()
        };
    }

    /// Notes a question; says whether it has to be asked: not if it is under way, unless `again`.
    pub(crate) fn note_asked(
        &mut self,
        question: &Question,
        again: bool,
        sequence: u64,
        at: Timestamp,
    ) -> bool {
        if let Some(asked) = self.asked.get_mut(question) {
            if again {
                asked.count += 1;
            }
            return again;
        }
        let asked = Asked {
            sequence,
            at,
            count: 1,
        };
        self.asked.insert(question.clone(), asked);
        true
    }

    /// An answer has come; gives back when it was asked, nothing if it belongs to an earlier start
    /// or was not asked for.
    pub(crate) fn take_asked(&mut self, question: &Question) -> Option<Asked> {
        if let Some(left) = self.void.get_mut(question) {
            *left -= 1;
            if *left == 0 {
                self.void.remove(question);
            }
            return None;
        }
        let asked = self.asked.get_mut(question)?;
        let found = *asked;
        asked.count -= 1;
        if asked.count == 0 {
            self.asked.remove(question);
        }
        Some(found)
    }

    /// Whether a question is under way.
    pub(crate) fn is_asked(&self, question: &Question) -> bool {
        self.asked.contains_key(question)
    }

    /// Market time until which the broker's word on the session holds.
    pub(crate) fn clock_until(&self) -> Option<Timestamp> {
        let clock = &self.clock.as_ref()?.value;
        let change = if clock.is_open {
            clock.next_close
        } else {
            clock.next_open
        };
        Some(if change > clock.timestamp {
            change
        } else {
            clock.timestamp + CLOCK_HOLD
        })
    }

    /// The broker's clock, if what it says still holds.
    pub(crate) fn clock_now(&self, paced: bool, now: Timestamp) -> Option<&BrokerClock> {
        let told = self.clock.as_ref()?;
        let holds = self.clock_until().is_some_and(|until| now < until);
        let young = paced || now - told.at <= VIEW_AGE_MAX;
        (holds && young).then_some(&told.value)
    }

    /// Takes the broker's clock, and how far it is from ours.
    pub(crate) fn take_clock(&mut self, clock: BrokerClock, asked: Asked, now: Timestamp) {
        let early = (asked.at - clock.timestamp).num_seconds();
        let late = (clock.timestamp - now).num_seconds();
        self.skew_secs = early.max(late).max(0);
        self.clock = Some(Told {
            value: clock,
            sequence: asked.sequence,
            asked_at: asked.at,
            at: now,
        });
    }

    /// Whether the skew is more than latency and drift.
    pub(crate) fn is_skewed(&self) -> bool {
        self.skew_secs > RiskLimits::CLOCK_SKEW_SECS_MAX
    }

    /// What the broker says of an asset, if it was asked lately.
    pub(crate) fn asset_now(&self, asset: &Symbol, now: Timestamp) -> Option<&Option<AssetInfo>> {
        self.assets
            .get(asset)
            .filter(|told| now - told.at <= ASSET_HOLD)
            .map(|told| &told.value)
    }

    /// What the broker ever said of an asset.
    pub(crate) fn asset_ever(&self, asset: &Symbol) -> Option<&AssetInfo> {
        self.assets.get(asset)?.value.as_ref()
    }

    /// Takes the account; orders it knows of no longer reserve anything besides.
    pub(crate) fn take_account(&mut self, account: Account, asked: Asked, now: Timestamp) {
        let mut released = Decimal::ZERO;
        self.reserved.retain(|_, reserved| {
            let keep = reserved.known.is_none_or(|known| known >= asked.sequence);
            if !keep {
                released += reserved.usd;
            }
            keep
        });
        self.reserved_sum -= released;
        self.account = Some(Told {
            value: account,
            sequence: asked.sequence,
            asked_at: asked.at,
            at: now,
        });
    }

    /// An opening was approved.
    pub(crate) fn reserve(&mut self, id: &ClientOrderId, usd: Decimal) {
        self.reserved_sum += usd;
        self.reserved
            .insert(id.clone(), Reserved { usd, known: None });
    }

    /// The broker has the order, or certainly never got it (`gone`).
    pub(crate) fn reservation_known(&mut self, id: &ClientOrderId, sequence: u64, gone: bool) {
        if gone {
            if let Some(reserved) = self.reserved.remove(id) {
                self.reserved_sum -= reserved.usd;
            }
        } else if let Some(reserved) = self.reserved.get_mut(id) {
            reserved.known.get_or_insert(sequence);
        }
    }

    /// Buying power that the account as read does not know to be taken, USD.
    pub(crate) fn reserved(&self) -> Decimal {
        self.reserved_sum
    }

    /// Whether account, positions and open orders were all told within [`VIEW_AGE_MAX`].
    pub(crate) fn is_young(&self, now: Timestamp) -> bool {
        let young = |at: Option<Timestamp>| at.is_some_and(|at| now - at <= VIEW_AGE_MAX);
        young(self.account.as_ref().map(|told| told.at))
            && young(self.positions.as_ref().map(|told| told.at))
            && young(self.open_orders.as_ref().map(|told| told.at))
    }
}

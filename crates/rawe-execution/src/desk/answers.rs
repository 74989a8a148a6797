//! What the broker answered: into the view, and on to whoever asked.

use chrono::TimeDelta;
use rawe_core::{Symbol, Timestamp};

use crate::broker::BrokerError;
use crate::desk::view::{Asked, Told};
use crate::desk::{ASK_WAIT, Answer, Desk, NoticeLevel, OrderNews, Question};
use crate::limits::PriceRule;

impl Desk {
    pub(crate) fn on_answered(
        &mut self,
        question: &Question,
        answer: Result<Answer, BrokerError>,
        now: Timestamp,
    ) {
        let Some(asked) = self.view.take_asked(question) else {
            return;
        };
        if let Question::Order(id) = question {
            let answer = match answer {
                Ok(Answer::Order(report)) => Ok(report),
                Ok(_) => Err(mismatch()),
                Err(error) => Err(error),
            };
            let answered = answer.is_ok();
            self.on_looked_up(id, answer, now);
            self.note_looked_up(id, asked, answered, now);
            return;
        }
        let answer = match (question, answer) {
            // The broker answers, and has no price for us: a decision may do without one.
            (Question::LatestPrice(_), Err(BrokerError::Refused { .. })) => Ok(Answer::Price(None)),
            (_, answer) => answer,
        };
        let failure = match answer {
            Ok(answer) => self.take_answer(question, answer, asked, now).err(),
            Err(error) => Some(error),
        };
        if let Some(error) = &failure {
            self.note_failure(question, error, now);
        }
        self.wake_waiters(question, failure.as_ref(), now);
        self.note_start_answer(question, failure.as_ref(), now);
        self.note_wanted_answer(question, failure.as_ref(), now);
        self.note_reconciled(question, failure.is_some(), now);
    }

    fn take_answer(
        &mut self,
        question: &Question,
        answer: Answer,
        asked: Asked,
        now: Timestamp,
    ) -> Result<(), BrokerError> {
        match (question, answer) {
            (Question::Account, Answer::Account(account)) => {
                self.view.take_account(account, asked, now);
            }
            (Question::Clock, Answer::Clock(clock)) => {
                self.view.take_clock(clock, asked, now);
                if let Some(until) = self.view.clock_until() {
                    self.reconciliation
                        .ask_clock_at(until.max(now + TimeDelta::seconds(1)));
                }
                self.tell(OrderNews::Hours(Some(clock)));
                if self.view.is_skewed() && !self.paced {
                    let seconds = self.view.skew_secs.to_string();
                    let fields = vec![("seconds", seconds)];
                    let message = "the broker's clock and ours differ".to_owned();
                    self.notice(NoticeLevel::Warn, "clock_skewed", fields, message);
                }
            }
            (Question::Positions, Answer::Positions(positions)) => {
                let held = positions.into_iter();
                let held = held.filter(|position| !position.quantity.is_zero());
                let value = held.map(|position| (position.symbol.clone(), position));
                self.view.positions = Some(Told {
                    value: value.collect(),
                    sequence: asked.sequence,
                    asked_at: asked.at,
                    at: now,
                });
            }
            (Question::OpenOrders, Answer::Orders(orders)) => {
                self.view.open_orders = Some(Told {
                    value: (),
                    sequence: asked.sequence,
                    asked_at: asked.at,
                    at: now,
                });
                self.take_open_orders(orders, now);
            }
            (Question::Asset(asset), Answer::Asset(info)) => {
                let told = Told {
                    value: info,
                    sequence: asked.sequence,
                    asked_at: asked.at,
                    at: now,
                };
                self.view.assets.insert(asset.clone(), told);
            }
            (Question::ClosedOrders(asset), Answer::Orders(orders)) => {
                self.take_closed_orders(asset, orders);
            }
            (Question::PastOrders, Answer::PastOrders(past)) => self.take_past_orders(past),
            (Question::LatestPrice(asset), Answer::Price(price)) => {
                if let Some((price, at)) = price {
                    self.on_price(asset, price, at, now);
                }
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn note_failure(&mut self, question: &Question, error: &BrokerError, now: Timestamp) {
        self.reconciliation.note_trouble(now);
        if *question == Question::Clock {
            self.reconciliation.clock_failed(now);
            self.tell(OrderNews::Hours(None));
        }
        if matches!(
            question,
            Question::Account | Question::Positions | Question::OpenOrders
        ) && !self.view.failing
        {
            self.view.failing = true;
            let fields = vec![("question", format!("{question:?}"))];
            let message = format!("what the broker holds is not known now: {error}");
            self.notice(NoticeLevel::Warn, "broker_silent", fields, message);
        }
    }

    /// Somebody votes on an asset: what may be done with it, and when we last traded it.
    pub(crate) fn on_asset_wanted(&mut self, asset: &Symbol, now: Timestamp) {
        self.ask_for_wanted(asset, now);
        self.wanted.insert(asset.clone());
        self.finish_wanted(asset, now);
    }

    fn ask_for_wanted(&mut self, asset: &Symbol, now: Timestamp) {
        if self.view.asset_now(asset, now).is_none() {
            self.ask_now(Question::Asset(asset.clone()), now);
        }
        if !self.knows_past_of(asset) {
            self.ask_now(Question::ClosedOrders(asset.clone()), now);
        }
        let priced = self
            .books
            .line(asset)
            .is_some_and(|line| line.price.is_some());
        // Where no price is demanded, the decision asks for one if it needs it.
        if !priced && self.settings.limits.last_price == PriceRule::Required {
            self.ask_now(Question::LatestPrice(asset.clone()), now);
        }
    }

    fn note_wanted_answer(
        &mut self,
        question: &Question,
        failure: Option<&BrokerError>,
        now: Timestamp,
    ) {
        let (Question::Asset(asset) | Question::ClosedOrders(asset) | Question::LatestPrice(asset)) =
            question
        else {
            return;
        };
        if !self.wanted.contains(asset) {
            return;
        }
        let Some(error) = failure else {
            self.finish_wanted(asset, now);
            return;
        };
        // A price is only a convenience here.
        if matches!(question, Question::LatestPrice(_)) {
            self.finish_wanted(asset, now);
            return;
        }
        match error {
            BrokerError::Unavailable(_) | BrokerError::Unreadable(_) => {
                self.ask(question.clone(), ASK_WAIT, false, now);
            }
            BrokerError::Unauthorized(_) | BrokerError::Refused { .. } => {
                self.wanted.remove(asset);
                self.tell(OrderNews::Asset {
                    asset: asset.clone(),
                    info: None,
                });
            }
        }
    }

    /// Tells what is known of a wanted asset once all of it is.
    fn finish_wanted(&mut self, asset: &Symbol, now: Timestamp) {
        let Some(info) = self.view.asset_now(asset, now).cloned() else {
            return;
        };
        let pricing = self.view.is_asked(&Question::LatestPrice(asset.clone()));
        if info.is_some() && (!self.knows_past_of(asset) || pricing) {
            return;
        }
        if self.starting.is_some() {
            // The books are not read yet; the start tells it at its end.
            return;
        }
        self.wanted.remove(asset);
        self.note_past_of(asset);
        self.tell_holding(asset, now);
        self.tell(OrderNews::Asset {
            asset: asset.clone(),
            info,
        });
    }

    /// The start is over: what was wanted meanwhile can be told.
    pub(crate) fn finish_all_wanted(&mut self, now: Timestamp) {
        for asset in self.wanted.clone() {
            self.ask_for_wanted(&asset, now);
            self.finish_wanted(&asset, now);
        }
    }
}

fn mismatch() -> BrokerError {
    BrokerError::Unreadable("the answer is to another question".to_owned())
}

//! The network between the engine and the broker: requests that never arrive, that arrive when
//! their sender has given up, answers that are lost, late, or no answers at all.

use chrono::TimeDelta;
use rawe_collective::Input;
use rawe_core::ClientOrderId;
use rawe_execution::broker::{BrokerError, OrderRequest, Rejection, SubmitOutcome};
use rawe_execution::desk::{Answer, DeskEvent, Question};

use super::{Happening, World};
use crate::broker::{Owner, Refused};

/// How long a client waits for an answer, milliseconds.
const TIMEOUT_MS: i64 = 10_000;
/// One in so many late orders is late by this factor.
const LATE_FAR_IN: i64 = 4;
/// Up to three minutes.
const LATE_FAR: i32 = 20;

impl World {
    fn is_out(&self) -> bool {
        self.outage_until.is_some_and(|until| self.now < until)
    }

    fn submitted(
        &mut self,
        boot: u32,
        after: TimeDelta,
        id: ClientOrderId,
        outcome: SubmitOutcome,
    ) {
        let event = DeskEvent::Submitted { id, outcome };
        self.tell_later(boot, after, Input::Desk(event));
    }

    /// An order leaves.
    pub(crate) fn submit(&mut self, order: Box<OrderRequest>) {
        let (boot, id) = (self.boot, order.client_order_id.clone());
        self.coverage.add("orders_sent", 1);
        let there = Self::soon(&mut self.net, 5, 80);
        let timeout = TimeDelta::milliseconds(TIMEOUT_MS);
        let unknown = |why: &str| SubmitOutcome::Unknown(why.to_owned());
        if self.is_out() || self.net.chance(self.faults.submit_lost) {
            self.coverage.add("submit_lost", 1);
            let (after, why) = match self.net.between(0, 2) {
                0 => (TimeDelta::milliseconds(3), "connection reset"),
                1 => (there, "502 bad gateway"),
                _ => (timeout, "timed out"),
            };
            self.submitted(boot, after, id, unknown(why));
        } else if self.net.chance(self.faults.submit_late) {
            self.coverage.add("submit_late", 1);
            // Late enough to meet the repetition of the same order, or to be met by it.
            let mut late = Self::soon(&mut self.net, 1, 9_000);
            if late.num_milliseconds() % LATE_FAR_IN == 0 {
                // Or so late that its sender has forgotten it if it forgets at all.
                late = late * LATE_FAR;
            }
            let late = timeout + late;
            self.submitted(boot, timeout, id, unknown("timed out"));
            self.at(
                late,
                Happening::Order {
                    boot,
                    order,
                    heard: false,
                },
            );
        } else if self.net.chance(self.faults.rate_limited) {
            self.coverage.add("submit_429", 1);
            let rejection = Rejection {
                status: 429,
                code: None,
                message: "rate limit exceeded".to_owned(),
            };
            self.submitted(boot, there, id, SubmitOutcome::Rejected(rejection));
        } else if self.net.chance(self.faults.submit_unanswered) {
            self.coverage.add("submit_unanswered", 1);
            let (after, why) = match self.net.between(0, 3) {
                0 => (there * 2, "connection reset"),
                1 => (there * 2, "504 gateway timeout"),
                2 => (there * 2, "the answer cannot be read"),
                _ => (timeout, "timed out"),
            };
            self.submitted(boot, after, id, unknown(why));
            self.at(
                there,
                Happening::Order {
                    boot,
                    order,
                    heard: false,
                },
            );
        } else {
            self.at(
                there,
                Happening::Order {
                    boot,
                    order,
                    heard: true,
                },
            );
        }
    }

    /// An order reaches the broker, whoever is still listening.
    pub(crate) fn order_arrives(&mut self, boot: u32, order: &OrderRequest, heard: bool) {
        let id = order.client_order_id.clone();
        let taken = self
            .broker
            .submit(order, id.as_str(), Owner::Ours, self.now);
        let outcome = match taken {
            Ok(place) => {
                self.coverage.add("orders_taken", 1);
                self.witness.taken(order, &self.broker);
                self.order_taken(place);
                match self.broker.nested(place) {
                    Some(report) => SubmitOutcome::Accepted(Box::new(report)),
                    None => return,
                }
            }
            Err(Refused::Duplicate(message)) => {
                self.coverage.add("orders_duplicate", 1);
                SubmitOutcome::Duplicate(message)
            }
            Err(Refused::Rule(rejection)) => {
                self.coverage.add("orders_refused", 1);
                self.coverage.add_refusal(&rejection.message);
                SubmitOutcome::Rejected(rejection)
            }
        };
        if heard {
            let back = Self::soon(&mut self.net, 5, 80);
            self.submitted(boot, back, id, outcome);
        }
    }

    /// A question leaves.
    pub(crate) fn ask(&mut self, boot: u32, question: Question) {
        if boot != self.boot {
            return;
        }
        self.coverage.add("questions", 1);
        if self.is_out() || self.net.chance(self.faults.read_failed) {
            self.coverage.add("questions_failed", 1);
            let error = match self.net.between(0, 4) {
                0 => BrokerError::Unreadable("expected value at line 1".to_owned()),
                1 => BrokerError::Refused {
                    status: 403,
                    message: "forbidden".to_owned(),
                },
                _ => BrokerError::Unavailable("timed out".to_owned()),
            };
            let after = Self::soon(&mut self.net, 3, 3_000);
            let answer = Err(error);
            let event = DeskEvent::Answered { question, answer };
            self.tell_later(boot, after, Input::Desk(event));
            return;
        }
        let slow = self.net.chance(self.faults.read_slow);
        let there = Self::soon(&mut self.net, 3, 60);
        self.at(
            there,
            Happening::Question {
                boot,
                question,
                slow,
            },
        );
    }

    /// A question reaches the broker, and its answer travels back.
    pub(crate) fn answer(&mut self, boot: u32, question: &Question, slow: bool) {
        if boot != self.boot {
            return;
        }
        let mut answer = self.broker.answer(question, self.now);
        if let Answer::Price(price) = &mut answer
            && self.exchange.chance(self.faults.price_stale)
        {
            self.coverage.add("prices_stale", 1);
            *price = price
                .filter(|_| self.exchange.chance(0.5))
                .map(|(price, at)| (price, at - TimeDelta::hours(5)));
        }
        let (low, high) = if slow { (500, 9_000) } else { (3, 60) };
        let back = Self::soon(&mut self.net, low, high);
        let event = DeskEvent::Answered {
            question: question.clone(),
            answer: Ok(answer),
        };
        self.tell_later(boot, back, Input::Desk(event));
    }

    /// A request to cancel leaves.
    pub(crate) fn cancel(&mut self, id: ClientOrderId, broker_order_id: String) {
        let boot = self.boot;
        self.coverage.add("cancels_sent", 1);
        let there = Self::soon(&mut self.net, 5, 80);
        if self.is_out() || self.net.chance(self.faults.cancel_failed) {
            self.coverage.add("cancels_failed", 1);
            let result = Err(BrokerError::Unavailable("timed out".to_owned()));
            let event = DeskEvent::CancelAnswered {
                id: id.clone(),
                result,
            };
            let after = Self::soon(&mut self.net, 5, TIMEOUT_MS);
            self.tell_later(boot, after, Input::Desk(event));
            if self.net.chance(0.5) {
                return;
            }
            let heard = false;
            self.at(
                there,
                Happening::Cancel {
                    boot,
                    id,
                    broker_order_id,
                    heard,
                },
            );
            return;
        }
        let heard = true;
        self.at(
            there,
            Happening::Cancel {
                boot,
                id,
                broker_order_id,
                heard,
            },
        );
    }

    /// A request to cancel reaches the broker.
    pub(crate) fn cancel_arrives(
        &mut self,
        boot: u32,
        id: ClientOrderId,
        broker_order_id: &str,
        heard: bool,
    ) {
        let taken = self.broker.request_cancel(broker_order_id);
        if let Ok(place) = taken {
            let slow = self.exchange.chance(self.faults.slow_cancel);
            let (low, high) = if slow { (1_000, 60_000) } else { (1, 50) };
            let after = Self::soon(&mut self.exchange, low, high);
            let status = rawe_execution::broker::OrderStatus::Canceled;
            self.at(after, Happening::Ends { place, status });
        }
        if heard {
            let back = Self::soon(&mut self.net, 5, 80);
            let result = taken.map(|_| ());
            let event = DeskEvent::CancelAnswered { id, result };
            self.tell_later(boot, back, Input::Desk(event));
        }
    }
}

//! What the broker answers to questions, as of the instant at which they arrive.

use chrono::TimeDelta;
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rawe_execution::broker::{Account, BrokerClock, PastOrders, PositionReport};
use rawe_execution::desk::{Answer, Question};

use super::book::BrokerModel;

impl BrokerModel {
    /// The answer to a question that arrives now.
    pub fn answer(&self, question: &Question, now: Timestamp) -> Answer {
        match question {
            Question::Account => Answer::Account(self.account()),
            Question::Clock => Answer::Clock(self.clock(now)),
            Question::Positions => Answer::Positions(self.positions()),
            Question::OpenOrders => {
                let open = self
                    .orders
                    .iter()
                    .filter(|order| !order.status.is_terminal());
                let seen = open.filter(|order| order.seen_from <= now);
                Answer::Orders(seen.map(|order| self.report(order)).collect())
            }
            Question::ClosedOrders(symbol) => {
                let ended = self.orders.iter().rev().filter(|order| {
                    order.status.is_terminal()
                        && order.request.symbol == *symbol
                        && order.seen_from <= now
                });
                Answer::Orders(ended.take(500).map(|order| self.report(order)).collect())
            }
            Question::Asset(symbol) => {
                Answer::Asset(self.assets.get(symbol).map(|listed| listed.info.clone()))
            }
            Question::PastOrders => {
                let seen = self
                    .orders
                    .iter()
                    .rev()
                    .filter(|order| order.status.is_terminal() && order.seen_from <= now);
                let orders: Vec<_> = seen.map(|order| self.report(order)).collect();
                Answer::PastOrders(PastOrders {
                    complete: orders.len() < 500,
                    orders: orders.into_iter().take(500).collect(),
                })
            }
            Question::LatestPrice(symbol) => Answer::Price(
                self.assets
                    .get(symbol)
                    .map(|listed| (listed.price, listed.priced_at + self.skew)),
            ),
            Question::Order(id) => Answer::Order(
                self.by_client_id(id.as_str())
                    .filter(|order| order.seen_from <= now)
                    .map(|order| self.report(order)),
            ),
        }
    }

    fn account(&self) -> Account {
        Account {
            id: "simulated".to_owned(),
            can_trade: !self.blocked,
            shorting_enabled: self.shorting,
            equity: self.equity(),
            cash: self.cash.round_dp(2),
            buying_power: self.buying_power(AssetClass::UsEquity),
            non_marginable_buying_power: self.buying_power(AssetClass::Crypto),
        }
    }

    fn clock(&self, now: Timestamp) -> BrokerClock {
        let theirs = now + self.skew;
        let calendar = MarketCalendar::nyse();
        let current = calendar.session_at(theirs);
        let next = calendar.next_session(theirs);
        let far = theirs + TimeDelta::days(10);
        BrokerClock {
            timestamp: theirs,
            is_open: current.is_some(),
            next_open: next.map_or(far, |session| session.open),
            next_close: current.or(next).map_or(far, |session| session.close),
        }
    }

    fn positions(&self) -> Vec<PositionReport> {
        let held = self
            .reported
            .iter()
            .filter(|(_, standing)| !standing.total().is_zero());
        held.map(|(symbol, standing)| {
            let total = standing.total();
            PositionReport {
                symbol: symbol.clone(),
                quantity: total,
                quantity_available: self.available(symbol, total),
                average_entry_price: standing
                    .cost
                    .checked_div(total)
                    .unwrap_or_default()
                    .abs()
                    .round_dp(6),
                market_value: (total * self.price(symbol)).round_dp(6),
            }
        })
        .collect()
    }
}

//! What the broker answers to questions, as of the instant at which they arrive.

use chrono::TimeDelta;
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rawe_execution::broker::{Account, BrokerClock, OrderReport, PastOrders, PositionReport};
use rawe_execution::desk::{Answer, Question};

use super::book::{BrokerModel, Order};

impl BrokerModel {
    /// The answer to a question that arrives now.
    pub fn answer(&self, question: &Question, now: Timestamp) -> Answer {
        match question {
            Question::Account => Answer::Account(self.account()),
            Question::Clock => Answer::Clock(self.clock(now)),
            Question::Positions => Answer::Positions(self.positions()),
            Question::OpenOrders => Answer::Orders(self.listed(now, |place, order| {
                !order.status.is_terminal() && !self.is_held(place)
            })),
            Question::ClosedOrders(symbol) => {
                let mut orders = self.listed(now, |_, order| {
                    order.status.is_terminal() && order.request.symbol == *symbol
                });
                orders.reverse();
                orders.truncate(500);
                Answer::Orders(orders)
            }
            Question::Asset(symbol) => {
                Answer::Asset(self.assets.get(symbol).map(|listed| listed.info.clone()))
            }
            Question::PastOrders => {
                let mut orders = self.listed(now, |_, order| order.status.is_terminal());
                orders.reverse();
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
            Question::Order(id) => {
                let orders = self.orders.iter();
                let place = orders
                    .rev()
                    .position(|order| order.client_id == id.as_str() && order.seen_from <= now);
                let place = place.map(|back| self.orders.len() - 1 - back);
                Answer::Order(place.and_then(|place| self.nested(place)))
            }
        }
    }

    /// Orders with their exits inside; an exit is listed by itself where its order is not.
    fn listed(&self, now: Timestamp, wanted: impl Fn(usize, &Order) -> bool) -> Vec<OrderReport> {
        let is_listed = |place: usize| {
            let order = self.orders.get(place);
            order.is_some_and(|order| order.seen_from <= now && wanted(place, order))
        };
        (0..self.orders.len())
            .filter(|place| is_listed(*place))
            .filter(|place| {
                let opening = self.orders.get(*place).and_then(|order| order.leg_of);
                !opening.is_some_and(is_listed)
            })
            .filter_map(|place| self.nested(place))
            .collect()
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

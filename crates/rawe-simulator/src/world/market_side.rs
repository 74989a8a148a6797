//! What goes on at the broker by itself: fills, rejections, expiries, prices, fees, pushed news.

use chrono::TimeDelta;
use rawe_collective::Input;
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Bar, Symbol, Timeframe};
use rawe_execution::broker::OrderStatus;
use rawe_execution::desk::DeskEvent;
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::{Happening, PRICES_KEPT, World};
use crate::broker::{Changed, Owner};

/// How often prices move.
const PRICE_STEP: TimeDelta = TimeDelta::seconds(30);

impl World {
    /// An order is in the book: when it will be seen, fill, or come to another end.
    pub(crate) fn order_taken(&mut self, place: usize) {
        if self.exchange.chance(self.faults.lookup_lag) {
            self.coverage.add("lookups_lag", 1);
            let lag = Self::soon(&mut self.exchange, 100, 5_000);
            for place in [place].into_iter().chain(self.broker.legs_of(place)) {
                if let Some(order) = self.broker.orders.get_mut(place) {
                    order.seen_from = self.now + lag;
                }
            }
        }
        self.push_order(place);
        for leg in self.broker.legs_of(place) {
            self.coverage.add("legs_taken", 1);
            self.push_order(leg);
        }
        self.plan_end(place);
        self.plan_fill(place);
    }

    /// The broker may end an order by itself.
    fn plan_end(&mut self, place: usize) {
        if self.exchange.chance(self.faults.broker_cancels) {
            let status = match self.exchange.between(0, 2) {
                0 => OrderStatus::Canceled,
                1 => OrderStatus::Expired,
                _ => OrderStatus::Rejected,
            };
            let high = if self.exchange.chance(0.5) {
                3_000
            } else {
                60_000
            };
            let after = Self::soon(&mut self.exchange, 1, high);
            self.at(after, Happening::Ends { place, status });
        }
    }

    /// What an order has become moves the others of its group.
    fn follow_group(&mut self, place: usize) {
        let moves = self.broker.follow_group(place, self.now);
        for changed in moves.changed {
            if changed.report.status == OrderStatus::Canceled {
                self.coverage.add("group_cancels", 1);
            }
            self.push(&changed);
        }
        for leg in moves.triggered {
            self.plan_fill(leg);
        }
        for leg in moves.working {
            self.coverage.add("legs_working", 1);
            self.plan_end(leg);
        }
    }

    fn plan_fill(&mut self, place: usize) {
        let triggered = self.broker.orders.get(place).is_some_and(|o| o.triggered);
        if !triggered {
            return;
        }
        let slow = self.exchange.chance(self.faults.slow_fill);
        let (low, high) = if slow { (500, 120_000) } else { (0, 400) };
        let after = Self::soon(&mut self.exchange, low, high);
        self.at(after, Happening::Fill { place });
    }

    /// The faults have stopped: what can fill does so soon.
    pub(crate) fn hasten(&mut self, place: usize) {
        let waits = self
            .broker
            .orders
            .get(place)
            .is_some_and(|order| order.triggered && !order.status.is_terminal());
        if waits {
            let after = Self::soon(&mut self.exchange, 1_000, 60_000);
            self.at(after, Happening::Fill { place });
        }
    }

    pub(crate) fn fill(&mut self, place: usize) {
        let Some(order) = self.broker.orders.get(place) else {
            return;
        };
        if order.status.is_terminal() {
            return;
        }
        let (symbol, owner) = (order.request.symbol.clone(), order.owner);
        if symbol.class() == AssetClass::UsEquity && !self.broker.session_open(self.now) {
            self.at(TimeDelta::minutes(5), Happening::Fill { place });
            return;
        }
        let partial = self.exchange.chance(self.faults.partial_fill);
        let part = if partial {
            Decimal::new(self.exchange.between(1, 95), 2)
        } else {
            Decimal::ONE
        };
        let Some(changed) = self.broker.fill(place, part, self.now) else {
            // A limit that the market is beyond: it waits.
            self.at(TimeDelta::seconds(30), Happening::Fill { place });
            return;
        };
        self.coverage.add("fills", 1);
        if changed.report.status == OrderStatus::PartiallyFilled {
            self.coverage.add("fills_partial", 1);
            let wait = if self.is_calm() { 5_000 } else { 60_000 };
            let after = Self::soon(&mut self.exchange, 200, wait);
            self.at(after, Happening::Fill { place });
        }
        if owner == Owner::Ours && self.broker.fees_later {
            let after = Self::soon(&mut self.exchange, 1_000, 600_000);
            self.at(after, Happening::Fees);
        }
        let leg = self
            .broker
            .orders
            .get(place)
            .is_some_and(|o| o.leg_of.is_some());
        if leg {
            self.coverage.add("legs_filled", 1);
        }
        self.positions_changed();
        self.push(&changed);
        self.follow_group(place);
    }

    pub(crate) fn positions_changed(&mut self) {
        if self.exchange.chance(self.faults.positions_lag) {
            self.coverage.add("positions_lag", 1);
            let lag = Self::soon(&mut self.exchange, 100, 5_000);
            self.at(lag, Happening::PositionsSeen);
        } else {
            self.broker.publish_positions();
        }
    }

    pub(crate) fn order_ends(&mut self, place: usize, status: OrderStatus) {
        let Some(changed) = self.broker.end(place, status, self.now) else {
            return;
        };
        match status {
            OrderStatus::Canceled => self.coverage.add("orders_canceled", 1),
            _ => self.coverage.add("orders_ended_by_broker", 1),
        }
        if !changed.report.filled_quantity.is_zero() {
            self.coverage.add("orders_ended_partly_filled", 1);
        }
        self.push(&changed);
        self.follow_group(place);
    }

    fn push_order(&mut self, place: usize) {
        if let Some(order) = self.broker.orders.get(place) {
            let report = self.broker.report(order);
            self.push(&Changed { place, report });
        }
    }

    /// News of an order is pushed: once, twice, late, or never.
    pub(crate) fn push(&mut self, changed: &Changed) {
        if self.net.chance(self.faults.update_lost) {
            self.coverage.add("updates_lost", 1);
            let owner = self.broker.orders.get(changed.place).map(|o| o.owner);
            if owner == Some(Owner::Foreign) {
                self.news_break();
            }
            return;
        }
        let copies = if self.net.chance(self.faults.update_repeated) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let late = self.net.chance(self.faults.update_delayed);
            let (low, high) = if late { (500, 30_000) } else { (2, 60) };
            let after = Self::soon(&mut self.net, low, high);
            let event = DeskEvent::OrderUpdate(Box::new(changed.report.clone()));
            let boot = self.boot;
            self.tell_later(boot, after, Input::Desk(event));
        }
    }

    /// What others do is not asked for order by order: where news of it are lost, their connection
    /// has broken, which both ends notice.
    fn news_break(&mut self) {
        self.coverage.add("news_broken", 1);
        let boot = self.boot;
        for (millis, flows) in [(1, false), (5_000, true)] {
            let event = Input::Desk(DeskEvent::OrderNewsFlow(flows));
            self.tell_later(boot, TimeDelta::milliseconds(millis), event);
        }
    }

    pub(crate) fn post_fees(&mut self) {
        if !self.broker.post_fees().is_empty() {
            self.coverage.add("fees_posted_later", 1);
            self.positions_changed();
        }
        if self.is_calm() && self.broker.fees_later {
            self.at(TimeDelta::seconds(20), Happening::Fees);
        }
    }

    pub(crate) fn move_prices(&mut self) {
        let symbols: Vec<Symbol> = self.broker.assets.keys().cloned().collect();
        let open = self.broker.session_open(self.now);
        let sigma = self.plan.hourly_volatility * (30.0_f64 / 3_600.0).sqrt();
        for symbol in symbols {
            if symbol.class() == AssetClass::UsEquity && !open {
                continue;
            }
            let normal = (0..4).map(|_| self.market.unit() - 0.5).sum::<f64>() * 1.73;
            let mut step = normal * sigma;
            if self.market.chance(self.faults.price_jump * 0.2) {
                self.coverage.add("price_jumps", 1);
                step += if self.market.chance(0.5) { 0.25 } else { -0.25 };
            }
            let old = self.broker.price(&symbol).to_f64().unwrap_or(1.0);
            let new = (old * step.exp()).clamp(0.05, 10_000_000.0);
            let decimals = if new < 1.0 { 4 } else { 2 };
            let Some(price) = Decimal::from_f64(new).map(|p| p.round_dp(decimals)) else {
                continue;
            };
            for place in self.broker.set_price(&symbol, price, self.now) {
                self.coverage.add("stops_triggered", 1);
                self.plan_fill(place);
                self.follow_group(place);
            }
        }
        self.remember_prices();
        self.at(PRICE_STEP, Happening::Prices);
    }

    pub(crate) fn remember_prices(&mut self) {
        for (symbol, listed) in &self.broker.assets {
            let kept = self.prices.entry(symbol.clone()).or_default();
            kept.push_back((self.now, listed.price));
            while kept
                .front()
                .is_some_and(|(at, _)| self.now - *at > PRICES_KEPT)
            {
                kept.pop_front();
            }
            let price = listed.price;
            let bar = self
                .bars
                .entry(symbol.clone())
                .or_insert((price, price, price));
            bar.1 = bar.1.max(price);
            bar.2 = bar.2.min(price);
        }
    }

    /// Bars of what is open, every five minutes so that short runs have some.
    pub(crate) fn bars(&mut self) {
        let open = self.broker.session_open(self.now);
        let step = TimeDelta::minutes(5);
        let bars: Vec<Bar> = std::mem::take(&mut self.bars)
            .into_iter()
            .filter(|(symbol, _)| open || symbol.class() == AssetClass::Crypto)
            .map(|(symbol, (first, high, low))| {
                let usd = |price: Decimal| price.to_f64().unwrap_or(1.0);
                let close = usd(self.broker.price(&symbol));
                Bar {
                    start: self.now - step,
                    end: self.now,
                    timeframe: Timeframe::Hour,
                    open: usd(first),
                    high: usd(high).max(close),
                    low: usd(low).min(close),
                    close,
                    volume: 1_000.0,
                    backfill: false,
                    symbol,
                }
            })
            .collect();
        for bar in bars {
            let boot = self.boot;
            let after = Self::soon(&mut self.bus, 1, 500);
            self.tell_later(boot, after, Input::Bar(bar));
        }
        self.remember_prices();
        self.at(step, Happening::Bars);
    }

    pub(crate) fn schedule_session_close(&mut self) {
        let calendar = MarketCalendar::nyse();
        let current = calendar.session_at(self.now);
        let session = current.or_else(|| calendar.next_session(self.now));
        if let Some(session) = session {
            self.at(session.close - self.now, Happening::SessionCloses);
        }
    }

    pub(crate) fn session_closes(&mut self) {
        self.coverage.add("session_closes", 1);
        for changed in self.broker.close_session(self.now) {
            self.coverage.add("orders_expired", 1);
            self.push(&changed);
        }
        self.at(TimeDelta::seconds(1), Happening::PositionsSeen);
        self.schedule_session_close();
    }
}

//! What the broker's reports mean for the books: fills, fees, positions, closed trades.

use rawe_core::{ClientOrderId, ExitReason, Fill, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{OrderReport, PositionReport};
use crate::desk::books::{Origin, TradeEnd, expected_fee, is_buy};
use crate::desk::deciding::direction_of;
use crate::desk::orders::LiveOrder;
use crate::desk::{Desk, HeldPosition, NoticeLevel, OrderNews};
use crate::journal::{JournalEntry, PositionRecord};

impl Desk {
    /// The broker said something new of an order.
    pub(crate) fn on_progress(
        &mut self,
        id: &ClientOrderId,
        report: Box<OrderReport>,
        now: Timestamp,
    ) {
        self.note_accepted(id);
        let fill = match self.orders.get_mut(id) {
            Some(order) => new_fill(order, &report, &self.settings.exits.crypto_fee_bp, now),
            None => None,
        };
        self.entries.push(JournalEntry::Report { at: now, report });
        if let Some(fill) = fill {
            self.tell_part(id, &fill);
            self.book(id, fill, now);
            self.weigh_order(id);
        }
    }

    /// A fill of an order that was thought to be over counts all the same.
    pub(crate) fn on_late_report(
        &mut self,
        id: &ClientOrderId,
        report: &OrderReport,
        now: Timestamp,
    ) {
        let found = self.ended.iter().position(|ended| ended.order.id() == id);
        let Some(mut ended) = found.and_then(|index| self.ended.remove(index)) else {
            return;
        };
        let fill = match ended.tracker.apply(report) {
            Ok(change) if change.newly_filled > Decimal::ZERO => {
                let merged = ended.tracker.report();
                new_fill(
                    &mut ended.order,
                    merged,
                    &self.settings.exits.crypto_fee_bp,
                    now,
                )
            }
            _ => None,
        };
        let asset = ended.order.asset().clone();
        if let Some(fill) = fill {
            let merged = Box::new(ended.tracker.report().clone());
            self.entries.push(JournalEntry::Report {
                at: now,
                report: merged,
            });
            let (round_id, votes) = (
                ended.order.submission.intent().round_id.clone(),
                ended.order.votes.clone(),
            );
            let origin = Origin {
                round_id: &round_id,
                votes: &votes,
            };
            self.book_fill(fill, &origin, now);
            if ended.order.purpose() == Purpose::Open {
                self.rates
                    .note_opening(ended.order.submission.intent().decided_at, id);
            }
            let fields = vec![
                ("client_order_id", id.to_string()),
                ("asset", asset.to_string()),
            ];
            let message = "an order that was over has filled; the fill counts".to_owned();
            self.notice(NoticeLevel::Warn, "order_filled_late", fields, message);
            self.close_if_flat(&asset, &ended.order, now);
            self.tell_holding(&asset, now);
            self.reconcile_soon(now);
        }
        self.ended.push_back(ended);
    }

    fn book(&mut self, id: &ClientOrderId, fill: Fill, now: Timestamp) {
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let round_id = order.submission.intent().round_id.clone();
        let votes = if fill.purpose == Purpose::Open {
            order.votes.clone()
        } else {
            Vec::new()
        };
        let origin = Origin {
            round_id: &round_id,
            votes: &votes,
        };
        self.book_fill(fill, &origin, now);
    }

    /// Books a fill and puts it and the new position on record.
    pub(crate) fn book_fill(&mut self, fill: Fill, origin: &Origin<'_>, now: Timestamp) {
        let (asset, purpose) = (fill.asset.clone(), fill.purpose);
        self.books.take_fill(&fill, origin);
        self.touch(&asset, now);
        if purpose == Purpose::Open {
            self.held.insert(asset.clone());
            self.fix_stop(&asset);
            self.watch_hold(&asset);
        }
        self.entries.push(JournalEntry::Fill(fill));
        self.record_position(&asset, "fill", now);
    }

    /// Puts a line of the books on record.
    pub(crate) fn record_position(&mut self, asset: &Symbol, cause: &str, now: Timestamp) {
        let Some(line) = self.books.line(asset) else {
            return;
        };
        self.entries.push(JournalEntry::Position(PositionRecord {
            at: now,
            asset: asset.clone(),
            quantity: line.quantity.normalize(),
            entry_price: line.entry_price().round_dp(9).normalize(),
            stop_price: line.stop_price,
            foreign_quantity: line.foreign_quantity.normalize(),
            cause: cause.to_owned(),
        }));
    }

    /// An order has reached its end at the broker.
    pub(crate) fn on_terminal(&mut self, order: LiveOrder, report: OrderReport, now: Timestamp) {
        let (asset, purpose) = (order.asset().clone(), order.purpose());
        let filled = order.filled;
        self.tell_filled(&order, &report);
        if purpose == Purpose::Open && !filled.is_zero() {
            if !order.has_exits() {
                self.fix_stop_again(&asset, now);
            }
            self.exits.unprotected.insert(asset.clone());
            self.tell_opened(&order, &report);
        }
        self.after_opening(&order, &report);
        let closed = self.close_if_flat(&asset, &order, now);
        let position_left = self.held.contains(&asset);
        if purpose != Purpose::Open && !closed && !filled.is_zero() {
            let message = format!("a part of {asset} has been left");
            let price = report.filled_average_price.unwrap_or_default();
            let fields = vec![
                ("asset", asset.to_string()),
                ("quantity", filled.normalize().to_string()),
                ("price", price.round_dp(6).normalize().to_string()),
            ];
            self.notice(NoticeLevel::Info, "position_reduced", fields, message);
        }
        if purpose != Purpose::Open && position_left {
            self.exits.unprotected.insert(asset.clone());
            if order.leg_of().is_none() || !filled.is_zero() {
                self.hold_off_exit(&asset, now);
            }
        }
        if order.leg_of().is_some() && filled.is_zero() {
            self.on_leg_over(&order, now);
        } else if order.rests() && filled.is_zero() && !order.is_cancelling() {
            self.on_stop_lost(&asset, "it ended without a fill", now);
        }
        if !order.rests() || !filled.is_zero() {
            let told_at = report.filled_at.or(report.updated_at).unwrap_or(now);
            self.tell(OrderNews::Ended {
                asset: asset.clone(),
                purpose,
                filled,
                filled_at: (!filled.is_zero()).then_some(told_at),
                position_left,
            });
        }
        self.reconciliation.after_order(self.paced, now);
        self.remember(order, report);
    }

    /// Ends the trade in an asset if nothing of it is left but dust.
    fn close_if_flat(&mut self, asset: &Symbol, by: &LiveOrder, now: Timestamp) -> bool {
        if !self.held.contains(asset) || !self.is_flat(asset) || self.has_order_beside_stop(asset) {
            return false;
        }
        let intent = by.submission.intent();
        let closes = intent.purpose != Purpose::Open;
        let reason = match intent.purpose {
            Purpose::Stop => by.exit_at_rest(),
            _ => by.exit.unwrap_or(ExitReason::OpposingQuorum),
        };
        let end = TradeEnd {
            at: now,
            closed_by: closes.then(|| intent.order.client_order_id.clone()),
            closing_round: (intent.purpose == Purpose::Close).then(|| intent.round_id.clone()),
            reason,
        };
        self.close_trade(asset, end);
        true
    }

    /// Ends the trade in an asset: on record, told, and nothing rests for it any more.
    pub(crate) fn close_trade(&mut self, asset: &Symbol, end: TradeEnd) {
        self.held.remove(asset);
        self.exits.forget(asset);
        let trade = self.books.change(asset, |line| {
            line.stop_price = None;
            line.trade.take()
        });
        self.cancel_resting(asset);
        let Some(trade) = trade else {
            return;
        };
        // What nobody decided, or nothing of was left again, credits nobody.
        let known = !trade.opening_round.is_empty() && !trade.exit_quantity.is_zero();
        let at = end.at;
        let trade = Box::new(trade.close(end, asset));
        let dust = self.books.quantity(asset);
        let mut fields = vec![
            ("asset", asset.to_string()),
            ("quantity", trade.quantity.to_string()),
            ("price", trade.exit_price.to_string()),
            ("pnl", trade.realised.round_dp(2).to_string()),
            ("exit", trade.reason.to_string()),
        ];
        if let Some(id) = &trade.closed_by {
            fields.push(("client_order_id", id.to_string()));
        }
        if !dust.is_zero() {
            fields.push(("dust", dust.normalize().to_string()));
        }
        let message = format!("the collective has left {asset}");
        self.notice(NoticeLevel::Info, "position_closed", fields, message);
        if known {
            self.entries.push(JournalEntry::Trade(trade.clone()));
            self.tell(OrderNews::TradeClosed(trade));
        } else {
            // No trade tells a later start that it has ended.
            self.record_position(asset, "closed", at);
        }
    }

    /// A trade of which only dust is left has ended, though its end is not on record.
    pub(crate) fn drop_dust(&mut self, now: Timestamp) {
        for asset in self.held.clone() {
            let line = self.books.line(&asset);
            let trade = line.and_then(|line| line.trade.as_ref());
            let left = trade.is_some_and(|trade| !trade.exit_quantity.is_zero());
            if left && self.is_flat(&asset) && self.orders_of(&asset).next().is_none() {
                self.drop_trade(&asset);
                self.record_position(&asset, "closed", now);
            }
        }
    }

    /// Nothing of a trade counts any more, and nobody is credited for it.
    pub(crate) fn drop_trade(&mut self, asset: &Symbol) {
        self.held.remove(asset);
        self.exits.forget(asset);
        self.books.change(asset, |line| {
            line.trade = None;
            line.stop_price = None;
        });
    }

    /// Coins that a fee only seemed to have taken are back after their trade has ended: unless they
    /// are dust they are a position again, which has a stop and credits nobody.
    pub(crate) fn take_back(&mut self, asset: &Symbol, now: Timestamp) {
        let line = self.books.line(asset).filter(|line| line.trade.is_none());
        let Some((units, price)) = line.map(|line| (line.quantity, line.mark())) else {
            return;
        };
        if price.is_zero() || !self.hold_unknown(asset, units, price, now) {
            return;
        }
        if self.is_flat(asset) {
            self.drop_trade(asset);
            return;
        }
        self.fix_stop(asset);
        self.watch_hold(asset);
        self.exits.unprotected.insert(asset.clone());
    }

    /// Whether what is ours in an asset is nothing, or too little to be sold.
    pub(crate) fn is_flat(&self, asset: &Symbol) -> bool {
        let Some(line) = self.books.line(asset) else {
            return true;
        };
        if line.quantity.is_zero() {
            return true;
        }
        let Some(trade) = &line.trade else {
            return true;
        };
        let wrong_way = direction_of(line.quantity) != trade.direction;
        let position = PositionReport {
            symbol: asset.clone(),
            quantity: line.quantity,
            quantity_available: line.quantity,
            average_entry_price: trade.entry_price(),
            market_value: Decimal::ZERO,
        };
        let price = Some(line.mark()).filter(|mark| !mark.is_zero());
        let info = self.view.asset_ever(asset);
        wrong_way || info.is_some_and(|info| crate::build::is_dust(&position, info, price))
    }

    /// Tells the consensus what is held in an asset.
    pub(crate) fn tell_holding(&mut self, asset: &Symbol, now: Timestamp) {
        let line = self.books.line(asset);
        let ours = line.and_then(|line| line.trade.as_ref());
        let position = match ours {
            Some(trade) => {
                let agreeing = trade.votes.iter();
                let agreeing = agreeing.filter(|vote| vote.direction == trade.direction);
                Some(HeldPosition {
                    direction: trade.direction,
                    opened_at: trade.opened_at,
                    agreeing: agreeing.map(|vote| vote.agent.clone()).collect(),
                    ours: true,
                })
            }
            None => line
                .filter(|line| !line.foreign_quantity.is_zero())
                .map(|line| HeldPosition {
                    direction: direction_of(line.foreign_quantity),
                    opened_at: now,
                    agreeing: std::collections::BTreeSet::new(),
                    ours: false,
                }),
        };
        let last_fill = line.and_then(|line| line.last_fill);
        self.tell(OrderNews::Holding {
            asset: asset.clone(),
            position,
            last_fill,
        });
    }

    fn tell_filled(&mut self, order: &LiveOrder, report: &OrderReport) {
        let event = if order.filled.is_zero() {
            "order_ended"
        } else {
            "order_filled"
        };
        let intent = order.submission.intent();
        let price = report.filled_average_price.unwrap_or_default();
        let fields = vec![
            ("asset", order.asset().to_string()),
            ("decision_id", intent.decision_id.to_string()),
            ("client_order_id", order.id().to_string()),
            ("broker_order_id", report.broker_order_id.clone()),
            ("purpose", intent.purpose.to_string()),
            ("status", format!("{:?}", report.status)),
            ("filled", order.filled.normalize().to_string()),
            ("price", price.normalize().to_string()),
        ];
        let message = "the order is over".to_owned();
        self.notice(NoticeLevel::Info, event, fields, message);
    }

    fn tell_opened(&mut self, order: &LiveOrder, report: &OrderReport) {
        let (asset, direction) = (order.asset(), order.direction);
        let price = report.filled_average_price.unwrap_or_default();
        let mut fields = vec![
            ("asset", asset.to_string()),
            (
                "decision_id",
                order.submission.intent().decision_id.to_string(),
            ),
            ("direction", direction.to_string()),
            ("quantity", order.filled.normalize().to_string()),
            ("price", price.normalize().to_string()),
            ("notional", order.filled_value.round_dp(2).to_string()),
        ];
        if let Some(stop) = self.books.line(asset).and_then(|line| line.stop_price) {
            fields.push(("stop_price", stop.to_string()));
        }
        let message = format!("the collective holds {asset} {direction}");
        self.notice(NoticeLevel::Info, "position_opened", fields, message);
    }
}

/// The fill that a report tells beyond what was booked.
pub(crate) fn new_fill(
    order: &mut LiveOrder,
    report: &OrderReport,
    crypto_fee_bp: &Decimal,
    now: Timestamp,
) -> Option<Fill> {
    let quantity = report.filled_quantity - order.filled;
    if quantity <= Decimal::ZERO {
        return None;
    }
    let average = report.filled_average_price.unwrap_or_default();
    let value = report.filled_quantity.saturating_mul(average) - order.filled_value;
    // An average that makes no sense for the difference is taken as its price.
    let price = value
        .checked_div(quantity)
        .filter(|price| *price > Decimal::ZERO)
        .unwrap_or(average);
    order.filled = report.filled_quantity;
    order.filled_value += quantity.saturating_mul(price);
    let purpose = order.purpose();
    let buys = is_buy(purpose, order.direction);
    let (fee_quantity, fee) = expected_fee(order.asset(), buys, quantity, price, *crypto_fee_bp);
    Some(Fill {
        client_order_id: order.id().clone(),
        asset: order.asset().clone(),
        purpose,
        direction: order.direction,
        quantity,
        price: price.round_dp(9),
        fee_quantity,
        fee,
        at: report.filled_at.or(report.updated_at).unwrap_or(now),
    })
}

//! Fills of positions that version 1 still held, worked out from its reports. Pure.
//!
//! Version 1 recorded no fills, and an engine owns only what it has fills of. Of positions that are
//! over nothing is made up: they have no trades either.

use std::collections::BTreeMap;

use rawe_core::{ClientOrderId, Direction, Fill, Purpose, Symbol, Timestamp};
use rawe_execution::broker::{OrderReport, Side};
use rawe_execution::journal::Intent;
use rust_decimal::Decimal;
use serde::Deserialize;

/// What is left of a position below this, USD, was its dust: closings sell what a fee in coin left.
const DUST: Decimal = Decimal::ONE;

#[derive(Deserialize)]
struct Heard {
    at: Timestamp,
    report: OrderReport,
}

/// An order while its reports go by.
struct Order {
    intent: Intent,
    quantity: Decimal,
    value: Decimal,
}

/// An asset while its orders go by: what is held, and since it was flat which fills led to it.
#[derive(Default)]
struct Holding {
    quantity: Decimal,
    fills: Vec<(usize, Fill)>,
}

/// The fills to put after the rows, given as table and record, at these places.
pub(crate) fn fills<'a>(
    rows: impl Iterator<Item = (&'static str, &'a str)>,
) -> BTreeMap<usize, String> {
    let mut orders: BTreeMap<ClientOrderId, Order> = BTreeMap::new();
    let mut holdings: BTreeMap<Symbol, Holding> = BTreeMap::new();
    for (place, (table, record)) in rows.enumerate() {
        // What cannot be read is reported by whoever needs it; here it only fills nothing.
        if table == "intents"
            && let Ok(intent) = serde_json::from_str::<Intent>(record)
        {
            let order = Order {
                quantity: Decimal::ZERO,
                value: Decimal::ZERO,
                intent,
            };
            orders.insert(order.intent.order.client_order_id.clone(), order);
        }
        if table == "reports"
            && let Ok(heard) = serde_json::from_str::<Heard>(record)
            && let Some(id) = ClientOrderId::parse_ours(&heard.report.client_order_id)
            && let Some(order) = orders.get_mut(&id)
            && let Some(fill) = order.hear(&heard)
        {
            holdings
                .entry(fill.asset.clone())
                .or_default()
                .take(place, fill);
        }
    }
    let left = holdings.into_values().flat_map(|holding| holding.fills);
    left.filter_map(|(place, fill)| Some((place, serde_json::to_string(&fill).ok()?)))
        .collect()
}

impl Order {
    /// What a report says beyond the report before it.
    fn hear(&mut self, heard: &Heard) -> Option<Fill> {
        let report = &heard.report;
        let quantity = report.filled_quantity.checked_sub(self.quantity)?;
        let value = report
            .filled_quantity
            .checked_mul(report.filled_average_price?)?;
        if quantity <= Decimal::ZERO {
            return None;
        }
        let price = value.checked_sub(self.value)?.checked_div(quantity)?;
        (self.quantity, self.value) = (report.filled_quantity, value);
        let purpose = self.intent.purpose;
        let bought = self.intent.order.side == Side::Buy;
        Some(Fill {
            client_order_id: self.intent.order.client_order_id.clone(),
            asset: self.intent.order.symbol.clone(),
            purpose,
            direction: if bought == (purpose == Purpose::Open) {
                Direction::Long
            } else {
                Direction::Short
            },
            quantity,
            price: price.round_dp(9).normalize(),
            fee_quantity: Decimal::ZERO,
            fee: Decimal::ZERO,
            at: heard.at,
        })
    }
}

impl Holding {
    fn take(&mut self, place: usize, fill: Fill) {
        let opens = fill.purpose == Purpose::Open;
        let bought = opens == (fill.direction == Direction::Long);
        let change = if bought {
            fill.quantity
        } else {
            -fill.quantity
        };
        self.quantity = self.quantity.saturating_add(change);
        let left = self.quantity.abs().saturating_mul(fill.price);
        if !opens && left < DUST {
            *self = Self::default();
        } else {
            self.fills.push((place, fill));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(id: &str, purpose: &str, side: &str) -> String {
        format!(
            r#"{{"decision_id":"d","round_id":"r","purpose":"{purpose}","order":{{
            "client_order_id":"{id}","symbol":"BTC/USD","side":"{side}",
            "amount":{{"quantity":"1"}},"time_in_force":"gtc"}},
            "decided_at":"2026-05-04T13:35:00Z","void_after":"2026-05-04T13:36:00Z"}}"#
        )
    }

    fn report(id: &str, side: &str, filled: &str, price: &str) -> String {
        format!(
            r#"{{"at":"2026-05-04T13:35:00Z","report":{{"broker_order_id":"b",
            "client_order_id":"{id}","symbol":"BTC/USD","side":"{side}","status":"filled",
            "quantity":null,"notional":null,"filled_quantity":"{filled}",
            "filled_average_price":"{price}","submitted_at":null,"filled_at":null,
            "updated_at":null}}}}"#
        )
    }

    #[test]
    fn only_what_is_still_held_has_fills() {
        let rows = [
            ("intents", intent("rawe-a", "open", "buy")),
            ("reports", report("rawe-a", "buy", "1", "100")),
            ("intents", intent("rawe-b", "close", "sell")),
            ("reports", report("rawe-b", "sell", "0.9975", "110")),
            ("intents", intent("rawe-c", "open", "buy")),
            ("reports", report("rawe-c", "buy", "1", "100")),
            ("reports", report("rawe-c", "buy", "1", "100")),
            ("reports", report("rawe-c", "buy", "3", "120")),
        ];
        let made = fills(rows.iter().map(|(table, record)| (*table, record.as_str())));
        let made: Vec<(usize, Fill)> = made
            .into_iter()
            .map(|(place, fill)| (place, serde_json::from_str(&fill).unwrap()))
            .collect();
        let told: Vec<_> = made
            .iter()
            .map(|(place, fill)| (*place, fill.quantity, fill.price, fill.direction))
            .collect();
        assert_eq!(
            told,
            [
                (5, 1.into(), 100.into(), Direction::Long),
                (7, 2.into(), 130.into(), Direction::Long)
            ]
        );
    }
}

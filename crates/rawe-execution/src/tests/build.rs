//! Orders as Alpaca takes them.

use proptest::prelude::*;
use rawe_core::{Direction, Purpose, RoundOutcome};
use rust_decimal::Decimal;

use super::{asset, dec, decision, position};
use crate::broker::{Amount, AssetInfo, PositionReport, Side, TimeInForce};
use crate::build::{build_order, is_dust};

use Direction::{Long, Short};
use Purpose::{Close, Open};

type Built = Result<(Side, Amount), RoundOutcome>;

/// An opening of 1,000.019 USD of AAPL at 300, long; the methods change one thing each.
struct Case {
    name: &'static str,
    symbol: &'static str,
    purpose: Purpose,
    direction: Direction,
    notional: &'static str,
    price: Option<&'static str>,
    change: fn(&mut AssetInfo),
    position: Option<(&'static str, &'static str)>,
}

fn opening(name: &'static str) -> Case {
    Case {
        name,
        symbol: "AAPL",
        purpose: Open,
        direction: Long,
        notional: "1000.019",
        price: Some("300"),
        change: |_| {},
        position: None,
    }
}

fn closing(name: &'static str) -> Case {
    Case {
        purpose: Close,
        notional: "0",
        price: Some("100"),
        ..opening(name)
    }
}

impl Case {
    fn of(self, symbol: &'static str) -> Self {
        Self { symbol, ..self }
    }

    fn short(self) -> Self {
        Self {
            direction: Short,
            ..self
        }
    }

    fn usd(self, notional: &'static str) -> Self {
        Self { notional, ..self }
    }

    fn price(self, price: &'static str) -> Self {
        Self {
            price: Some(price),
            ..self
        }
    }

    fn no_price(self) -> Self {
        Self {
            price: None,
            ..self
        }
    }

    fn asset(self, change: fn(&mut AssetInfo)) -> Self {
        Self { change, ..self }
    }

    fn held(self, quantity: &'static str, available: &'static str) -> Self {
        Self {
            position: Some((quantity, available)),
            ..self
        }
    }

    fn gives(self, expected: Built) {
        let mut asset = asset(self.symbol);
        (self.change)(&mut asset);
        let decision = decision(self.symbol, self.purpose, self.direction, self.notional);
        let position = self
            .position
            .map(|(held, free)| position(self.symbol, held, free));
        let built = build_order(
            &decision,
            &asset,
            position.as_ref(),
            self.price.map(dec),
            true,
        );
        if let Ok(order) = &built {
            let crypto = self.symbol.contains('/');
            let expected = if crypto {
                TimeInForce::Gtc
            } else {
                TimeInForce::Day
            };
            assert_eq!(order.time_in_force, expected, "{}", self.name);
            assert_eq!(order.client_order_id, decision.client_order_id);
            // Where the position is gone when it arrives, the broker has to know what it was for.
            assert_eq!(order.closes, self.purpose == Close, "{}", self.name);
        }
        let result = built
            .map(|order| (order.side, order.amount))
            .map_err(|refusal| refusal.outcome());
        assert_eq!(result, expected, "{}", self.name);
    }

    fn buys_usd(self, usd: &str) {
        self.gives(Ok((Side::Buy, Amount::Notional(dec(usd)))));
    }

    fn buys(self, units: &str) {
        self.gives(Ok((Side::Buy, Amount::Quantity(dec(units)))));
    }

    fn sells(self, units: &str) {
        self.gives(Ok((Side::Sell, Amount::Quantity(dec(units)))));
    }

    fn refused(self, outcome: RoundOutcome) {
        self.gives(Err(outcome));
    }
}

#[test]
fn long_openings() {
    let whole = |asset: &mut AssetInfo| asset.fractionable = false;
    opening("cents").buys_usd("1000.01");
    opening("no price needed").no_price().buys_usd("1000.01");
    opening("whole").asset(whole).buys("3");
    opening("whole, dear")
        .asset(whole)
        .price("1001")
        .refused(RoundOutcome::TooSmall);
    opening("whole, no price")
        .asset(whole)
        .no_price()
        .refused(RoundOutcome::NotTradable);
    opening("whole, bad price")
        .asset(whole)
        .price("0")
        .refused(RoundOutcome::NotTradable);
    opening("tiny").usd("0.999").refused(RoundOutcome::TooSmall);
    opening("negative")
        .usd("-50")
        .refused(RoundOutcome::TooSmall);
    opening("not traded")
        .asset(|a| a.tradable = false)
        .refused(RoundOutcome::NotTradable);
    let other = |asset: &mut AssetInfo| asset.symbol = super::symbol("MSFT");
    opening("other asset")
        .asset(other)
        .refused(RoundOutcome::NotTradable);
    opening("pair").of("BTC/USD").price("70000").buys("0.0142");
    let small = opening("pair under minimum")
        .of("BTC/USD")
        .price("70000")
        .usd("69");
    small.refused(RoundOutcome::TooSmall);
    let resting = Case {
        purpose: Purpose::Stop,
        ..opening("resting")
    };
    resting.refused(RoundOutcome::NotTradable);
}

#[test]
fn short_openings() {
    opening("whole shares").short().sells("3");
    opening("dear")
        .short()
        .price("1001")
        .refused(RoundOutcome::TooSmall);
    let hard = opening("hard to borrow")
        .short()
        .asset(|a| a.shortable = false);
    hard.refused(RoundOutcome::NotShortable);
    opening("pair")
        .of("BTC/USD")
        .short()
        .refused(RoundOutcome::NotShortable);
}

#[test]
fn openings_beside_a_position() {
    opening("more")
        .held("5", "5")
        .refused(RoundOutcome::AlreadyHeld);
    opening("turn")
        .held("-5", "-5")
        .refused(RoundOutcome::AlreadyHeld);
    opening("dust").held("0.003", "0.003").buys_usd("1000.01");
    opening("flat").held("0", "0").buys_usd("1000.01");
    let through_dust = opening("short through dust").short().held("0.003", "0.003");
    through_dust.refused(RoundOutcome::AlreadyHeld);
}

#[test]
fn closings() {
    closing("long")
        .held("5.123456789", "5.123456789")
        .sells("5.123456789");
    closing("no price")
        .no_price()
        .held("0.5", "0.5")
        .sells("0.5");
    closing("held in part").held("5", "2").sells("2");
    closing("held in whole")
        .held("5", "0")
        .refused(RoundOutcome::InFlight);
    closing("never more than held").held("5", "7").sells("5");
    closing("short").short().held("-7", "-7").buys("7");
    closing("none").refused(RoundOutcome::TooSmall);
    closing("dust")
        .held("0.009", "0.009")
        .refused(RoundOutcome::TooSmall);
    closing("other side")
        .held("-7", "-7")
        .refused(RoundOutcome::AlreadyHeld);
    closing("pair")
        .of("BTC/USD")
        .price("70000")
        .held("0.01429", "0.01429")
        .sells("0.0142");
    let dust = closing("pair dust")
        .of("BTC/USD")
        .price("70000")
        .held("0.0009", "0.0009");
    dust.refused(RoundOutcome::TooSmall);
}

#[test]
fn only_our_part_of_a_position_is_closed() {
    let mut decision = decision("AAPL", Close, Long, "0");
    decision.quantity_limit = Some(dec("3"));
    let held = position("AAPL", "10", "10");
    let order = build_order(
        &decision,
        &asset("AAPL"),
        Some(&held),
        Some(dec("100")),
        true,
    );
    assert_eq!(order.unwrap().amount, Amount::Quantity(dec("3")));
}

#[test]
fn an_account_that_may_not_short_does_not() {
    let decision = decision("AAPL", Open, Short, "1000");
    let refusal = build_order(&decision, &asset("AAPL"), None, Some(dec("100")), false);
    assert_eq!(refusal.unwrap_err().outcome(), RoundOutcome::NotShortable);
}

fn any_amount() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0_u32..=12).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale))
}

proptest! {
    #[test]
    fn no_order_ever_flips_adds_or_breaks_a_rule(
        notional in any_amount(), price in prop::option::of(any_amount()),
        quantity in any_amount(), available in any_amount(),
        opens in any::<bool>(), long in any::<bool>(), crypto in any::<bool>(),
        fractionable in any::<bool>(), held in any::<bool>(), shorting in any::<bool>(),
    ) {
        let name = if crypto { "BTC/USD" } else { "AAPL" };
        let mut asset = asset(name);
        asset.fractionable = fractionable;
        let (purpose, direction) =
            (if opens { Open } else { Close }, if long { Long } else { Short });
        let mut decision = decision(name, purpose, direction, "0");
        decision.notional = notional;
        let position = held.then(|| PositionReport {
            quantity, quantity_available: available, ..position(name, "1", "1")
        });
        let built = build_order(&decision, &asset, position.as_ref(), price, shorting);
        let Ok(order) = built else { return Ok(()) };
        let signed = |side: Side, q: Decimal| if side == Side::Buy { q } else { -q };
        match order.amount {
            Amount::Notional(usd) => {
                prop_assert!(opens && long && !crypto && fractionable);
                prop_assert!(usd >= Decimal::ONE && usd <= notional && usd.scale() <= 2);
            }
            Amount::Quantity(q) => {
                prop_assert!(q > Decimal::ZERO);
                if crypto {
                    prop_assert!(q >= dec("0.001") && (q % dec("0.0001")).is_zero());
                } else if !fractionable || !long {
                    prop_assert!(q.fract().is_zero());
                }
                if opens {
                    prop_assert!(q <= notional / price.unwrap());
                } else {
                    let before = quantity;
                    let after = before + signed(order.side, q);
                    let side = |q: Decimal| q.is_sign_negative();
                    prop_assert!(after.is_zero() || side(after) == side(before), "turned around");
                    prop_assert!(after.abs() < before.abs());
                }
            }
        }
        if opens {
            prop_assert_eq!(order.side, if long { Side::Buy } else { Side::Sell });
            prop_assert!(long || (!crypto && shorting));
            let price = price.filter(|price| *price > Decimal::ZERO);
            let fits = |p: PositionReport| p.quantity.is_zero() || is_dust(&p, &asset, price);
            prop_assert!(position.is_none_or(fits));
        }
    }
}

//! Every refusal of an order, in Alpaca's words, and that it changes nothing.

use rawe_market::{NewOrder, PositionIntent, TimeInForce};

use crate::support::*;

/// What is done first, the order, and the refusal: status, code, start of the message.
type RefusedCase = (
    &'static str,
    Vec<NewOrder>,
    NewOrder,
    (u16, u32, &'static str),
);

/// 422, 40010001.
fn malformed(message: &'static str) -> (u16, u32, &'static str) {
    (422, 40_010_001, message)
}

/// 422, 42210000.
fn broken(message: &'static str) -> (u16, u32, &'static str) {
    (422, 42_210_000, message)
}

/// 403, 40310000.
fn forbidden(message: &'static str) -> (u16, u32, &'static str) {
    (403, 40_310_000, message)
}

/// The request itself is wrong.
fn request_cases() -> Vec<RefusedCase> {
    let id = |order| named(order, "twice");
    vec![
        (
            "id used",
            vec![id(buy("AAPL", "1"))],
            id(buy("AAPL", "1")),
            malformed("client_order_id must be unique"),
        ),
        (
            "id long",
            vec![],
            named(buy("AAPL", "1"), &"x".repeat(129)),
            malformed("client_order_id must be no"),
        ),
        (
            "unknown",
            vec![],
            buy("NOPE", "1"),
            broken("asset \"NOPE\" not found"),
        ),
        (
            "zero",
            vec![],
            buy("AAPL", "0"),
            malformed("qty must be > 0"),
        ),
        (
            "negative",
            vec![],
            notional(buy("AAPL", "1"), "-5"),
            malformed("notional must be > 0"),
        ),
        (
            "digits",
            vec![],
            buy("AAPL", "0.1234567891"),
            malformed("qty must be limited"),
        ),
        (
            "huge",
            vec![],
            buy("AAPL", "99999999999"),
            malformed("qty must be limited"),
        ),
        (
            "sub-penny",
            vec![],
            limit(buy("AAPL", "1"), "10.001"),
            broken("invalid limit_price 10.001. sub-penny"),
        ),
        (
            "limit zero",
            vec![],
            limit(buy("AAPL", "1"), "0"),
            malformed("limit price must be > 0"),
        ),
    ]
}

/// A rule of the asset or its class is broken.
fn asset_cases() -> Vec<RefusedCase> {
    let gtc = TimeInForce::Gtc;
    vec![
        (
            "crypto day",
            vec![],
            lasting(buy("BTC/USD", "1"), TimeInForce::Day),
            broken("invalid crypto time_in_force"),
        ),
        (
            "fraction gtc",
            vec![],
            lasting(buy("AAPL", "0.5"), gtc),
            broken("fractional orders must be DAY orders"),
        ),
        (
            "notional gtc",
            vec![],
            lasting(notional(buy("AAPL", "1"), "10"), gtc),
            broken("fractional orders must be DAY"),
        ),
        (
            "whole only",
            vec![],
            buy("WHOLE", "0.5"),
            forbidden("asset \"WHOLE\" is not fractionable"),
        ),
        (
            "fraction short",
            vec![],
            sell("AAPL", "0.5"),
            broken("fractional orders cannot be sold short"),
        ),
        (
            "notional short",
            vec![],
            notional(sell("AAPL", "1"), "500"),
            broken("fractional orders cannot be sold short"),
        ),
        (
            "hard to borrow",
            vec![],
            sell("HARD", "1"),
            broken("asset \"HARD\" cannot be sold short"),
        ),
        (
            "crypto short",
            vec![],
            sell("BTC/USD", "1"),
            forbidden("insufficient qty available for order (requested: 1, available: 0)"),
        ),
    ]
}

/// Position, money or open orders forbid it.
fn account_cases() -> Vec<RefusedCase> {
    vec![
        (
            "flip long",
            vec![buy("AAPL", "2")],
            sell("AAPL", "3"),
            forbidden("insufficient qty available for order (requested: 3, available: 2)"),
        ),
        (
            "cover in fractions",
            vec![sell("AAPL", "2")],
            buy("AAPL", "0.5"),
            malformed("qty must be integer"),
        ),
        (
            "too dear",
            vec![],
            buy("AAPL", "2000"),
            forbidden("insufficient buying power"),
        ),
        (
            "crypto has no margin",
            vec![],
            notional(buy("BTC/USD", "1"), "100001"),
            forbidden("insufficient buying power"),
        ),
        (
            "too small",
            vec![],
            notional(buy("AAPL", "1"), "0.99"),
            forbidden("cost basis must be >= minimal amount of order 1"),
        ),
        (
            "few coins",
            vec![],
            buy("BTC/USD", "0.000001"),
            broken("minimal qty of order is 0.00002 for BTC/USD"),
        ),
    ]
}

/// An open order of the other side, or the client's own intent, forbids it.
fn opposite_cases() -> Vec<RefusedCase> {
    let intent = |order: NewOrder, intent| NewOrder {
        position_intent: Some(intent),
        ..order
    };
    vec![
        (
            "wash market",
            vec![buy("AAPL", "5"), limit(sell("AAPL", "5"), "500")],
            buy("AAPL", "1"),
            forbidden("potential wash trade detected"),
        ),
        (
            "wash limits",
            vec![buy("AAPL", "5"), limit(sell("AAPL", "5"), "500")],
            limit(buy("AAPL", "1"), "500"),
            forbidden("potential wash trade"),
        ),
        (
            "long while short opens",
            vec![limit(sell("AAPL", "5"), "500")],
            buy("AAPL", "1"),
            forbidden("cannot open a long buy while a short sell order is open"),
        ),
        (
            "short while long opens",
            vec![limit(buy("AAPL", "5"), "5")],
            sell("AAPL", "1"),
            forbidden("cannot open a short sell while a long buy order is open"),
        ),
        (
            "intent",
            vec![],
            intent(sell("AAPL", "1"), PositionIntent::SellToClose),
            broken("position intent mismatch, inferred: sell_to_open"),
        ),
    ]
}

#[test]
fn every_refusal_has_alpacas_status_code_and_words_and_changes_nothing() {
    let cases = [
        request_cases(),
        asset_cases(),
        account_cases(),
        opposite_cases(),
    ]
    .into_iter()
    .flatten();
    for (case, before, order, (status, code, message)) in cases {
        let mut exchange = exchange(OPEN);
        for earlier in &before {
            exchange
                .submit(earlier)
                .unwrap_or_else(|refusal| panic!("{case}: {refusal}"));
        }
        let account = exchange.account();
        let refusal = exchange.submit(&order).expect_err(case);
        assert_eq!(
            (refusal.status, refusal.code),
            (status, code),
            "{case}: {refusal}"
        );
        assert!(refusal.message.starts_with(message), "{case}: {refusal}");
        assert_eq!(exchange.orders().len(), before.len(), "{case}");
        assert_eq!(exchange.account(), account, "{case}");
    }
}

//! Every refusal of the gate, and what passes it.

use rawe_core::{Direction, Purpose, RoundOutcome, Timestamp};
use rust_decimal::Decimal;

use super::{account, asset, at, dec, decision, open_clock, position};
use crate::broker::{Account, Amount, AssetInfo, BrokerClock, PositionReport};
use crate::build::OrderIntentInput;
use crate::gate::{Exposure, Gate, GateInput, TradingState};
use crate::limits::{PriceRule, RiskLimits, SkewRule};

/// Everything the gate looks at, owned, so that a case can change one thing.
struct Scene {
    now: Timestamp,
    state: TradingState,
    reconciled: bool,
    skew: i64,
    clock: Option<BrokerClock>,
    account: Account,
    reserved: Decimal,
    asset: AssetInfo,
    in_flight: bool,
    position: Option<PositionReport>,
    price: Option<(Decimal, Timestamp)>,
    exposure: Exposure,
    sent: usize,
    opened: usize,
    day_result: Decimal,
    decision: OrderIntentInput,
    limits: RiskLimits,
}

fn scene(symbol: &str, purpose: Purpose, direction: Direction) -> Scene {
    let closing = purpose == Purpose::Close;
    let held = if direction == Direction::Long {
        "5"
    } else {
        "-5"
    };
    Scene {
        now: at(0),
        state: TradingState::Active,
        reconciled: true,
        skew: 0,
        clock: Some(open_clock()),
        account: account(),
        reserved: Decimal::ZERO,
        asset: asset(symbol),
        in_flight: false,
        position: closing.then(|| position(symbol, held, held)),
        price: Some((dec("100"), at(0))),
        exposure: Exposure::default(),
        sent: 0,
        opened: 0,
        day_result: Decimal::ZERO,
        decision: decision(symbol, purpose, direction, "1000"),
        limits: RiskLimits::default(),
    }
}

fn check(scene: &Scene) -> Result<Amount, RoundOutcome> {
    let input = GateInput {
        now: scene.now,
        state: scene.state,
        reconciled: scene.reconciled,
        clock_skew_secs: scene.skew,
        clock: scene.clock.as_ref(),
        account: &scene.account,
        reserved: scene.reserved,
        asset: &scene.asset,
        in_flight: scene.in_flight,
        position: scene.position.as_ref(),
        price: scene.price,
        exposure: scene.exposure,
        sent_last_minute: scene.sent,
        opened_last_hour: scene.opened,
        day_result: scene.day_result,
        decision: &scene.decision,
        void_after: at(60),
    };
    Gate::new(scene.limits.clone(), 3)
        .check(&input)
        .map(|approved| approved.request().amount)
        .map_err(|refusal| refusal.outcome())
}

type Change = fn(&mut Scene);
/// Name, what is changed, how openings end, whether closings end so too.
type Case = (&'static str, Change, RoundOutcome, bool);

fn market_cases() -> Vec<Case> {
    vec![
        (
            "halted",
            |s| s.state = TradingState::Halted,
            RoundOutcome::Halted,
            true,
        ),
        (
            "reducing",
            |s| s.state = TradingState::Reducing,
            RoundOutcome::Halted,
            false,
        ),
        (
            "blocked",
            |s| s.account.can_trade = false,
            RoundOutcome::Halted,
            true,
        ),
        ("stale", |s| s.now = at(61), RoundOutcome::Stale, true),
        (
            "closed",
            |s| {
                s.clock = Some(BrokerClock {
                    is_open: false,
                    ..open_clock()
                });
            },
            RoundOutcome::MarketClosed,
            true,
        ),
        (
            "clock unknown",
            |s| s.clock = None,
            RoundOutcome::MarketClosed,
            true,
        ),
    ]
}

fn money_cases() -> Vec<Case> {
    vec![
        (
            "asset",
            |s| s.asset.tradable = false,
            RoundOutcome::NotTradable,
            true,
        ),
        (
            "in flight",
            |s| s.in_flight = true,
            RoundOutcome::InFlight,
            true,
        ),
        (
            "view",
            |s| s.reconciled = false,
            RoundOutcome::Unreconciled,
            false,
        ),
        ("clock skew", |s| s.skew = 11, RoundOutcome::Halted, false),
        ("rate", |s| s.sent = 60, RoundOutcome::CapOrderRate, false),
        (
            "openings",
            |s| s.opened = 3,
            RoundOutcome::CapNewPositions,
            false,
        ),
        (
            "loss",
            |s| s.day_result = dec("-10000"),
            RoundOutcome::DailyLoss,
            false,
        ),
        (
            "price unknown",
            |s| s.price = None,
            RoundOutcome::NotTradable,
            false,
        ),
        (
            "price old",
            |s| s.price = Some((dec("100"), at(-901))),
            RoundOutcome::QuoteStale,
            false,
        ),
        (
            "gross",
            |s| s.exposure.gross = dec("200000"),
            RoundOutcome::CapNotional,
            false,
        ),
        (
            "net",
            |s| s.exposure.net = dec("199999.5"),
            RoundOutcome::CapNotional,
            false,
        ),
        (
            "one asset",
            |s| s.exposure.asset = dec("50001"),
            RoundOutcome::CapNotional,
            false,
        ),
        (
            "buying power",
            |s| s.account.buying_power = dec("999"),
            RoundOutcome::BuyingPower,
            false,
        ),
        (
            "too small",
            |s| s.decision.notional = dec("0.5"),
            RoundOutcome::TooSmall,
            false,
        ),
    ]
}

#[test]
fn each_reason_refuses_openings_and_only_the_brokers_rules_refuse_closings() {
    let open = || scene("AAPL", Purpose::Open, Direction::Long);
    let close = || scene("AAPL", Purpose::Close, Direction::Long);
    assert_eq!(check(&open()), Ok(Amount::Notional(dec("1000"))));
    assert_eq!(check(&close()), Ok(Amount::Quantity(dec("5"))));
    for (name, change, outcome, refuses_closing) in [market_cases(), money_cases()].concat() {
        let (mut opening, mut closing) = (open(), close());
        change(&mut opening);
        change(&mut closing);
        assert_eq!(check(&opening), Err(outcome), "{name}");
        assert_eq!(check(&closing).is_err(), refuses_closing, "{name}");
    }
}

/// At every limit: just under it, at it, just over it.
#[test]
fn limits_are_exact_at_their_boundaries() {
    type Set = fn(&mut Scene, Decimal);
    type Expected = [Result<&'static str, RoundOutcome>; 3];
    let cases: [(&str, Set, &str, Expected); 5] = [
        (
            "gross",
            |s, at| s.exposure.gross = at,
            "199999",
            [Ok("2"), Ok("1"), Err(RoundOutcome::CapNotional)],
        ),
        (
            "net",
            |s, at| s.exposure.net = at,
            "199999",
            [Ok("2"), Ok("1"), Err(RoundOutcome::CapNotional)],
        ),
        (
            "asset",
            |s, at| s.exposure.asset = at,
            "49999",
            [Ok("2"), Ok("1"), Err(RoundOutcome::CapNotional)],
        ),
        (
            "loss",
            |s, at| s.day_result = -at,
            "9999",
            [Ok("1000"), Ok("1000"), Err(RoundOutcome::DailyLoss)],
        ),
        (
            "order",
            |s, at| s.decision.notional = at,
            "50000",
            [Ok("49999"), Ok("50000"), Ok("50000")],
        ),
    ];
    for (name, set, at_cap, expected) in cases {
        for (offset, expected) in [-1_i64, 0, 1].into_iter().zip(expected) {
            let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
            set(&mut opening, dec(at_cap) + Decimal::from(offset));
            let expected = expected.map(|usd| Amount::Notional(dec(usd)));
            assert_eq!(check(&opening), expected, "{name} {offset}");
        }
    }
}

#[test]
fn counts_and_ages_are_exact_at_their_boundaries() {
    type Set = fn(&mut Scene, i64);
    let counted: [(&str, Set, i64, RoundOutcome); 4] = [
        (
            "rate",
            |s, n| s.sent = usize::try_from(n).unwrap(),
            60,
            RoundOutcome::CapOrderRate,
        ),
        (
            "openings",
            |s, n| s.opened = usize::try_from(n).unwrap(),
            3,
            RoundOutcome::CapNewPositions,
        ),
        ("skew", |s, n| s.skew = n, 11, RoundOutcome::Halted),
        (
            "price",
            |s, n| s.price = Some((dec("100"), at(-n))),
            901,
            RoundOutcome::QuoteStale,
        ),
    ];
    for (name, set, cap, outcome) in counted {
        for (offset, refused) in [(-1, false), (0, true), (1, true)] {
            let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
            set(&mut opening, cap + offset);
            let answer = check(&opening);
            assert_eq!(answer.is_err(), refused, "{name} {offset}: {answer:?}");
            assert!(
                answer.is_ok() || answer == Err(outcome),
                "{name}: {answer:?}"
            );
        }
    }
}

#[test]
fn looser_rules_still_look_but_let_pass() {
    let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
    (opening.skew, opening.limits.clock_skew) = (3_600, SkewRule::Warn);
    opening.price = Some((dec("100"), at(-90_000)));
    opening.limits.last_price = PriceRule::Off;
    assert!(check(&opening).is_ok());
    opening.price = None;
    assert!(check(&opening).is_ok(), "dollars need no price");
    opening.limits.last_price = PriceRule::Required;
    assert_eq!(check(&opening), Err(RoundOutcome::NotTradable));
    let mut short = scene("AAPL", Purpose::Open, Direction::Short);
    (short.price, short.limits.last_price) = (None, PriceRule::Off);
    assert_eq!(
        check(&short),
        Err(RoundOutcome::NotTradable),
        "units need one"
    );
}

#[test]
fn buying_power_that_others_take_is_not_there() {
    let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
    opening.reserved = dec("199000");
    assert!(check(&opening).is_ok());
    opening.reserved = dec("199000.01");
    assert_eq!(check(&opening), Err(RoundOutcome::BuyingPower));
}

#[test]
fn crypto_trades_while_the_stock_market_is_closed_and_from_its_own_buying_power() {
    let mut opening = scene("BTC/USD", Purpose::Open, Direction::Long);
    opening.clock = None;
    assert_eq!(check(&opening), Ok(Amount::Quantity(dec("10"))));
    opening.account.non_marginable_buying_power = dec("999");
    assert_eq!(check(&opening), Err(RoundOutcome::BuyingPower));
}

#[test]
fn orders_in_units_need_the_reserve_of_the_collar() {
    let mut short = scene("AAPL", Purpose::Open, Direction::Short);
    short.account.buying_power = dec("1039");
    assert_eq!(check(&short), Err(RoundOutcome::BuyingPower));
    short.account.buying_power = dec("1040");
    assert_eq!(check(&short), Ok(Amount::Quantity(dec("10"))));
}

#[test]
fn limits_are_checked_when_read() {
    assert!(RiskLimits::default().problems().is_empty());
    let zero = RiskLimits {
        order_notional_max: Decimal::ZERO,
        gross_notional_max: dec("-1"),
        orders_per_minute_max: 0,
        ..RiskLimits::default()
    };
    assert_eq!(zero.problems().len(), 3);
    assert!(serde_json::from_str::<RiskLimits>(r#"{"order_notional_mx": "5"}"#).is_err());
}

//! Every refusal of the gate, and what passes it.

use rawe_core::{Direction, Purpose, RoundOutcome, Timestamp};
use rust_decimal::Decimal;

use super::{account, asset, at, dec, decision, open_clock, position};
use crate::broker::{Account, Amount, AssetInfo, BrokerClock, PositionReport};
use crate::build::OrderIntentInput;
use crate::gate::{Gate, GateInput, RiskLimits, TradingState};

/// Everything the gate looks at, owned, so that a case can change one thing.
struct Scene {
    now: Timestamp,
    state: TradingState,
    clock: Option<BrokerClock>,
    account: Account,
    asset: AssetInfo,
    position: Option<PositionReport>,
    price: Option<Decimal>,
    gross_notional: Decimal,
    openings: Vec<Timestamp>,
    decision: OrderIntentInput,
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
        clock: Some(open_clock()),
        account: account(),
        asset: asset(symbol),
        position: closing.then(|| position(symbol, held, held)),
        price: Some(dec("100")),
        gross_notional: dec("10000"),
        openings: vec![],
        decision: decision(symbol, purpose, direction, "1000"),
    }
}

fn check(scene: &Scene) -> Result<Amount, RoundOutcome> {
    let input = GateInput {
        now: scene.now,
        state: scene.state,
        clock: scene.clock.as_ref(),
        account: &scene.account,
        asset: &scene.asset,
        position: scene.position.as_ref(),
        price: scene.price,
        gross_notional: scene.gross_notional,
        openings: &scene.openings,
        decision: &scene.decision,
        void_after: at(60),
    };
    Gate::new(RiskLimits::default(), 3)
        .check(&input)
        .map(|approved| approved.request().amount)
        .map_err(|refusal| refusal.outcome())
}

type Change = fn(&mut Scene);

#[test]
fn each_reason_refuses_openings_and_only_the_brokers_rules_refuse_closings() {
    let open = || scene("AAPL", Purpose::Open, Direction::Long);
    let close = || scene("AAPL", Purpose::Close, Direction::Long);
    assert_eq!(check(&open()), Ok(Amount::Notional(dec("1000"))));
    assert_eq!(check(&close()), Ok(Amount::Quantity(dec("5"))));
    let cases: [(&str, Change, RoundOutcome, bool); 12] = [
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
        (
            "asset",
            |s| s.asset.tradable = false,
            RoundOutcome::NotTradable,
            true,
        ),
        (
            "gross",
            |s| s.gross_notional = dec("200000"),
            RoundOutcome::CapNotional,
            false,
        ),
        (
            "gross, negative books",
            |s| s.gross_notional = dec("-200000"),
            RoundOutcome::CapNotional,
            false,
        ),
        (
            "openings",
            |s| s.openings = vec![at(-3599), at(-10), at(0)],
            RoundOutcome::CapNewPositions,
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
    ];
    for (name, change, outcome, refuses_closing) in cases {
        let (mut opening, mut closing) = (open(), close());
        change(&mut opening);
        change(&mut closing);
        assert_eq!(check(&opening), Err(outcome), "{name}");
        assert_eq!(check(&closing).is_err(), refuses_closing, "{name}");
    }
}

#[test]
fn limits_shrink_an_opening_to_fit() {
    let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
    opening.decision.notional = dec("80000");
    assert_eq!(check(&opening), Ok(Amount::Notional(dec("50000"))));
    opening.gross_notional = dec("198999.995");
    assert_eq!(check(&opening), Ok(Amount::Notional(dec("1000"))));
}

#[test]
fn openings_older_than_an_hour_do_not_count() {
    let mut opening = scene("AAPL", Purpose::Open, Direction::Long);
    opening.openings = vec![at(-3600), at(-7200), at(-1), at(-2)];
    assert!(check(&opening).is_ok());
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
    };
    assert_eq!(zero.problems().len(), 2);
    assert!(serde_json::from_str::<RiskLimits>(r#"{"order_notional_mx": "5"}"#).is_err());
}

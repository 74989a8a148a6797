//! What holds after every step, whatever the orders: the books add up, no position flips, ids stay
//! unique, states only move forward, and nothing available is negative.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::support::*;
use chrono::TimeDelta;
use proptest::prelude::*;
use rawe_market::{
    Amount, AssetIndex, Exchange, ExchangeConfig, Exits, NewOrder, Order, OrderEventKind,
    OrderStatus, OrderType, Replacement, Side, StopLoss, TakeProfit, TimeInForce, Trail,
};
use rust_decimal::Decimal;
use uuid::Uuid;

/// One thing a client or the clock does.
#[derive(Clone, Debug)]
enum Step {
    Submit(NewOrder),
    /// Of the order, at most so many thousandths of ten units fill until it is released.
    SubmitCapped(NewOrder, i64),
    CancelNewest(usize),
    ReplaceNewest(usize, Replacement),
    ReleaseNewest(usize),
    RejectNewest(usize),
    Halt(&'static str, Option<i64>),
    Resume(&'static str),
    Advance(i64),
}

fn any_order() -> impl Strategy<Value = NewOrder> {
    let names = prop::sample::select(vec!["AAPL", "WHOLE", "HARD", "BTC/USD"]);
    let amount = prop_oneof![
        (1_i64..40).prop_map(|n| Amount::Quantity(Decimal::from(n))),
        (1_i64..4_000_000_000).prop_map(|n| Amount::Quantity(Decimal::new(n, 9))),
        (50_i64..2_000_000).prop_map(|n| Amount::Notional(Decimal::new(n, 2))),
    ];
    let order_type = prop_oneof![
        2 => Just((0, 0, 0)),
        1 => (Just(1), 90_i64..200, Just(0)),
        1 => (Just(2), 90_i64..200, Just(0)),
        1 => (Just(3), 90_i64..200, 90_i64..200),
        1 => (Just(4), 1_i64..12, Just(0)),
        1 => (Just(5), 1_i64..9, Just(0)),
    ];
    let lasting = prop::sample::select(vec![
        TimeInForce::Day,
        TimeInForce::Gtc,
        TimeInForce::Ioc,
        TimeInForce::Fok,
        TimeInForce::Opg,
        TimeInForce::Cls,
    ]);
    let id = prop::option::of((0_u8..30).prop_map(|n| format!("id-{n}")));
    let more = (prop::bool::weighted(0.2), any_exits());
    (names, any::<bool>(), amount, order_type, lasting, id, more).prop_map(
        |(name, is_buy, amount, (kind, first, second), time_in_force, client_order_id, more)| {
            NewOrder {
                client_order_id,
                symbol: name.to_owned(),
                side: if is_buy { Side::Buy } else { Side::Sell },
                amount,
                order_type: {
                    let factor = if name == "BTC/USD" { 400 } else { 1 };
                    let (first, second) = (Decimal::from(first * factor), second * factor);
                    match kind {
                        0 => OrderType::Market,
                        1 => OrderType::Limit(first),
                        2 => OrderType::Stop(first),
                        4 => OrderType::TrailingStop(Trail::Price(first)),
                        5 => OrderType::TrailingStop(Trail::Percent(first)),
                        _ => OrderType::StopLimit {
                            stop: first,
                            limit: Decimal::from(second),
                        },
                    }
                },
                time_in_force,
                position_intent: None,
                extended_hours: more.0,
                exits: more.1,
            }
        },
    )
}

fn any_exits() -> impl Strategy<Value = Exits> {
    let profit = (90_i64..220).prop_map(|price| TakeProfit {
        limit: Decimal::from(price),
    });
    let loss = (90_i64..220, prop::option::of(90_i64..220)).prop_map(|(stop, limit)| StopLoss {
        stop: Decimal::from(stop),
        limit: limit.map(Decimal::from),
    });
    prop_oneof![
        4 => Just(Exits::None),
        2 => (profit.clone(), loss.clone()).prop_map(|(p, l)| Exits::Bracket(p, l)),
        1 => loss.clone().prop_map(Exits::Oco),
        1 => profit.prop_map(Exits::OtoProfit),
        1 => loss.prop_map(Exits::OtoLoss),
    ]
}

fn any_replacement() -> impl Strategy<Value = Replacement> {
    let number = || prop::option::of((1_i64..200).prop_map(Decimal::from));
    (number(), number(), number(), number()).prop_map(|(quantity, limit, stop, trail)| {
        Replacement {
            quantity,
            limit,
            stop,
            trail,
            ..Replacement::default()
        }
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(vec!["AAPL", "BTC/USD"]);
    prop_oneof![
        6 => any_order().prop_map(Step::Submit),
        2 => (any_order(), 0_i64..4_000).prop_map(|(order, cap)| Step::SubmitCapped(order, cap)),
        1 => (0_usize..4).prop_map(Step::CancelNewest),
        1 => (0_usize..6, any_replacement()).prop_map(|(back, new)| Step::ReplaceNewest(back, new)),
        1 => (0_usize..4).prop_map(Step::ReleaseNewest),
        1 => (0_usize..4).prop_map(Step::RejectNewest),
        1 => (name(), prop::option::of(1_i64..60 * 30))
            .prop_map(|(name, minutes)| Step::Halt(name, minutes)),
        2 => name().prop_map(Step::Resume),
        4 => (1_i64..60 * 30).prop_map(Step::Advance),
    ]
}

fn perform(exchange: &mut Exchange, step: Step) {
    let newest = |exchange: &Exchange, back| {
        let order = exchange.orders().iter().rev().nth(back);
        order.map_or_else(Uuid::nil, |order| order.id)
    };
    // A refusal is as good an answer as any.
    match step {
        Step::Submit(order) => drop(exchange.submit(&order).map(|order| order.id)),
        Step::SubmitCapped(order, cap) => {
            let cap = Decimal::new(cap, 2);
            drop(exchange.submit_capped(&order, cap).map(|order| order.id));
        }
        Step::CancelNewest(back) => drop(exchange.cancel(newest(exchange, back))),
        Step::ReplaceNewest(back, new) => {
            drop(
                exchange
                    .replace(newest(exchange, back), &new)
                    .map(|order| order.id),
            );
        }
        Step::ReleaseNewest(back) => exchange.release(newest(exchange, back)),
        Step::RejectNewest(back) => {
            let _was_open = exchange.reject(newest(exchange, back));
        }
        Step::Halt(name, minutes) => {
            let until = minutes.map(|minutes| exchange.now() + TimeDelta::minutes(minutes));
            exchange.halt(exchange.data().find(name).unwrap(), until);
        }
        Step::Resume(name) => exchange.resume(exchange.data().find(name).unwrap()),
        Step::Advance(minutes) => {
            let instant = exchange.now() + TimeDelta::minutes(minutes);
            exchange.advance_to(instant).unwrap();
        }
    }
}

/// What was true before, to compare with.
#[derive(Default)]
struct Seen {
    statuses: HashMap<Uuid, OrderStatus>,
    fills: usize,
    units: BTreeMap<AssetIndex, Decimal>,
    told: HashMap<Uuid, Decimal>,
}

impl Seen {
    fn check(&mut self, exchange: &Exchange) {
        self.check_fills(exchange);
        self.check_orders(exchange);
        let account = exchange.account();
        let start = exchange.config().cash;
        assert_eq!(
            account.equity,
            (start + account.realised + account.unrealised - account.fees).normalize(),
            "equity is start plus gains less fees"
        );
        let paid: Decimal = exchange.fills().iter().map(|fill| fill.cash_change).sum();
        assert_eq!(
            account.cash,
            (start + paid).normalize(),
            "cash is what fills left"
        );
        for (asset, position) in exchange.positions() {
            let available = exchange.quantity_available(asset);
            assert!(
                available.is_zero()
                    || available.is_sign_negative() == position.quantity.is_sign_negative(),
                "{available} available of {}",
                position.quantity
            );
        }
    }

    /// Positions are the sums of their fills, and never jump over zero.
    fn check_fills(&mut self, exchange: &Exchange) {
        for fill in &exchange.fills()[self.fills..] {
            let before = self.units.entry(fill.asset).or_default();
            let after = *before + fill.position_change;
            assert!(
                before.is_zero()
                    || after.is_zero()
                    || before.is_sign_negative() == after.is_sign_negative(),
                "{before} became {after}"
            );
            *before = after;
        }
        self.fills = exchange.fills().len();
        for (asset, _) in exchange.data().assets() {
            let summed = self.units.get(&asset).copied().unwrap_or_default();
            assert_eq!(exchange.position(asset).quantity, summed);
        }
    }

    /// The events alone say how much of each order has filled, and how each one ended.
    fn check_events(&mut self, exchange: &mut Exchange) {
        for event in exchange.take_order_events() {
            let told = self.told.entry(event.order.id).or_default();
            *told += event
                .fill
                .as_ref()
                .map_or(Decimal::ZERO, |fill| fill.quantity);
            assert_eq!(*told, event.order.filled_quantity, "{:?}", event.kind);
            let ends = matches!(
                event.kind,
                OrderEventKind::Fill
                    | OrderEventKind::Canceled
                    | OrderEventKind::Expired
                    | OrderEventKind::Rejected
                    | OrderEventKind::Replaced
            );
            assert_eq!(ends, event.order.status.is_terminal(), "{:?}", event.kind);
        }
        let told_of = |order: &&Order| order.status != OrderStatus::Held;
        for order in exchange.orders().iter().filter(told_of) {
            assert_eq!(self.told.get(&order.id), Some(&order.filled_quantity));
        }
    }

    fn check_orders(&mut self, exchange: &Exchange) {
        let mut clients = HashSet::new();
        for order in exchange.orders() {
            assert!(
                clients.insert(&order.client_order_id),
                "{}",
                order.client_order_id
            );
            let known = self.statuses.entry(order.id).or_insert(order.status);
            assert!(
                *known == order.status || (!known.is_terminal() && *known < order.status),
                "{known:?} became {:?}",
                order.status
            );
            *known = order.status;
            assert_eq!(
                order.status == OrderStatus::Filled,
                order.filled_at.is_some()
            );
            check_filled(exchange, order);
        }
        assert_eq!(
            self.statuses.len(),
            exchange.orders().len(),
            "order ids are unique"
        );
    }
}

/// What an order says of its fills is what the fills say.
fn check_filled(exchange: &Exchange, order: &Order) {
    let filled: Decimal = exchange
        .fills()
        .iter()
        .filter(|fill| fill.order_id == order.id)
        .map(|fill| fill.quantity)
        .sum();
    assert_eq!(order.filled_quantity, filled);
    assert_eq!(filled.is_zero(), order.filled_average_price.is_none());
    match order.status {
        OrderStatus::Held | OrderStatus::Accepted | OrderStatus::New => assert!(filled.is_zero()),
        OrderStatus::PartiallyFilled | OrderStatus::Filled => assert!(!filled.is_zero()),
        OrderStatus::Canceled
        | OrderStatus::Expired
        | OrderStatus::Rejected
        | OrderStatus::Replaced => {}
    }
    match order.amount {
        Amount::Quantity(quantity) if order.status == OrderStatus::Filled => {
            assert_eq!(filled, quantity);
        }
        // What the other exit of a group fills makes this one smaller, to nothing if it fills all.
        Amount::Quantity(quantity) if order.role.is_some() => assert!(filled <= quantity),
        Amount::Quantity(quantity) => assert!(filled < quantity, "{filled} of {quantity}"),
        Amount::Notional(notional) => assert!(order.filled_value <= notional),
    }
    if !filled.is_zero() {
        let stop = order.stop();
        assert!(
            stop.is_none() || order.triggered_at.is_some(),
            "filled before its stop"
        );
    }
}

/// With volume that matters, no bar gives more than its part.
fn check_volume(exchange: &Exchange) {
    let Some(part) = exchange.config().participation_max else {
        return;
    };
    let mut taken: BTreeMap<(AssetIndex, usize), Decimal> = BTreeMap::new();
    for fill in exchange.fills() {
        let series = exchange.data().series(fill.asset).unwrap();
        *taken
            .entry((fill.asset, series.ended_count(fill.at)))
            .or_default() += fill.quantity;
    }
    for ((asset, ended), units) in taken {
        let bar = exchange
            .data()
            .series(asset)
            .unwrap()
            .bar(ended - 1)
            .unwrap();
        let most = Decimal::try_from(bar.volume).unwrap() * part;
        assert!(units <= most, "{units} of {most}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_books_add_up_after_every_step(
        steps in prop::collection::vec(any_step(), 1..80),
        start_hour in 0_i64..60,
        participation in prop::option::of(1_i64..30),
    ) {
        let now = at("2026-03-02T14:30:00Z") + TimeDelta::hours(start_hour);
        let config = ExchangeConfig {
            participation_max: participation.map(|per_mille| Decimal::new(per_mille, 3)),
            ..ExchangeConfig::default()
        };
        let mut exchange = Exchange::new(data(), config, now);
        exchange.watch_orders();
        let mut seen = Seen::default();
        for step in steps {
            perform(&mut exchange, step);
            seen.check(&exchange);
            seen.check_events(&mut exchange);
            check_volume(&exchange);
        }
    }

    #[test]
    fn small_steps_and_one_leap_give_the_same_book(
        orders in prop::collection::vec(any_order(), 1..12),
        stops in prop::collection::vec(1_i64..600, 1..20),
    ) {
        let mut leaping = Exchange::new(data(), ExchangeConfig::default(), at(NIGHT));
        let mut walking = leaping.clone();
        for order in &orders {
            prop_assert_eq!(
                leaping.submit(order).map(|order| order.id),
                walking.submit(order).map(|order| order.id)
            );
        }
        let end = at(NIGHT) + TimeDelta::minutes(stops.iter().sum());
        for minutes in stops {
            let next = walking.now() + TimeDelta::minutes(minutes);
            walking.advance_to(next).unwrap();
        }
        leaping.advance_to(end).unwrap();
        prop_assert_eq!(leaping.fills(), walking.fills());
        prop_assert_eq!(leaping.orders(), walking.orders());
        prop_assert_eq!(leaping.account(), walking.account());
    }
}

//! What holds after every step, whatever the orders: the books add up, no position flips, ids stay
//! unique, states only move forward, and nothing available is negative.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::support::*;
use chrono::TimeDelta;
use proptest::prelude::*;
use rawe_market::{
    Amount, AssetIndex, Exchange, ExchangeConfig, NewOrder, OrderStatus, OrderType, Side,
    TimeInForce,
};
use rust_decimal::Decimal;
use uuid::Uuid;

/// One thing a client or the clock does.
#[derive(Clone, Debug)]
enum Step {
    Submit(NewOrder),
    CancelNewest(usize),
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
        2 => Just(None),
        1 => (90_i64..200).prop_map(Some),
    ];
    let lasting = prop::sample::select(vec![TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc]);
    let id = prop::option::of((0_u8..30).prop_map(|n| format!("id-{n}")));
    (names, any::<bool>(), amount, order_type, lasting, id).prop_map(
        |(name, is_buy, amount, limit, time_in_force, client_order_id)| NewOrder {
            client_order_id,
            symbol: name.to_owned(),
            side: if is_buy { Side::Buy } else { Side::Sell },
            amount,
            order_type: limit.map_or(OrderType::Market, |price| {
                let factor = if name == "BTC/USD" { 400 } else { 1 };
                OrderType::Limit(Decimal::from(price * factor))
            }),
            time_in_force,
            position_intent: None,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_order().prop_map(Step::Submit),
        1 => (0_usize..4).prop_map(Step::CancelNewest),
        3 => (1_i64..60 * 30).prop_map(Step::Advance),
    ]
}

/// What was true before, to compare with.
#[derive(Default)]
struct Seen {
    statuses: HashMap<Uuid, OrderStatus>,
    fills: usize,
    units: BTreeMap<AssetIndex, Decimal>,
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
            assert_eq!(
                order.filled_quantity.is_zero(),
                order.status != OrderStatus::Filled
            );
        }
        assert_eq!(
            self.statuses.len(),
            exchange.orders().len(),
            "order ids are unique"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_books_add_up_after_every_step(
        steps in prop::collection::vec(any_step(), 1..80),
        start_hour in 0_i64..60,
    ) {
        let now = at("2026-03-02T14:30:00Z") + TimeDelta::hours(start_hour);
        let mut exchange = Exchange::new(data(), ExchangeConfig::default(), now);
        let mut seen = Seen::default();
        for step in steps {
            match step {
                Step::Submit(order) => {
                    // A refusal is as good an answer as any.
                    let _answer = exchange.submit(&order).map(|order| order.id);
                }
                Step::CancelNewest(back) => {
                    let id = exchange.orders().iter().rev().nth(back).map(|order| order.id);
                    if let Some(id) = id {
                        let _answer = exchange.cancel(id);
                    }
                }
                Step::Advance(minutes) => {
                    let instant = exchange.now() + TimeDelta::minutes(minutes);
                    exchange.advance_to(instant).unwrap();
                }
            }
            seen.check(&exchange);
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

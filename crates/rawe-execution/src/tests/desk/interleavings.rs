//! Whatever the order of reports, cancellations, losses and restarts: exposure is the sum of the
//! fills, and each decision has at most one order.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rawe_core::{ClientOrderId, Direction, Purpose};

use super::*;
use crate::broker::OrderStatus;
use crate::desk::{Control, ControlSource};
use crate::gate::TradingState;
use crate::testing::SubmitFault;

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Close(usize),
    Fault(SubmitFault),
    FailQueries(u32),
    HideLookups(u32),
    FillPart(usize),
    FillAll,
    CancelElsewhere,
    Push(usize),
    Price(usize, i64),
    Pass(i64),
    Crash,
    Flatten,
    Resume,
}

const NAMES: [&str; 3] = ["AAPL", "MSFT", "BTC/USD"];

fn any_step() -> impl Strategy<Value = Step> {
    let asset = 0_usize..3;
    prop_oneof![
        4 => asset.clone().prop_map(Step::Open),
        4 => asset.clone().prop_map(Step::Close),
        2 => prop_oneof![
            Just(SubmitFault::LostBefore),
            Just(SubmitFault::LostAfter),
            Just(SubmitFault::StaysWorking),
            Just(SubmitFault::PartThenCanceled(dec("0.25"))),
        ].prop_map(Step::Fault),
        1 => (1_u32..20).prop_map(Step::FailQueries),
        1 => (1_u32..4).prop_map(Step::HideLookups),
        2 => (0_usize..6).prop_map(Step::FillPart),
        1 => Just(Step::FillAll),
        1 => Just(Step::CancelElsewhere),
        2 => (0_usize..8).prop_map(Step::Push),
        3 => (asset, 60_i64..140).prop_map(|(asset, price)| Step::Price(asset, price)),
        4 => (1_i64..90).prop_map(Step::Pass),
        2 => Just(Step::Crash),
        1 => Just(Step::Flatten),
        1 => Just(Step::Resume),
    ]
}

fn control(driver: &mut DeskDriver, state: TradingState, flatten: bool) {
    driver.give_only(DeskEvent::Control(Control {
        source: ControlSource::Bus,
        state,
        flatten,
        reason: "test".into(),
    }));
}

fn play(driver: &mut DeskDriver, step: &Step) {
    let decide = |driver: &mut DeskDriver, name: &str, purpose| {
        let decision = decision(driver, name, purpose, Direction::Long);
        driver.give_only(DeskEvent::Decided(Box::new(decision)));
    };
    match step {
        Step::Open(asset) => decide(driver, NAMES[*asset], Purpose::Open),
        Step::Close(asset) => decide(driver, NAMES[*asset], Purpose::Close),
        Step::Fault(fault) => driver.broker.script([fault.clone()]),
        Step::FailQueries(count) => driver.broker.fail_queries(*count),
        Step::HideLookups(count) => driver.broker.hide_lookups(*count),
        Step::FillPart(index) => {
            let working = driver.broker.orders();
            let order = working
                .iter()
                .filter(|o| !o.status.is_terminal())
                .nth(*index);
            if let Some(order) = order {
                driver.broker.fill_part(&order.client_order_id, dec("0.5"));
            }
        }
        Step::FillAll => driver.broker.fill_working(),
        Step::CancelElsewhere => driver.broker.change_orders(|orders| {
            for order in orders.iter_mut().filter(|o| !o.status.is_terminal()) {
                order.status = OrderStatus::Canceled;
            }
        }),
        Step::Push(index) => {
            if let Some(report) = driver.broker.orders().get(*index).cloned() {
                driver.give_only(DeskEvent::OrderUpdate(Box::new(report)));
            }
        }
        Step::Price(asset, price) => {
            let (asset, price) = (symbol(NAMES[*asset]), Decimal::from(*price));
            driver.broker.set_price(&asset, price);
            let at = driver.now;
            driver.give_only(DeskEvent::Price { asset, price, at });
        }
        Step::Pass(seconds) => driver.pass(*seconds),
        Step::Crash => {
            // What waited in the old process dies with it.
            let mut next = DeskDriver::with(
                settings(),
                driver.broker.clone(),
                driver.journal.clone(),
                driver.now,
            );
            let history = crate::journal::Journal::history(&next.journal).unwrap();
            next.give_only(DeskEvent::Started(history));
            *driver = next;
        }
        Step::Flatten => control(driver, TradingState::Reducing, true),
        Step::Resume => control(driver, TradingState::Active, false),
    }
}

fn check_always(driver: &DeskDriver) -> Result<(), TestCaseError> {
    let orders = driver.broker.orders();
    let ids: BTreeSet<&str> = orders.iter().map(|o| o.client_order_id.as_str()).collect();
    prop_assert_eq!(ids.len(), orders.len(), "an id twice");
    for id in &ids {
        let id = ClientOrderId::parse_ours(id).unwrap();
        let on_record = driver.journal.entries.iter().any(|entry| {
            matches!(entry, JournalEntry::Intent(intent) if intent.order.client_order_id == id)
        });
        prop_assert!(on_record, "{} was sent and is not on record", id);
    }
    for name in NAMES {
        let held = driver.broker.quantity(&symbol(name));
        prop_assert!(!held.is_sign_negative(), "{} turned around: {}", name, held);
    }
    let sums = driver.desk.books().lines().map(|(_, line)| line.notional());
    prop_assert_eq!(sums.sum::<Decimal>(), driver.desk.books().gross_notional());
    Ok(())
}

fn check_at_rest(driver: &DeskDriver, fee_bp: i64) -> Result<(), TestCaseError> {
    let orders = driver.broker.orders();
    for name in NAMES {
        let asset = symbol(name);
        let ours = driver.desk.books().quantity(&asset);
        prop_assert_eq!(ours, driver.broker.quantity(&asset), "{}", name);
        if fee_bp != 0 && asset.class() == rawe_core::AssetClass::Crypto {
            continue;
        }
        let fills: Decimal = orders
            .iter()
            .filter(|order| order.symbol == asset)
            .map(|order| match order.side {
                crate::broker::Side::Buy => order.filled_quantity,
                crate::broker::Side::Sell => -order.filled_quantity,
            })
            .sum();
        prop_assert_eq!(ours, fills, "exposure of {} is the sum of its fills", name);
    }
    let open: BTreeSet<ClientOrderId> = driver.desk.orders().map(|(id, _, _)| id.clone()).collect();
    let working = orders.iter().filter(|order| !order.status.is_terminal());
    let working: BTreeSet<ClientOrderId> = working
        .filter_map(|order| ClientOrderId::parse_ours(&order.client_order_id))
        .collect();
    prop_assert_eq!(
        open,
        working,
        "every intent ends, every open order is followed"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn exposure_is_the_sum_of_fills(
        steps in prop::collection::vec(any_step(), 1..40),
        fee_bp in prop::sample::select(vec![0_i64, 25, 40]),
    ) {
        let mut driver = ready_with(DeskSettings {
            new_positions_per_hour: 1_000,
            ..settings()
        });
        driver.broker.set_crypto_fee(Decimal::from(fee_bp));
        for step in &steps {
            play(&mut driver, step);
            check_always(&driver)?;
        }
        // The faults stop; what is under way ends.
        driver.broker.fail_queries(0);
        driver.broker.hide_lookups(0);
        driver.broker.forgive();
        driver.pass(30);
        driver.broker.fill_working_market();
        driver.pass(200);
        check_always(&driver)?;
        check_at_rest(&driver, fee_bp)?;
        // A start over all of it understands the same.
        let next = restarted(&driver);
        check_at_rest(&next, fee_bp)?;
    }
}

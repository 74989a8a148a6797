//! How working orders are asked about, and how the past of an account is read.

use super::*;
use crate::broker::OrderStatus;
use crate::testing::SubmitFault;

fn polls(driver: &DeskDriver) -> usize {
    let asked = driver.asked.iter();
    asked.filter(|q| matches!(q, Question::Order(_))).count()
}

fn past_asked(driver: &DeskDriver) -> usize {
    let asked = driver.asked.iter();
    asked
        .filter(|q| matches!(q, Question::ClosedOrders(_)))
        .count()
}

#[test]
fn however_many_orders_work_one_is_asked_about_at_a_time() {
    let mut settings = settings();
    settings.new_positions_per_hour = 100;
    let mut driver = ready_with(settings);
    let names: Vec<String> = (0..20)
        .map(|n| format!("X{}", char::from(b'A' + n)))
        .collect();
    for name in &names {
        driver.broker.list(&symbol(name), dec("100"));
        driver.broker.script([SubmitFault::StaysWorking]);
        open(&mut driver, name);
    }
    assert_eq!(driver.desk.orders().count(), 20);
    driver.clear();
    driver.pass(10);
    let asked = polls(&driver);
    assert!((15..=21).contains(&asked), "{asked} polls in ten seconds");
    // Nobody is forgotten meanwhile, and nothing is asked of what has ended.
    driver.pass(30);
    driver.broker.fill_working_market();
    driver.pass(60);
    assert_eq!(
        driver
            .desk
            .orders()
            .filter(|(_, p, _)| *p == Purpose::Open)
            .count(),
        0
    );
    driver.clear();
    driver.pass(30);
    assert_eq!(polls(&driver), 0);
}

#[test]
fn an_order_that_ends_by_a_push_is_not_asked_about() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    open(&mut driver, "AAPL");
    driver.clear();
    let mut report = driver.broker.orders().remove(0);
    report.status = OrderStatus::Canceled;
    driver.give(DeskEvent::OrderUpdate(Box::new(report)));
    driver.pass(30);
    assert_eq!(polls(&driver), 0);
}

#[test]
fn an_account_whose_whole_past_is_known_is_asked_for_no_asset() {
    let mut driver = ready();
    assert!(driver.asked.contains(&Question::PastOrders));
    open(&mut driver, "AAPL");
    close(&mut driver, "AAPL");
    driver.pass(700);
    // Another start without a journal: the ids go on where they ended.
    let ids = |driver: &DeskDriver| {
        let orders = driver.broker.orders();
        let ids = orders.into_iter().map(|order| order.client_order_id);
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let before = ids(&driver);
    let mut again = DeskDriver::with(
        settings(),
        driver.broker.clone(),
        crate::testing::MemoryJournal::default(),
        driver.now,
    );
    again.start();
    again.clear();
    open(&mut again, "AAPL");
    open(&mut again, "MSFT");
    assert_eq!(refusals(&again), []);
    assert_eq!(past_asked(&again), 0);
    assert_eq!(ids(&again).len(), before.len() + 2, "no id was used twice");
}

/// 500 orders are all that one answer holds: what is older is not known.
#[test]
fn a_past_that_is_cut_off_is_asked_for_asset_by_asset() {
    let mut driver = DeskDriver::new(settings(), at(0));
    driver.broker.list(&symbol("AAPL"), dec("100"));
    driver.broker.set_time(at(0));
    driver.broker.change_orders(|orders| {
        let mut order = crate::tests::report("manual-1", OrderStatus::Filled, "1");
        order.symbol = symbol("MSFT");
        for number in 0..500 {
            order.client_order_id = format!("manual-{number}");
            orders.push(order.clone());
        }
    });
    driver.start();
    driver.clear();
    open(&mut driver, "AAPL");
    assert_eq!(past_asked(&driver), 1);
    assert_eq!(refusals(&driver), []);
}

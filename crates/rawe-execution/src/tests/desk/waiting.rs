//! Orders that the broker has and does not fill at once, or not whole.

use super::*;
use crate::testing::SubmitFault;

fn paced() -> DeskDriver {
    let mut driver = ready();
    driver.paced = true;
    driver.give(DeskEvent::Paced(true));
    driver
}

/// Another instant of the replay.
fn instant(driver: &mut DeskDriver) {
    driver.now += TimeDelta::hours(1);
    driver.broker.set_time(driver.now);
    driver.give(DeskEvent::Tick);
}

fn told<'a>(driver: &'a DeskDriver, event: &str) -> Vec<&'a str> {
    let notices = driver.notices.iter().filter(|notice| notice.event == event);
    notices.map(|notice| notice.message.as_str()).collect()
}

fn looks(driver: &DeskDriver) -> usize {
    let asked = driver.asked.iter();
    asked.filter(|q| matches!(q, Question::Order(_))).count()
}

#[test]
fn a_replay_looks_once_at_what_waits_and_again_at_each_instant() {
    let mut driver = paced();
    driver.broker.script([SubmitFault::StaysWorking]);
    driver.clear();
    open(&mut driver, "AAPL");
    assert!(driver.desk.is_settled(), "market time may move on");
    assert_eq!(looks(&driver), 1);
    assert_eq!(told(&driver, "order_delayed").len(), 1);
    for _ in 0..3 {
        driver.clear();
        instant(&mut driver);
        assert!(driver.desk.is_settled());
        assert_eq!(looks(&driver), 1);
        assert!(told(&driver, "order_delayed").is_empty(), "told once");
    }
    driver.broker.fill_working();
    instant(&mut driver);
    assert_eq!(driver.desk.orders().count(), 0);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
}

#[test]
fn what_waits_is_looked_at_before_anything_else_is_decided() {
    let mut driver = paced();
    driver.broker.script([SubmitFault::StaysWorking]);
    open(&mut driver, "AAPL");
    driver.broker.fill_working();
    driver.now += TimeDelta::hours(1);
    driver.broker.set_time(driver.now);
    driver.clear();
    open(&mut driver, "MSFT");
    let order = driver.log.iter().filter_map(|effect| match effect {
        DeskEffect::Submit(order) => Some(format!("sent {}", order.symbol)),
        DeskEffect::Tell(OrderNews::Ended { asset, .. }) => Some(format!("ended {asset}")),
        _ => None,
    });
    assert_eq!(
        order.collect::<Vec<_>>(),
        ["ended AAPL", "sent MSFT", "ended MSFT"]
    );
}

#[test]
fn the_first_part_is_told_and_the_whole_is_held_at_the_end() {
    let mut driver = paced();
    driver.broker.script([SubmitFault::StaysWorking]);
    open(&mut driver, "AAPL");
    let id = driver.broker.orders()[0].client_order_id.clone();
    driver.clear();
    for (part, parts_told, opened) in [("0.3", 1, 0), ("0.4", 1, 0), ("1", 1, 1)] {
        driver.broker.fill_part(&id, dec(part));
        instant(&mut driver);
        assert!(driver.desk.is_settled());
        assert_eq!(told(&driver, "order_partly_filled").len(), parts_told);
        assert_eq!(told(&driver, "position_opened").len(), opened, "{part}");
    }
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
}

#[test]
fn live_an_order_is_told_to_wait_only_after_a_while() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    driver.clear();
    open(&mut driver, "AAPL");
    driver.pass(2);
    assert!(told(&driver, "order_delayed").is_empty());
    driver.pass(60);
    assert_eq!(told(&driver, "order_delayed").len(), 1);
}

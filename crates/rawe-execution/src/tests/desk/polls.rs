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

//! News and answers that come when nobody asked: before the answer to a POST, during it, after the
//! end.

use super::submission::submission;
use super::{at, dec};
use crate::broker::{OrderStatus, Side, SubmitOutcome};
use crate::submission::{Action, End, Event, Phase};

/// News may come before the answer to the POST, and after the end.
#[test]
fn pushed_news_is_taken_in_any_phase() {
    let sent = || {
        let mut submission = submission();
        submission.begin();
        submission.apply(Event::Recorded, at(1));
        submission
    };
    let id = sent().intent().order.client_order_id.to_string();
    let mut filled = super::report(&id, OrderStatus::Filled, "10");
    (filled.quantity, filled.notional) = (None, Some(dec("1000")));
    let mut early = sent();
    let actions = early.apply(Event::Pushed(Box::new(filled.clone())), at(1));
    assert_eq!(actions.last(), Some(&Action::Finish));
    let late = early.apply(Event::Sent(SubmitOutcome::Unknown("lost".into())), at(1));
    assert_eq!(late, [Action::Finish], "an end stays an end");
    let mut lost = sent();
    lost.apply(Event::Sent(SubmitOutcome::Unknown("lost".into())), at(1));
    lost.apply(Event::Pushed(Box::new(filled.clone())), at(1));
    assert!(matches!(lost.end(), Some(End::Terminal(_))));
    let mut other = sent();
    other.apply(Event::Sent(SubmitOutcome::Unknown("lost".into())), at(1));
    filled.side = Side::Sell;
    assert!(
        other
            .apply(Event::Pushed(Box::new(filled)), at(1))
            .is_empty()
    );
    assert_eq!(other.phase(), Phase::Unknown);
}

#[test]
fn not_to_be_found_while_a_post_is_under_way_says_nothing() {
    let mut sending = submission();
    sending.begin();
    sending.apply(Event::Recorded, at(1));
    for answer in [
        Ok(None),
        Err(crate::broker::BrokerError::Unavailable("x".into())),
    ] {
        for _ in 0..20 {
            let actions = sending.apply(Event::LookedUp(answer.clone()), at(1));
            assert!(actions.is_empty(), "{actions:?}");
        }
    }
    assert_eq!(sending.phase(), Phase::Sending);
    let id = sending.intent().order.client_order_id.to_string();
    let mut working = super::report(&id, OrderStatus::Working, "0");
    (working.quantity, working.notional) = (None, Some(dec("1000")));
    sending.apply(Event::LookedUp(Ok(Some(working))), at(1));
    assert_eq!(sending.phase(), Phase::Working);
}

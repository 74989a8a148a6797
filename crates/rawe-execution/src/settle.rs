//! The loop that performs a submission's actions against a broker and a journal.
//!
//! It is the only asynchronous code here, and it knows neither Alpaca nor tokio: sleeping and the
//! time are passed in. Dropping the future is like kill -9: the journal's intent is resolved later.

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use rawe_core::Timestamp;

use crate::broker::Broker;
use crate::journal::{Journal, JournalError};
use crate::submission::{Action, Event, Phase, Submission};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it is known whether the broker has the order.
    Known,
    /// Until the order is terminal.
    Ended,
}

/// The journal failed after the order was sent. Halt; the order itself goes on at the broker.
#[derive(Debug, thiserror::Error)]
#[error("order {client_order_id} is {phase:?} and cannot be put on record: {source}")]
pub struct SettleError {
    /// The order.
    pub client_order_id: String,
    /// Where it stood.
    pub phase: Phase,
    /// What the journal said.
    pub source: JournalError,
}

/// Performs the submission's actions until it is known or ended, and gives it back.
///
/// `now` is market time, `sleep` waits in monotonic time. A submission that is only known may be
/// settled further by calling this again.
///
/// # Errors
/// When the journal fails after the intent was recorded. A failure to record the intent is the
/// end [`crate::End::NotRecorded`], not an error: nothing was sent.
pub async fn settle<Now, Sleep, Sleeping>(
    mut submission: Submission,
    until: Until,
    broker: &dyn Broker,
    journal: &Mutex<dyn Journal>,
    now: Now,
    sleep: Sleep,
) -> Result<Submission, SettleError>
where
    Now: Fn() -> Timestamp,
    Sleep: Fn(Duration) -> Sleeping,
    Sleeping: Future<Output = ()>,
{
    let order = submission.intent().order.clone();
    let mut actions = submission.begin();
    loop {
        let mut event = None;
        for action in std::mem::take(&mut actions) {
            match action {
                Action::RecordIntent => {
                    let intent = submission.intent();
                    event = Some(
                        match with(journal, |journal| journal.record_intent(intent)) {
                            Ok(()) => Event::Recorded,
                            Err(error) => Event::NotRecorded(error.to_string()),
                        },
                    );
                }
                Action::Send => event = Some(Event::Sent(broker.submit(&order).await)),
                Action::LookUp { after } => {
                    if until == Until::Known && submission.phase() == Phase::Working {
                        return Ok(submission);
                    }
                    if !after.is_zero() {
                        sleep(after).await;
                    }
                    let answer = broker.order_by_client_id(&order.client_order_id).await;
                    event = Some(Event::LookedUp(answer));
                }
                Action::RecordReport(report) => {
                    with(journal, |journal| journal.record_report(now(), &report))
                        .map_err(|source| failed(&submission, source))?;
                }
                Action::Resolve(resolution) => {
                    let id = &order.client_order_id;
                    with(journal, |journal| journal.resolve(id, now(), &resolution))
                        .map_err(|source| failed(&submission, source))?;
                }
                Action::Finish => return Ok(submission),
            }
        }
        let Some(event) = event else {
            return Ok(submission);
        };
        actions = submission.apply(event, now());
    }
}

/// Resolves every intent of the journal that has no end: at start, before anything is sent.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn resolve_unresolved<Now, Sleep, Sleeping>(
    broker: &dyn Broker,
    journal: &Mutex<dyn Journal>,
    now: Now,
    sleep: Sleep,
) -> Result<Vec<Submission>, SettleError>
where
    Now: Fn() -> Timestamp,
    Sleep: Fn(Duration) -> Sleeping,
    Sleeping: Future<Output = ()>,
{
    let intents = with(journal, |journal| journal.unresolved()).map_err(|source| SettleError {
        client_order_id: "(none)".to_owned(),
        phase: Phase::Recording,
        source,
    })?;
    let mut resolved = Vec::new();
    for intent in intents {
        let submission = Submission::resume(intent);
        resolved.push(settle(submission, Until::Known, broker, journal, &now, &sleep).await?);
    }
    Ok(resolved)
}

fn failed(submission: &Submission, source: JournalError) -> SettleError {
    SettleError {
        client_order_id: submission.intent().order.client_order_id.to_string(),
        phase: submission.phase(),
        source,
    }
}

/// The lock is held for one call only, never over an await.
fn with<T>(
    journal: &Mutex<dyn Journal>,
    call: impl FnOnce(&mut dyn Journal) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let mut journal = journal.lock().map_err(|_| JournalError {
        doing: "taking the journal's lock".to_owned(),
        reason: "another task failed while writing".to_owned(),
    })?;
    call(&mut *journal)
}

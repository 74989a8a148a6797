//! Patience with others: what is asked again, how long is waited, and what is said meanwhile.

use std::fmt::Display;
use std::time::Duration;

use rawe_bus::BusError;
use rawe_execution::broker::BrokerError;
use tokio::time::{Instant, sleep};

use crate::admin::AdminError;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// How often a lasting failure is told.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// An error that knows whether asking again can help.
pub(crate) trait Passing: Display {
    fn is_passing(&self) -> bool;
}

impl Passing for BusError {
    fn is_passing(&self) -> bool {
        self.is_retryable()
    }
}

impl Passing for AdminError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl Passing for BrokerError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Says what fails and what works again, without saying it each time.
#[derive(Debug)]
pub(crate) struct Teller {
    source: String,
    told: Option<Instant>,
}

impl Teller {
    /// For trouble with `source`, as it is named in the log.
    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            told: None,
        }
    }

    /// Says what failed, unless it has just been said.
    pub(crate) fn failed(&mut self, error: &(impl Display + ?Sized)) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(
                event = "source_failed",
                source = self.source,
                error = %error,
                "{} does not answer, trying again",
                self.source
            );
        }
    }

    /// Says that it works again, if it was said that it does not.
    pub(crate) fn worked(&mut self) {
        if self.told.take().is_some() {
            let source = &self.source;
            tracing::info!(event = "source_recovered", source, "{source} answers again");
        }
    }
}

/// Waits that grow, and words that do not.
#[derive(Debug)]
pub(crate) struct Backoff {
    teller: Teller,
    wait: Duration,
}

impl Backoff {
    /// For trouble with `source`, as it is named in the log.
    pub(crate) fn new(source: &str) -> Self {
        Self {
            teller: Teller::new(source),
            wait: FIRST_WAIT,
        }
    }

    /// Says what failed, unless it has just been said, and waits.
    pub(crate) async fn failed(&mut self, error: &(impl Display + ?Sized)) {
        self.teller.failed(error);
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LAST_WAIT);
    }

    /// Says that it works again, if it was said that it does not.
    pub(crate) fn worked(&mut self) {
        self.teller.worked();
        self.wait = FIRST_WAIT;
    }

    /// The outcome of a question, if it is final; otherwise tells, waits, and the question is to
    /// be asked again.
    pub(crate) async fn settled<T, E: Passing>(
        &mut self,
        outcome: Result<T, E>,
    ) -> Option<Result<T, E>> {
        match outcome {
            Err(error) if error.is_passing() => {
                self.failed(&error).await;
                None
            }
            outcome => {
                if outcome.is_ok() {
                    self.worked();
                }
                Some(outcome)
            }
        }
    }
}

/// Asks `$source` (its name in the log) with the expression `$ask` until there is an answer, or an
/// error that asking again cannot cure. A macro, because futures of asynchronous closures that
/// borrow cannot be sent between threads yet.
macro_rules! until_answered {
    ($source:expr, $ask:expr) => {{
        let mut backoff = $crate::retry::Backoff::new($source);
        loop {
            if let Some(outcome) = backoff.settled($ask).await {
                break outcome;
            }
        }
    }};
}
pub(crate) use until_answered;

//! The state of a stream, and of a matter that the API is asked about again and again.

use chrono::TimeDelta;
use rawe_core::Timestamp;

/// The first wait after a question failed; each further one is twice as long.
const RETRY_FIRST: TimeDelta = TimeDelta::milliseconds(250);
/// The longest wait after failures.
const RETRY_LAST: TimeDelta = TimeDelta::seconds(10);

/// A stream's state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Since when it has been up.
    pub(super) up: Option<Timestamp>,
    /// When it last told something.
    pub(super) heard: Option<Timestamp>,
    /// The newest minute told, by its start.
    pub(super) newest_minute: Option<Timestamp>,
    /// Where the newest gap in its minutes ends.
    pub(super) gap_through: Option<Timestamp>,
    /// The newest minute told, also before the stream was opened again.
    pub(super) told: Option<Timestamp>,
    /// How long it may say nothing before it counts as mute.
    pub(super) mute_after: TimeDelta,
}

/// A matter that the API is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inquiry {
    /// Everything until then has been answered.
    pub(super) answered: Timestamp,
    /// When to ask again.
    pub(super) next: Timestamp,
    /// Whether a question is open.
    pub(super) open: bool,
    /// Whether something happened since the open question was asked that needs another one.
    again: bool,
    retry: TimeDelta,
}

impl Inquiry {
    pub(super) fn new(answered: Timestamp) -> Self {
        Self {
            answered,
            next: answered,
            open: false,
            again: false,
            retry: RETRY_FIRST,
        }
    }

    /// Asks as soon as possible.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        self.again = self.open;
        self.next = now;
    }

    /// Whether it is time to ask; then a question is open.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = !self.open && self.next <= now;
        self.open |= due;
        due
    }

    pub(super) fn failed(&mut self, now: Timestamp) {
        (self.open, self.again) = (false, false);
        self.next = now + self.retry;
        self.retry = (self.retry * 2).min(RETRY_LAST);
    }

    /// Everything through an instant is answered; ask again at `next`.
    pub(super) fn succeeded(&mut self, through: Timestamp, now: Timestamp, next: Timestamp) {
        self.answered = self.answered.max(through);
        self.next = if self.again { now } else { next };
        (self.open, self.again, self.retry) = (false, false, RETRY_FIRST);
    }
}

//! The engine's ears: the ends of the channels over which everything reaches it. Who speaks into them
//! is in `readers`, `asking` and `stewardship`.

use rawe_bus::BusEvent;
use rawe_execution::desk::DeskEvent;
use tokio::sync::mpsc;

use crate::readers::Heard;
use crate::stewardship::LeaseNews;

/// What the engine listens to.
pub(crate) struct Ears {
    pub(crate) signals: mpsc::Receiver<BusEvent>,
    pub(crate) heard: mpsc::Receiver<Heard>,
    pub(crate) answers: mpsc::Receiver<DeskEvent>,
    pub(crate) lease: mpsc::Receiver<LeaseNews>,
}

impl Ears {
    /// Whether nothing waits that may become an order.
    pub(crate) fn are_quiet(&self) -> bool {
        self.signals.is_empty() && self.answers.is_empty()
    }
}

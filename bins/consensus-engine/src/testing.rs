//! Pieces for this crate's tests.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rawe_core::Symbol;
use rawe_execution::testing::{MemoryJournal, ScriptedBroker};
use rawe_execution::{Gate, RiskLimits};

use crate::desk::Desk;
use crate::halts::Halts;
use crate::market_time::MarketTime;

/// A symbol.
pub(crate) fn asset(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// A desk with an empty journal, ready to trade, of deployment `test`.
pub(crate) fn desk_with(broker: Arc<ScriptedBroker>) -> Desk {
    let halts = Arc::new(Halts::new(Path::new("/nonexistent/journal.sqlite")));
    halts.ready();
    Desk::new(
        broker,
        Arc::new(Mutex::new(MemoryJournal::default())),
        Arc::new(MarketTime::default()),
        halts,
        Gate::new(RiskLimits::default(), 3),
        "test",
    )
}

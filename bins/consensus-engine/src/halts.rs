//! Whether orders may be sent: the operator's word, the `HALT` file, and what broke.
//!
//! The strictest of all rules. The file is looked at before every order, so that a halt works
//! with the bus down; when it cannot be looked at, that is a halt too.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rawe_core::control::{ControlCommand, ControlMessage};
use rawe_execution::TradingState;

/// Name of the file, next to the journal, whose being there halts all trading.
const HALT_FILE: &str = "HALT";

#[derive(Debug, Default)]
struct Reasons {
    /// Startup or the end of a replay.
    not_ready: Option<String>,
    /// What the operator last said over the bus.
    operator: TradingState,
    operator_reason: String,
    /// What broke; only a restart mends it.
    broken: Option<String>,
}

/// Who and what stands against trading.
#[derive(Debug)]
pub(crate) struct Halts {
    file: PathBuf,
    reasons: Mutex<Reasons>,
}

impl Halts {
    /// Halted until [`Halts::ready`]. The file is looked for next to the journal.
    pub(crate) fn new(journal: &Path) -> Self {
        let folder = journal.parent().unwrap_or_else(|| Path::new(""));
        let reasons = Reasons {
            not_ready: Some("starting".to_owned()),
            operator: TradingState::Active,
            ..Reasons::default()
        };
        Self {
            file: folder.join(HALT_FILE),
            reasons: Mutex::new(reasons),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Reasons)) {
        change(&mut self.reasons.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Start-up is complete.
    pub(crate) fn ready(&self) {
        self.change(|reasons| reasons.not_ready = None);
    }

    /// Not to trade until [`Halts::ready`].
    pub(crate) fn not_ready(&self, why: &str) {
        self.change(|reasons| reasons.not_ready = Some(why.to_owned()));
    }

    /// What the operator says.
    pub(crate) fn command(&self, message: &ControlMessage) {
        self.change(|reasons| {
            reasons.operator = match message.command {
                ControlCommand::Halt => TradingState::Halted,
                ControlCommand::Resume => TradingState::Active,
                ControlCommand::Reduce | ControlCommand::Flatten => TradingState::Reducing,
            };
            reasons.operator_reason.clone_from(&message.reason);
        });
    }

    /// Something trading depends on broke.
    pub(crate) fn broke(&self, what: &str) {
        self.change(|reasons| {
            if reasons.broken.is_none() {
                tracing::error!(
                    event = "trading_halted",
                    "{what}; no order is sent any more"
                );
                reasons.broken = Some(what.to_owned());
            }
        });
    }

    /// What may be sent now, and why not more.
    pub(crate) fn state(&self) -> (TradingState, String) {
        let file_says = match self.file.try_exists() {
            Ok(false) => None,
            Ok(true) => Some(format!("the file {} is there", self.file.display())),
            Err(error) => Some(format!(
                "the file {} cannot be checked: {error}",
                self.file.display()
            )),
        };
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = [&reasons.not_ready, &reasons.broken, &file_says]
            .into_iter()
            .flatten()
            .next();
        match stop {
            Some(reason) => (TradingState::Halted, reason.clone()),
            None => (reasons.operator, reasons.operator_reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_runtime::wall_now;

    fn message(command: ControlCommand) -> ControlMessage {
        ControlMessage::new(command, wall_now(), "test")
    }

    #[test]
    fn the_strictest_word_rules() {
        let folder = tempfile::tempdir().unwrap();
        let halts = Halts::new(&folder.path().join("journal.sqlite"));
        let state = || halts.state().0;
        assert_eq!(state(), TradingState::Halted, "starting");
        halts.ready();
        assert_eq!(state(), TradingState::Active);
        halts.command(&message(ControlCommand::Reduce));
        assert_eq!(state(), TradingState::Reducing);
        halts.command(&message(ControlCommand::Halt));
        assert_eq!(halts.state(), (TradingState::Halted, "test".to_owned()));
        halts.command(&message(ControlCommand::Resume));
        let file = folder.path().join(HALT_FILE);
        std::fs::write(&file, "").unwrap();
        assert_eq!(state(), TradingState::Halted, "by the file");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(state(), TradingState::Active);
        halts.broke("the journal failed");
        halts.command(&message(ControlCommand::Resume));
        assert_eq!(state(), TradingState::Halted, "what is broken stays so");
    }
}

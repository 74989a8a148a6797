//! The `HALT` file beside the journal: while it is there nothing is traded, whatever works or does
//! not. When it cannot be looked for, that is a halt too.

use std::path::{Path, PathBuf};

use rawe_execution::TradingState;
use rawe_execution::desk::{Control, ControlSource};

/// Name of the file.
pub const HALT_FILE: &str = "HALT";

/// The file, and what it said when last looked at.
#[derive(Debug)]
pub(crate) struct HaltFile {
    path: PathBuf,
    said: Option<Control>,
}

impl HaltFile {
    /// Looks beside this journal.
    pub(crate) fn beside(journal: &Path) -> Self {
        let folder = journal.parent().unwrap_or_else(|| Path::new(""));
        Self {
            path: folder.join(HALT_FILE),
            said: None,
        }
    }

    /// What the file says now, if that is news.
    pub(crate) fn look(&mut self) -> Option<Control> {
        let halted = match self.path.try_exists() {
            Ok(false) => None,
            Ok(true) => Some(self.reason()),
            Err(error) => Some(format!(
                "the file {} cannot be looked for: {error}",
                self.path.display()
            )),
        };
        let control = Control {
            source: ControlSource::File,
            state: if halted.is_some() {
                TradingState::Halted
            } else {
                TradingState::Active
            },
            flatten: false,
            reason: halted.unwrap_or_else(|| "there is no HALT file".to_owned()),
        };
        let state_said = self.said.as_ref().map(|said| said.state);
        if state_said == Some(control.state) {
            return None;
        }
        // At the start its absence is told too: a halt by a file that is gone is over.
        self.said = Some(control.clone());
        Some(control)
    }

    /// Whether the file halted trading when last looked at.
    pub(crate) fn halts(&self) -> bool {
        self.said
            .as_ref()
            .is_some_and(|said| said.state == TradingState::Halted)
    }

    fn reason(&self) -> String {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let why = text.lines().next().unwrap_or_default().trim();
        let path = self.path.display();
        if why.is_empty() {
            format!("the file {path} is there")
        } else {
            format!("the file {path} is there: {why}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_being_there_halts_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = HaltFile::beside(&folder.path().join("journal.sqlite"));
        let state = |file: &mut HaltFile| file.look().map(|control| control.state);
        assert_eq!(state(&mut file), Some(TradingState::Active));
        assert_eq!(state(&mut file), None);
        let path = folder.path().join(HALT_FILE);
        std::fs::write(&path, "drill by Ada\n").unwrap();
        let control = file.look().unwrap();
        assert_eq!(control.state, TradingState::Halted);
        assert!(
            control.reason.ends_with("drill by Ada"),
            "{}",
            control.reason
        );
        assert!(file.halts());
        assert_eq!(state(&mut file), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(state(&mut file), Some(TradingState::Active));
    }

    #[test]
    fn a_folder_that_cannot_be_looked_into_halts() {
        let folder = tempfile::tempdir().unwrap();
        let no_folder = folder.path().join("file");
        std::fs::write(&no_folder, "").unwrap();
        let mut file = HaltFile::beside(&no_folder.join("journal.sqlite"));
        assert_eq!(file.look().unwrap().state, TradingState::Halted);
    }
}

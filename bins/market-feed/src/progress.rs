//! How far the warm-up is: a bar on a terminal, lines in a log, and the heartbeat in both cases.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use rawe_core::{ProcessState, Timestamp};
use rawe_runtime::Heart;

/// A log line is written for each of so many parts of the way.
const LINES: u64 = 5;

/// The way through the days of a warm-up.
#[derive(Debug)]
pub(crate) struct WarmUpProgress {
    heart: Heart,
    bar: Option<ProgressBar>,
    days: u64,
    told: u64,
}

impl WarmUpProgress {
    pub(crate) fn new(heart: Heart, days: u64) -> Self {
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} d ({eta})");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(days).with_message("filling in history");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        heart.set_state(ProcessState::Warming, format!("WARMING 0/{days} d"));
        Self {
            heart,
            bar,
            days,
            told: 0,
        }
    }

    /// So many days are filled, up to market time `through`.
    pub(crate) fn reached(&mut self, days: u64, through: Timestamp) {
        self.heart.set_state(
            ProcessState::Warming,
            format!("WARMING {days}/{} d", self.days),
        );
        self.heart.progress("history_filled", Some(through));
        if let Some(bar) = &self.bar {
            bar.set_position(days);
            return;
        }
        let part = days * LINES / self.days.max(1);
        if part > self.told && days < self.days {
            self.told = part;
            tracing::info!(
                event = "history_filled",
                days,
                of_days = self.days,
                through = %through,
                "filled in {days} of {} days of history",
                self.days
            );
        }
    }

    /// All days are filled.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

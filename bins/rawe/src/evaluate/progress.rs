//! A progress bar on standard error, where somebody sees it or asked for it.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// When progress is shown.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ProgressArgs {
    /// Show progress even when standard error is no terminal
    #[arg(long)]
    progress: bool,
}

/// One bar.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for so many steps.
    pub(crate) fn new(args: &ProgressArgs, what: &str, steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        if !args.progress && !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) =
            ProgressStyle::with_template("{msg:28} {bar:30} {percent:>3} %  {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// One step more.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// So many steps in all.
    pub(crate) fn reach(&self, steps: u64) {
        self.bar.set_position(steps);
    }

    /// Takes the bar away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

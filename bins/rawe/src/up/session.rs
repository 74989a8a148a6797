//! One run of `rawe up` as it goes: what the children and the bus say comes in, the story goes out,
//! counts are kept, and the end is noticed. Starting and stopping processes is not done here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rawe_core::{ClockMode, Heartbeat, ProcessState, Timestamp};
use rawe_runtime::LogFormat;
use rust_decimal::Decimal;
use serde_json::json;

use crate::log_line::LogLine;
use crate::run_folder::{ProcessEntry, RunFolder, RunState};
use crate::status::EMBEDDED_STATUS_FILE;
use crate::up::printer::{Printer, Told, Tone};
use crate::up::story::Story;
use crate::up::summary::EndReason;
use crate::up::supervisor::ChildEvent;
use crate::up::tally::Tally;
use crate::up::tap::{TAPPED, TapEvent};

/// How often the progress of the warm-up is told.
const WARMING_EVERY: Duration = Duration::from_secs(2);
/// How long after the end of a replay the engine's last word is waited for.
const LAST_WORD_PATIENCE: Duration = Duration::from_secs(10);
/// The counter of the consensus engine's heartbeat by which `--until-orders` is judged.
pub(crate) const ORDERS_COUNTER: &str = "orders_accepted";
/// The engine's event that says the same.
const ORDER_EVENT: &str = "order_accepted";
/// The process whose word about orders counts.
const ENGINE: &str = "consensus-engine";
/// The process whose end is the end of a replay.
const FEED: &str = "market-feed";

/// What ends a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Orders after which it is enough.
    pub(crate) until_orders: Option<u64>,
    /// Wall time after which it is enough.
    pub(crate) deadline: Option<Duration>,
    /// Votes needed; with fewer voters alive the collective cannot trade.
    pub(crate) quorum: usize,
}

/// How a run came to its end.
#[derive(Debug)]
pub(crate) enum Finish {
    /// As it should, or as asked.
    Well(EndReason),
    /// A configuration cannot be used.
    BadConfiguration {
        /// Whose.
        process: String,
        /// What it said about it.
        problems: Vec<String>,
    },
}

/// The run, so far.
pub(crate) struct Session {
    started: Instant,
    limits: Limits,
    printer: Printer,
    format: LogFormat,
    story: Story,
    folder: RunFolder,
    state: RunState,
    voters: BTreeSet<String>,
    /// Counts from closed rounds.
    pub(crate) tally: Tally,
    /// Accepted signals.
    pub(crate) signals: u64,
    /// Children started again.
    pub(crate) restarts: u64,
    /// Children given up.
    pub(crate) failed: Vec<String>,
    /// When the first order was seen to be accepted, in seconds since the start.
    pub(crate) first_order_secs: Option<f64>,
    /// What the agents last said about each class of assets.
    pub(crate) classes: BTreeMap<String, String>,
    /// The account's equity at the start, where the broker does not remember it.
    pub(crate) start_equity: Option<Decimal>,
    /// First and last instant of market time played.
    pub(crate) market: Option<(Timestamp, Timestamp)>,
    orders_by_boot: BTreeMap<String, u64>,
    /// The same from the engine's log, which is there at once; lines of a log may be lost.
    orders_logged: u64,
    beats: BTreeMap<String, Heartbeat>,
    warming_told: Option<(Instant, String)>,
    replay_ended: Option<Instant>,
    feed_left: bool,
    finish: Option<Finish>,
}

impl Session {
    /// A run that begins now.
    pub(crate) fn new(
        limits: Limits,
        voters: BTreeSet<String>,
        printer: Printer,
        format: LogFormat,
        folder: RunFolder,
        state: RunState,
    ) -> Self {
        Self {
            started: Instant::now(),
            limits,
            printer,
            format,
            story: Story::default(),
            folder,
            state,
            voters,
            tally: Tally::default(),
            signals: 0,
            restarts: 0,
            failed: Vec::new(),
            first_order_secs: None,
            classes: BTreeMap::new(),
            start_equity: None,
            market: None,
            orders_by_boot: BTreeMap::new(),
            orders_logged: 0,
            beats: BTreeMap::new(),
            warming_told: None,
            replay_ended: None,
            feed_left: false,
            finish: None,
        }
    }

    /// Seconds since the start.
    pub(crate) fn elapsed_secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Orders accepted so far, over all starts of the engine.
    pub(crate) fn orders(&self) -> u64 {
        let counted: u64 = self.orders_by_boot.values().sum();
        counted.max(self.orders_logged)
    }

    /// `redis` or `embedded`.
    pub(crate) fn bus_kind(&self) -> &str {
        &self.state.bus
    }

    /// Something of `rawe up` itself to tell.
    pub(crate) fn say(&self, tone: Tone, event: &str, text: &str) {
        match self.format {
            LogFormat::Pretty => self.printer.tell(&Told::by_rawe(tone, text)),
            LogFormat::Json => {
                let level = match tone {
                    Tone::Warn => "warn",
                    Tone::Error => "error",
                    _ => "info",
                };
                let line = json!({
                    "timestamp": rawe_runtime::wall_now()
                        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                    "level": level,
                    "event": event,
                    "process": "rawe",
                    "pid": std::process::id(),
                    "message": text,
                });
                Printer::line(&line.to_string());
            }
        }
    }

    /// Something happened to a child.
    pub(crate) fn child(&mut self, event: ChildEvent) {
        match event {
            ChildEvent::Line(line) => self.line(&line),
            ChildEvent::Started { name, pid } => {
                self.note(&name, Some(pid), "running");
            }
            ChildEvent::Died { name, how, pause } => {
                self.restarts += 1;
                self.note(&name, None, "restarting");
                let text = format!(
                    "{name} died ({how}); starting it again in {:.2} s",
                    pause.as_secs_f64()
                );
                self.say(Tone::Warn, "process_restarted", &text);
            }
            ChildEvent::Failed { name, how, tail } => self.gave_up(&name, &how, &tail),
            ChildEvent::Ended { name } => {
                self.note(&name, None, "ended");
                self.feed_left |= name == FEED;
            }
            ChildEvent::BadConfiguration { name, tail } => {
                self.finish = Some(Finish::BadConfiguration {
                    process: name,
                    problems: tail,
                });
            }
        }
    }

    fn note_first_order(&mut self) {
        if self.orders() > 0 && self.first_order_secs.is_none() {
            self.first_order_secs = Some(self.elapsed_secs());
        }
    }

    fn line(&mut self, line: &LogLine) {
        if line.event == ORDER_EVENT {
            self.orders_logged += 1;
            self.note_first_order();
        }
        if matches!(line.event.as_str(), "class_opened" | "class_closed") {
            self.classes
                .insert(line.text("class"), line.message.clone());
        }
        if line.event == TAPPED {
            // Of the embedded process: what the tap would have read from Redis.
            if let Ok(event) = serde_json::from_str(&line.text("payload")) {
                self.tapped(event);
            }
        } else if self.format == LogFormat::Json {
            Printer::line(&line.to_json());
        } else if let Some(told) = self.story.wrote(line, Instant::now()) {
            self.printer.tell(&told);
        }
    }

    fn note(&mut self, name: &str, pid: Option<u32>, state: &str) {
        let known = self
            .state
            .processes
            .iter_mut()
            .find(|entry| entry.name == name);
        match known {
            Some(entry) => {
                entry.restarts += u32::from(state == "running");
                entry.pid = pid;
                state.clone_into(&mut entry.state);
            }
            None => self.state.processes.push(ProcessEntry {
                name: name.to_owned(),
                pid,
                state: state.to_owned(),
                restarts: 0,
            }),
        }
        if let Err(error) = self.folder.write_state(&self.state) {
            self.say(Tone::Warn, "state_unwritten", &format!("{error:#}"));
        }
    }

    fn gave_up(&mut self, name: &str, how: &str, tail: &[String]) {
        self.failed.push(name.to_owned());
        self.note(name, None, "FAILED");
        let text =
            format!("{name} FAILED: it died five times within a minute ({how}); its last words:");
        self.say(Tone::Error, "process_failed", &text);
        for line in tail.iter().rev().take(5).rev() {
            self.say(Tone::Error, "process_failed", &format!("  {line}"));
        }
        let voters_left = self
            .voters
            .iter()
            .filter(|v| !self.failed.contains(v))
            .count();
        if voters_left < self.limits.quorum {
            let text = format!(
                "NO TRADING: {voters_left} of {} agents are left and {} votes are needed",
                self.voters.len(),
                self.limits.quorum
            );
            self.say(Tone::Error, "trading_impossible", &text);
        }
    }

    /// Something was read from the bus.
    pub(crate) fn tapped(&mut self, event: TapEvent) {
        let told = match event {
            TapEvent::Round(record) => {
                self.tally.count(&record);
                if let Some(told) = self.story.closed(&record) {
                    self.tell(&told);
                    for told in self.story.held_about(&record.asset) {
                        self.tell(&told);
                    }
                }
                None
            }
            TapEvent::Signal(signal) => {
                self.signals += 1;
                self.story.proposed(&signal, Instant::now())
            }
            TapEvent::Clock(instant) => {
                self.story.at(instant.instant);
                match instant.mode {
                    ClockMode::WarmedUp => {}
                    ClockMode::Paced | ClockMode::Ended => {
                        let first = self.market.map_or(instant.instant, |(first, _)| first);
                        self.market = Some((first, instant.instant));
                    }
                }
                if instant.mode == ClockMode::Ended {
                    self.replay_ended.get_or_insert_with(Instant::now);
                }
                None
            }
            TapEvent::Status { beats } => {
                self.status(beats);
                None
            }
        };
        if let Some(told) = told {
            self.tell(&told);
        }
    }

    /// Tells a person; a script reads the log lines themselves.
    fn tell(&self, told: &Told) {
        if self.format == LogFormat::Pretty {
            self.printer.tell(told);
        }
    }

    fn status(&mut self, mut beats: BTreeMap<String, Heartbeat>) {
        // On a Redis that was there before, the last run's heartbeats are, too.
        beats.retain(|_, beat| beat.at >= self.state.started);
        if let Some(beat) = beats.get(ENGINE) {
            let orders = beat
                .counters
                .get(ORDERS_COUNTER)
                .copied()
                .unwrap_or_default();
            self.orders_by_boot.insert(beat.boot_id.clone(), orders);
            self.note_first_order();
        }
        if self.state.bus == "embedded"
            && let Ok(text) = serde_json::to_vec(&beats)
        {
            // For `rawe status`; a file that cannot be written is missed there, not here.
            let _ = std::fs::write(self.folder.file(EMBEDDED_STATUS_FILE), text);
        }
        self.beats = beats;
    }

    /// Tells what is due, and says whether the run is over.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Finish> {
        if let Some(told) = self.story.sums(now) {
            self.tell(&told);
        }
        while let Some(told) = self.story.held(now) {
            self.tell(&told);
        }
        self.tell_warming(now);
        if self.finish.is_some() {
            return self.finish.take();
        }
        let limits = self.limits;
        if limits
            .until_orders
            .is_some_and(|wanted| self.orders() >= wanted)
        {
            return Some(Finish::Well(EndReason::OrdersReached));
        }
        if limits
            .deadline
            .is_some_and(|deadline| now.duration_since(self.started) >= deadline)
        {
            return Some(Finish::Well(EndReason::Deadline));
        }
        self.replay_is_over(now)
            .then_some(Finish::Well(EndReason::ReplayEnded))
    }

    /// Whether the replay has ended and everybody has had the last word.
    fn replay_is_over(&self, now: Instant) -> bool {
        let Some(ended) = self.replay_ended else {
            return false;
        };
        let engine_done = self
            .beats
            .get(ENGINE)
            .is_some_and(|beat| beat.state == ProcessState::Ended);
        let waited = now.duration_since(ended);
        (engine_done && (self.feed_left || waited >= Duration::from_secs(1)))
            || waited >= LAST_WORD_PATIENCE
    }

    fn tell_warming(&mut self, now: Instant) {
        let told = self.warming_told.as_ref();
        let due = told.is_none_or(|(at, _)| now.duration_since(*at) >= WARMING_EVERY);
        let slowest = self
            .beats
            .values()
            .filter(|beat| beat.state == ProcessState::Warming && !beat.detail.is_empty())
            .min_by_key(|beat| beat.market_time);
        let Some(beat) = slowest.filter(|_| due && self.market.is_none()) else {
            return;
        };
        let detail = beat
            .detail
            .trim_start_matches("WARMING")
            .trim_start_matches([':', ' ']);
        let text = format!("warming up, slowest is {}: {detail}", beat.process);
        if told.is_some_and(|(_, before)| *before == text) {
            return;
        }
        self.say(Tone::Plain, "warming_progressed", &text);
        self.warming_told = Some((now, text));
    }

    /// All children have been stopped: the state file says so, and the data of the private Redis is
    /// removed unless the folder is to be kept. Logs and journal stay until the next start.
    pub(crate) fn ended(&mut self, keep: bool) {
        for entry in &mut self.state.processes {
            entry.pid = None;
            if entry.state != "FAILED" {
                "ended".clone_into(&mut entry.state);
            }
        }
        self.state.redis_url = None;
        if let Err(error) = self.folder.write_state(&self.state) {
            self.say(Tone::Warn, "state_unwritten", &format!("{error:#}"));
        }
        if !keep {
            // It may not be there; what is left goes with the folder at the next start.
            let _ = std::fs::remove_dir_all(self.folder.file("redis"));
        }
    }

    /// Prints what is meant for people and scripts alike, as it is.
    pub(crate) fn print(text: &str) {
        Printer::line(text);
    }
}

//! The story: what happens, in plain sentences. Log lines and what was read from the bus come in,
//! sentences go out. A decision is always told; proposals and failed votes are told so often that
//! a person can follow, the rest is counted and told as a sum. Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rawe_core::{ArbitrageSignal, Direction, RoundOutcome, RoundRecord, Symbol, Timestamp};

use crate::log_line::{Level, LogLine};
use crate::up::printer::{Told, Tone};
use crate::up::sentences::{decision, near_miss, proposal, sentence, tone_of};
use crate::up::tally::by_reason;

/// A proposal for the same asset in the same direction is told again after this much market time.
const PROPOSAL_AGAIN_HOURS: i64 = 24;
/// At most so many proposals are told within [`PROPOSALS_PER`] of wall time.
const PROPOSALS_MAX: usize = 4;
/// See [`PROPOSALS_MAX`].
const PROPOSALS_PER: Duration = Duration::from_secs(2);
/// How often failed votes are told as a sum, in wall time.
const MISSES_EVERY: Duration = Duration::from_secs(8);
/// How long what became of an order waits for the decision behind it.
const HELD_FOR: Duration = Duration::from_millis(700);
/// How often the same event of the same process is told, in wall time.
const EVENT_AGAIN: Duration = Duration::from_secs(5);

/// Events that are told better by others (the tap, the engine), or are of no interest to a person
/// who watches.
const UNTOLD_EVENTS: [&str; 16] = [
    "output",
    "tapped",
    "round_closed",
    "signal_accepted",
    "signal_published",
    "scan_completed",
    "stance_published",
    "clock_announced",
    "items_written",
    "order_submitted",
    "order_taken",
    "order_filled",
    "fault_injected",
    "run_found",
    "shutdown_requested",
    "agent_stopped",
];

/// Events which all agents report alike, told once for the same values of these fields.
const ONCE_FOR: [(&str, &[&str]); 4] = [
    ("narrative_risen", &["asset", "narrative_id"]),
    ("class_opened", &["class", "expected_net_bp"]),
    ("class_closed", &["class", "expected_net_bp"]),
    ("replay_ended", &[]),
];
/// Told whenever it says another state than the last time, however soon: the last that a person
/// read must be true.
const STATE_EVENT: &str = "trading_state_changed";
/// How many of them are remembered, before all are forgotten.
const ONCE_REMEMBERED: usize = 10_000;

/// What became of an order, waiting for the decision behind it.
#[derive(Debug)]
struct Held {
    due: Instant,
    asset: String,
    told: Told,
}

/// Failed votes since they were last told.
#[derive(Debug, Default)]
struct Misses {
    counts: BTreeMap<String, u64>,
    example: Option<String>,
    since: Option<Timestamp>,
}

/// The teller.
#[derive(Debug, Default)]
pub(crate) struct Story {
    market_time: Option<Timestamp>,
    proposals: BTreeMap<(Symbol, Direction), Timestamp>,
    proposals_told: Vec<Instant>,
    proposals_untold: u64,
    misses: Misses,
    misses_told: Option<Instant>,
    events: BTreeMap<(String, String), (Instant, u64)>,
    told_once: BTreeSet<String>,
    trading: Option<String>,
    held: VecDeque<Held>,
}

impl Story {
    /// Market time has moved.
    pub(crate) fn at(&mut self, market_time: Timestamp) {
        self.market_time = Some(market_time);
    }

    /// A process wrote a line.
    pub(crate) fn wrote(&mut self, line: &LogLine, now: Instant) -> Option<Told> {
        let tone = match line.level {
            Level::Trace | Level::Debug => return None,
            Level::Info if UNTOLD_EVENTS.contains(&line.event.as_str()) => return None,
            Level::Info => tone_of(&line.event),
            Level::Warn => Tone::Warn,
            Level::Error => Tone::Error,
        };
        if self.was_told(line) {
            return None;
        }
        let mut text = sentence(line);
        if line.event == STATE_EVENT {
            let state = Some(line.text("state"));
            if self.trading == state {
                return None;
            }
            self.trading = state;
        } else if tone != Tone::Trade {
            let key = (line.process.clone(), line.event.clone());
            let untold = match self.events.get_mut(&key) {
                Some((last, untold)) if now.duration_since(*last) < EVENT_AGAIN => {
                    *untold += 1;
                    return None;
                }
                known => known.map_or(0, |(_, untold)| *untold),
            };
            self.events.insert(key, (now, 0));
            if untold > 0 {
                text = format!("{text} (and {untold} more like it)");
            }
        }
        let told = Told {
            market_time: self.market_time,
            process: line.process.clone(),
            tone,
            text,
        };
        if tone == Tone::Trade {
            self.held.push_back(Held {
                due: now + HELD_FOR,
                asset: line.text("asset"),
                told,
            });
            return None;
        }
        Some(told)
    }

    /// What orders became, once the decisions behind them had their time to be told first: they
    /// travel over the bus, which is a little slower than a log.
    pub(crate) fn held(&mut self, now: Instant) -> Option<Told> {
        let due = self.held.front().is_some_and(|held| held.due <= now);
        if due {
            self.held.pop_front().map(|held| held.told)
        } else {
            None
        }
    }

    /// What became of the order behind a decision that has just been told.
    pub(crate) fn held_about(&mut self, asset: &Symbol) -> Vec<Told> {
        let (about, others) = self
            .held
            .drain(..)
            .partition(|held: &Held| held.asset == asset.as_str());
        self.held = others;
        let about: VecDeque<Held> = about;
        about.into_iter().map(|held| held.told).collect()
    }

    /// Whether another agent has said the same already.
    fn was_told(&mut self, line: &LogLine) -> bool {
        let Some((_, fields)) = ONCE_FOR.iter().find(|(event, _)| *event == line.event) else {
            return false;
        };
        let values: Vec<String> = fields.iter().map(|field| line.text(field)).collect();
        if self.told_once.len() >= ONCE_REMEMBERED {
            self.told_once.clear();
        }
        !self
            .told_once
            .insert(format!("{} {}", line.event, values.join(" ")))
    }

    /// An agent's vote was accepted.
    pub(crate) fn proposed(&mut self, signal: &ArbitrageSignal, now: Instant) -> Option<Told> {
        let key = (signal.financial_asset.clone(), signal.metadata.direction);
        let told_before = self.proposals.get(&key).copied();
        let is_news = told_before
            .is_none_or(|at| (signal.timestamp - at).num_hours() >= PROPOSAL_AGAIN_HOURS);
        self.proposals_told
            .retain(|at| now.duration_since(*at) < PROPOSALS_PER);
        if !is_news || self.proposals_told.len() >= PROPOSALS_MAX {
            self.proposals_untold += 1;
            return None;
        }
        self.proposals.insert(key, signal.timestamp);
        self.proposals_told.push(now);
        let process = signal.agent.as_ref().map_or_else(
            || signal.metadata.agent_name.clone(),
            |agent| agent.id.to_string(),
        );
        Some(Told {
            market_time: Some(signal.timestamp),
            process,
            tone: Tone::Vote,
            text: proposal(signal),
        })
    }

    /// A round was closed.
    pub(crate) fn closed(&mut self, record: &RoundRecord) -> Option<Told> {
        if record.outcome.is_decision() {
            return Some(Told {
                market_time: Some(record.closed),
                process: "consensus-engine".to_owned(),
                tone: Tone::Trade,
                text: decision(record),
            });
        }
        *self
            .misses
            .counts
            .entry(record.outcome.to_string())
            .or_default() += 1;
        self.misses.since.get_or_insert(record.opened);
        if record.outcome == RoundOutcome::NoQuorum || self.misses.example.is_none() {
            self.misses.example = Some(near_miss(record));
        }
        None
    }

    /// What has been counted since the last time, when it is time to tell it.
    pub(crate) fn sums(&mut self, now: Instant) -> Option<Told> {
        let due = self
            .misses_told
            .is_none_or(|at| now.duration_since(at) >= MISSES_EVERY);
        if !due || self.misses.counts.is_empty() {
            return None;
        }
        self.misses_told = Some(now);
        let misses = std::mem::take(&mut self.misses);
        let total: u64 = misses.counts.values().sum();
        let votes = if total == 1 {
            "1 vote".to_owned()
        } else {
            format!("{total} votes")
        };
        let since = misses.since.map_or_else(String::new, |at| {
            format!(" since {}", at.format("%d %b %H:%M"))
        });
        let untold = match std::mem::take(&mut self.proposals_untold) {
            0 => String::new(),
            n => format!("; {n} more proposals not shown"),
        };
        let example = misses
            .example
            .map_or_else(String::new, |text| format!(", such as {text}"));
        Some(Told {
            market_time: self.market_time,
            process: "consensus-engine".to_owned(),
            tone: Tone::Missed,
            text: format!(
                "{votes} failed{since}: {}{example}{untold}",
                by_reason(&misses.counts)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::tally::tests::round;
    use rawe_core::{AgentId, RoundVote, SignalType};

    fn vote(agent: &str, direction: Direction) -> RoundVote {
        RoundVote {
            agent: AgentId::new(agent).unwrap(),
            direction,
            timestamp: "2026-01-05T15:00:00Z".parse().unwrap(),
            signal_id: None,
            signal_type: SignalType::NarrativeLeads,
            strength: 0.5,
            size: 1_000.into(),
            expected_profit: 10.0,
            narrative_id: "n".to_owned(),
            weight_millionths: 1_000_000,
        }
    }

    fn voted(outcome: RoundOutcome) -> RoundRecord {
        let mut record = round(outcome, Some(Direction::Long));
        record.votes = vec![
            vote("alpha-aggressor", Direction::Long),
            vote("conservative-guardian", Direction::Short),
            vote("flux-follower", Direction::Long),
        ];
        record.notional = Some(25_000.into());
        record
    }

    fn line(level: &str, event: &str) -> LogLine {
        let text = serde_json::json!({"level": level, "event": event, "message": "it happened"});
        LogLine::read("market-feed", &text.to_string())
    }

    #[test]
    fn a_decision_names_both_sides() {
        let told = Story::default()
            .closed(&voted(RoundOutcome::Opened))
            .unwrap();
        assert_eq!(told.tone, Tone::Trade);
        assert_eq!(
            told.text,
            "The collective buys AAPL for $25,000: 2 of 3 agree (Alpha Aggressor and Flux \
             Follower), Conservative Guardian against"
        );
    }

    #[test]
    fn failed_votes_are_told_as_a_sum() {
        let mut story = Story::default();
        let start = Instant::now();
        assert!(story.closed(&voted(RoundOutcome::NoQuorum)).is_none());
        let first = story.sums(start).unwrap();
        assert!(
            first
                .text
                .starts_with("1 vote failed since 05 Jan 15:00: 1 NO_QUORUM")
        );
        assert!(first.text.contains(
            "AAPL (long: Alpha Aggressor and Flux Follower; short: Conservative Guardian; 3 needed)"
        ));
        for _ in 0..9 {
            story.closed(&voted(RoundOutcome::MinHold));
        }
        assert!(story.sums(start + Duration::from_secs(1)).is_none());
        let second = story.sums(start + Duration::from_secs(9)).unwrap();
        assert!(second.text.starts_with("9 votes failed"));
        assert!(story.sums(start + Duration::from_mins(1)).is_none());
    }

    #[test]
    fn what_five_agents_report_alike_is_told_once() {
        let mut story = Story::default();
        let now = Instant::now();
        let risen = |process: &str, id: &str| {
            let fields = serde_json::json!({
                "level": "info", "event": "narrative_risen", "message": "a story about KO rises",
                "asset": "KO", "narrative_id": id, "rating": "BB", "headline": "Sugar",
            });
            LogLine::read(process, &fields.to_string())
        };
        let told = story.wrote(&risen("flux-follower", "n1"), now).unwrap();
        assert_eq!(
            told.text,
            "a story about KO rises, rated BB: \u{201c}Sugar\u{201d}"
        );
        assert!(story.wrote(&risen("alpha-aggressor", "n1"), now).is_none());
        assert!(story.wrote(&risen("alpha-aggressor", "n2"), now).is_some());
    }

    #[test]
    fn every_change_of_what_may_be_traded_is_told_once() {
        let mut story = Story::default();
        let now = Instant::now();
        let changed = |state: &str, reason: &str| {
            let fields = serde_json::json!({
                "level": "info", "event": "trading_state_changed", "message": "m",
                "state": state, "reason": reason,
            });
            LogLine::read("consensus-engine", &fields.to_string())
        };
        let mut told = |state, reason| {
            let told = story.wrote(&changed(state, reason), now);
            told.map(|told| told.text)
        };
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(
            told("Halted", "starting"),
            words("trading is halted: starting")
        );
        assert_eq!(told("Halted", "starting: asking"), None);
        assert_eq!(told("Active", ""), words("trading is allowed"));
        assert_eq!(told("Halted", "a file"), words("trading is halted: a file"));
    }

    #[test]
    fn a_new_position_tells_where_it_is_left() {
        let fields = serde_json::json!({
            "level": "info", "event": "position_opened", "message": "the collective holds AAPL",
            "quantity": "3", "price": "100", "notional": "300", "stop_price": "70.5",
        });
        let line = LogLine::read("consensus-engine", &fields.to_string());
        assert_eq!(
            sentence(&line),
            "the collective holds AAPL: 3 at $100, $300 in all; left at $70.5 at the latest"
        );
    }

    #[test]
    fn what_an_order_waits_for_and_what_fills_of_it_is_told() {
        let told = |fields: serde_json::Value| {
            let line = LogLine::read("consensus-engine", &fields.to_string());
            assert_eq!(tone_of(&line.event), Tone::Trade);
            sentence(&line)
        };
        let part = serde_json::json!({
            "level": "info", "event": "order_partly_filled", "quantity": "7", "price": "125.02",
            "message": "a part of the order for DIS has filled, the rest waits",
            "client_order_id": "rawe-x",
        });
        assert_eq!(
            told(part),
            "a part of the order for DIS has filled, the rest waits: 7 at $125.02 (rawe-x)"
        );
        let over = serde_json::json!({
            "level": "info", "event": "order_ended", "message": "the order is over",
            "asset": "DIS", "status": "Expired", "client_order_id": "rawe-x",
        });
        assert_eq!(
            told(over),
            "the order for DIS has ended without a fill: expired (rawe-x)"
        );
    }

    #[test]
    fn the_end_of_a_position_tells_gain_or_loss() {
        for (pnl, words) in [("-12.5", "a loss of $12"), ("1200", "a gain of $1,200")] {
            let fields = serde_json::json!({
                "level": "info", "event": "position_closed", "message": "left AAPL",
                "quantity": "3", "price": "101.5", "pnl": pnl,
            });
            let line = LogLine::read("consensus-engine", &fields.to_string());
            assert_eq!(sentence(&line), format!("left AAPL: 3 at $101.5, {words}"));
        }
    }

    #[test]
    fn the_same_event_is_told_once_in_a_while_and_trades_always() {
        let mut story = Story::default();
        let start = Instant::now();
        let after = |secs| start + Duration::from_secs(secs);
        assert!(
            story
                .wrote(&line("WARN", "participant_silent"), start)
                .is_some()
        );
        assert!(
            story
                .wrote(&line("WARN", "participant_silent"), after(1))
                .is_none()
        );
        let again = story
            .wrote(&line("WARN", "participant_silent"), after(6))
            .unwrap();
        assert_eq!(again.text, "it happened (and 1 more like it)");
        for _ in 0..3 {
            assert!(
                story
                    .wrote(&line("INFO", "order_accepted"), after(6))
                    .is_none()
            );
        }
        assert!(story.held(after(6)).is_none(), "the decision is told first");
        for _ in 0..3 {
            assert!(story.held(after(7)).is_some());
        }
        assert!(story.held(after(7)).is_none());
        assert!(
            story
                .wrote(&line("INFO", "round_closed"), after(9))
                .is_none()
        );
        assert!(story.wrote(&line("DEBUG", "anything"), after(9)).is_none());
    }
}

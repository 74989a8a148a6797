//! Standing votes: each agent's last stance on each asset, how old it may be, and how alike the
//! agents have been of late.
//!
//! Stances decide exits, never entries. A stance stands until the agent's next one, across closed
//! sessions; its age counts only while the asset's market is open.

use std::collections::BTreeMap;

use chrono::{Days, TimeDelta};
use rawe_core::calendar::{MarketCalendar, new_york_date};
use rawe_core::{AgentId, AssetClass, Direction, StanceMessage, Symbol, Timestamp};

/// A stance from further ahead than this is not believed, as with signals.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(2);
/// Weight of the past per scan in the correlations: half of it is forgotten in 69 scans.
const CORRELATION_MEMORY: f64 = 0.99;
/// Weighted pairs of stances needed before a correlation is believed.
const CORRELATION_SAMPLE_MIN: f64 = 30.0;
/// How many assets are remembered per agent; more than any universe of ours.
const ASSETS_MAX: usize = 16_384;
/// Beyond this many calendar days a stance's age is not worked out day by day: it is old.
const AGE_DAYS_MAX: i64 = 60;

/// What an agent last said of an asset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) direction: Option<Direction>,
    pub(crate) expert: f64,
    pub(crate) timestamp: Timestamp,
    scan_secs: u32,
}

impl Standing {
    /// Whether more than `scans_max` scans of open market have passed since.
    pub(crate) fn is_unknown(&self, class: AssetClass, now: Timestamp, scans_max: u32) -> bool {
        let allowed = TimeDelta::seconds(i64::from(self.scan_secs) * i64::from(scans_max));
        open_time(class, self.timestamp, now) > allowed
    }

    /// An instant after `now`, never too late, from which on a stance that is known at `now` may
    /// be unknown.
    pub(crate) fn unknown_not_before(
        &self,
        class: AssetClass,
        now: Timestamp,
        scans_max: u32,
    ) -> Timestamp {
        let allowed = TimeDelta::seconds(i64::from(self.scan_secs) * i64::from(scans_max));
        let left = (allowed - open_time(class, self.timestamp, now)).max(TimeDelta::zero());
        let calendar = MarketCalendar::nyse();
        let reopens = match class {
            AssetClass::Crypto => now,
            AssetClass::UsEquity if calendar.session_at(now).is_some() => now,
            AssetClass::UsEquity => calendar.next_session(now).map_or(now, |next| next.open),
        };
        // Beyond this age open time is no longer worked out day by day, and jumps.
        let jumps = self.timestamp + TimeDelta::days(AGE_DAYS_MAX + 1);
        let flips = reopens + left + TimeDelta::nanoseconds(1);
        if jumps > now { flips.min(jumps) } else { flips }
    }
}

#[derive(Clone, Debug, Default)]
struct AgentStances {
    by_asset: BTreeMap<Symbol, Standing>,
    latest: Option<Timestamp>,
}

/// Exponentially weighted sums of one pair of agents' expert values.
#[derive(Clone, Copy, Debug, Default)]
struct PairSums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl PairSums {
    fn decay(&mut self) {
        for sum in [
            &mut self.count,
            &mut self.x,
            &mut self.y,
            &mut self.xx,
            &mut self.yy,
            &mut self.xy,
        ] {
            *sum *= CORRELATION_MEMORY;
        }
    }

    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// Pearson's correlation, or `None` with too little data or a constant side.
    fn correlation(&self) -> Option<f64> {
        if self.count < CORRELATION_SAMPLE_MIN {
            return None;
        }
        let covariance = self.xy - self.x * self.y / self.count;
        let spread_x = self.xx - self.x * self.x / self.count;
        let spread_y = self.yy - self.y * self.y / self.count;
        let scale = (spread_x * spread_y).sqrt();
        (scale > 1e-9).then(|| (covariance / scale).clamp(-1.0, 1.0))
    }
}

/// All agents' standing votes, and how alike the agents are.
#[derive(Clone, Debug, Default)]
pub struct StanceBook {
    agents: BTreeMap<AgentId, AgentStances>,
    pairs: BTreeMap<(AgentId, AgentId), PairSums>,
}

impl StanceBook {
    /// Takes a scan's stances. Returns whether they were news: older or future ones are ignored.
    pub fn apply(&mut self, message: &StanceMessage, now: Timestamp) -> bool {
        let id = &message.agent.id;
        let entry = self.agents.entry(id.clone()).or_default();
        let outdated = entry
            .latest
            .is_some_and(|latest| message.timestamp <= latest);
        if outdated || message.timestamp - now > AHEAD_MAX {
            return false;
        }
        entry.latest = Some(message.timestamp);
        for stance in &message.stances {
            let known = entry.by_asset.contains_key(&stance.asset);
            if !known && entry.by_asset.len() >= ASSETS_MAX {
                continue;
            }
            let expert = if stance.expert.is_finite() {
                stance.expert
            } else {
                0.0
            };
            let standing = Standing {
                direction: stance.direction,
                expert: expert.clamp(-1.0, 1.0),
                timestamp: message.timestamp,
                scan_secs: message.scan_secs,
            };
            entry.by_asset.insert(stance.asset.clone(), standing);
        }
        self.compare_with_others(id, message.timestamp);
        true
    }

    /// Adds this scan to the correlations with every agent that has scanned the same instant.
    /// Each pair is updated once per instant, by whichever of the two speaks last.
    fn compare_with_others(&mut self, id: &AgentId, instant: Timestamp) {
        let Some(own) = self.agents.get(id) else {
            return;
        };
        for (other_id, other) in &self.agents {
            if other_id == id || other.latest != Some(instant) {
                continue;
            }
            let swapped = other_id < id;
            let key = if swapped {
                (other_id.clone(), id.clone())
            } else {
                (id.clone(), other_id.clone())
            };
            let sums = self.pairs.entry(key).or_default();
            sums.decay();
            for (asset, standing) in own.by_asset.iter().filter(|(_, s)| s.timestamp == instant) {
                let Some(theirs) = other.by_asset.get(asset).filter(|s| s.timestamp == instant)
                else {
                    continue;
                };
                if swapped {
                    sums.add(theirs.expert, standing.expert);
                } else {
                    sums.add(standing.expert, theirs.expert);
                }
            }
        }
    }

    /// What the agent last said of the asset.
    pub(crate) fn of(&self, agent: &AgentId, asset: &Symbol) -> Option<&Standing> {
        self.agents
            .get(agent)
            .and_then(|stances| stances.by_asset.get(asset))
    }

    /// The instant of the agent's last scan.
    pub(crate) fn latest_scan(&self, agent: &AgentId) -> Option<Timestamp> {
        self.agents.get(agent).and_then(|stances| stances.latest)
    }

    /// How many agents ever sent a stance.
    pub(crate) fn speakers(&self) -> usize {
        self.agents
            .values()
            .filter(|stances| stances.latest.is_some())
            .count()
    }

    /// Pearson's correlation of two agents' recent expert values, -1..1. `None` with too few
    /// scans of the same instants, or where one of the two never changes its mind.
    pub fn correlation(&self, one: &AgentId, other: &AgentId) -> Option<f64> {
        let (first, second) = if one < other {
            (one, other)
        } else {
            (other, one)
        };
        let key = (first.clone(), second.clone());
        self.pairs.get(&key).and_then(PairSums::correlation)
    }

    /// N / (1 + (N-1) mean pairwise correlation), within 1..=N: how many independent votes
    /// `voters` agents are worth (Kish's design effect). `None` until a pair has enough scans.
    pub fn effective_votes(&self, voters: usize) -> Option<f64> {
        let correlations: Vec<f64> = self
            .pairs
            .values()
            .filter_map(PairSums::correlation)
            .collect();
        if correlations.is_empty() || voters == 0 {
            return None;
        }
        let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
        let voters = voters as f64;
        let effective = voters / (1.0 + (voters - 1.0) * mean.max(0.0));
        Some(effective.clamp(1.0, voters))
    }
}

/// How long the market of `class` was open between two instants.
fn open_time(class: AssetClass, from: Timestamp, through: Timestamp) -> TimeDelta {
    let elapsed = (through - from).max(TimeDelta::zero());
    if class == AssetClass::Crypto || elapsed.num_days() > AGE_DAYS_MAX {
        return elapsed;
    }
    let first = new_york_date(from).checked_sub_days(Days::new(1));
    let first = first.unwrap_or_else(|| new_york_date(from));
    MarketCalendar::nyse()
        .sessions(first, new_york_date(through))
        .iter()
        .map(|session| session.close.min(through) - session.open.max(from))
        .filter(|open| *open > TimeDelta::zero())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::{AgentRef, BootId, Stance};

    fn at(day: u32, hour: u32) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 3, day, hour, 0, 0).unwrap()
    }

    fn message(agent: &str, instant: Timestamp, experts: &[f64]) -> StanceMessage {
        StanceMessage {
            timestamp: instant,
            agent: AgentRef {
                id: AgentId::new(agent).unwrap(),
                boot_id: BootId::new("b").unwrap(),
                sequence: 1,
            },
            scan_secs: 3_600,
            stances: experts
                .iter()
                .enumerate()
                .map(|(n, expert)| Stance {
                    asset: Symbol::new(&format!("A{n}")).unwrap(),
                    direction: Direction::of_sign(*expert),
                    expert: *expert,
                })
                .collect(),
        }
    }

    #[test]
    fn age_counts_open_hours_only() {
        // Friday 6 March 2026, 20:00 UTC is 15:00 in New York; Monday's open is 13:30 UTC.
        let friday = at(6, 20);
        assert_eq!(
            open_time(AssetClass::UsEquity, friday, at(9, 13)),
            TimeDelta::hours(1)
        );
        assert_eq!(
            open_time(AssetClass::UsEquity, friday, at(9, 14)),
            TimeDelta::minutes(90)
        );
        assert_eq!(
            open_time(AssetClass::Crypto, friday, at(7, 20)),
            TimeDelta::hours(24)
        );
        assert_eq!(
            open_time(AssetClass::Crypto, friday, at(5, 20)),
            TimeDelta::zero()
        );
    }

    #[test]
    fn an_older_or_future_scan_is_ignored() {
        let mut book = StanceBook::default();
        assert!(book.apply(&message("a", at(2, 10), &[0.5]), at(2, 10)));
        assert!(!book.apply(&message("a", at(2, 9), &[-0.5]), at(2, 10)));
        assert!(!book.apply(&message("a", at(2, 11), &[-0.5]), at(2, 10)));
        let asset = Symbol::new("A0").unwrap();
        let standing = book.of(&AgentId::new("a").unwrap(), &asset).unwrap();
        assert_eq!(standing.direction, Some(Direction::Long));
        assert!(!standing.is_unknown(AssetClass::Crypto, at(2, 13), 3));
        assert!(standing.is_unknown(AssetClass::Crypto, at(2, 14), 3));
    }

    #[test]
    fn copies_are_one_vote_and_strangers_are_two() {
        let wave = |n: u32| [f64::from(n % 7) / 7.0 - 0.4, f64::from(n % 5) / 5.0 - 0.4];
        let other = |n: u32| {
            [
                f64::from(n * n % 11) / 11.0 - 0.4,
                f64::from(n * 3 % 13) / 13.0,
            ]
        };
        for (independent, low, high) in [(false, 1.0, 1.01), (true, 1.6, 2.0)] {
            let mut book = StanceBook::default();
            assert_eq!(book.effective_votes(2), None);
            for n in 0..80_u32 {
                let instant = at(2, 0) + TimeDelta::hours(i64::from(n));
                book.apply(&message("a", instant, &wave(n)), instant);
                let theirs = if independent { other(n) } else { wave(n) };
                book.apply(&message("b", instant, &theirs), instant);
            }
            let effective = book.effective_votes(2).unwrap();
            assert!(
                (low..=high).contains(&effective),
                "{effective}, independent {independent}"
            );
        }
    }
}

//! A manipulation test: how many planted items, from how many accounts, does it take to make an
//! agent vote for an asset for which it did not vote.
//!
//! History is played to some hours before a scan at which no agent is long on the asset. From there
//! it is played again and again with planted items among the real ones, evenly spread until the
//! scan, and the least number that turns each agent, and three of them, is found by bisection. A
//! flood that works with n items is taken to work with more.

mod plants;
mod stage;

use rawe_agent::{Profile, ProfileError};
use rawe_core::{Bar, NewsItem, Symbol, Timestamp};
use rawe_narrative::{EngineConfig, FeatureDemand};
use serde::Serialize;

pub use plants::Hiding;
use stage::{Stage, scans_of};

/// So many agents of one opinion are a quorum.
const QUORUM: usize = 3;
/// The first part of the history only warms up, share of its scans.
const WARMUP_SHARE: f64 = 0.3;
/// Scans looked at for each target wanted.
const CANDIDATES_PER_TARGET: usize = 12;

/// What is tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttackSettings {
    /// Hours over which the planted items are spread, up to the scan.
    pub hours: i64,
    /// How many accounts plant, one row for each.
    pub accounts: Vec<usize>,
    /// More items than this are not tried.
    pub items_max: usize,
    /// So many scans are attacked; the figures are medians over them.
    pub targets: usize,
}

impl Default for AttackSettings {
    fn default() -> Self {
        Self {
            hours: 24,
            accounts: vec![1, 3, 10, 30, 100],
            items_max: 3_000,
            targets: 5,
        }
    }
}

/// The scan an attack aims at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttackTarget {
    /// The asset that no agent is long on.
    pub symbol: Symbol,
    /// When.
    pub at: Timestamp,
    /// Real items, of all assets, that came in the hours of the attack.
    pub real_items: usize,
}

/// The least number of planted items that turns somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Least {
    /// Per target; `None` if the most that is tried did not do it.
    pub items: Vec<Option<usize>>,
    /// The median, `None` if more than is tried.
    pub median: Option<usize>,
}

/// One way to attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttackRow {
    /// Whether the engine's limits on voices are on.
    pub limits: bool,
    /// Who plants.
    pub hiding: Hiding,
    /// How many accounts do.
    pub accounts: usize,
    /// For each agent, in the order of [`AttackReport::agents`].
    pub agents: Vec<Least>,
    /// For three agents at once.
    pub quorum: Least,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttackReport {
    /// What was tried.
    pub settings: AttackSettings,
    /// The agents' ids.
    pub agents: Vec<String>,
    /// The scans attacked.
    pub targets: Vec<AttackTarget>,
    /// One row for each way.
    pub rows: Vec<AttackRow>,
}

/// Attacks the founding agents over a history. `items` are sorted by first sight, `bars` by their
/// ends; `progress` hears the share that is done.
///
/// # Errors
/// When the founding profiles cannot be read.
pub fn measure(
    items: &[NewsItem],
    bars: &[Bar],
    settings: &AttackSettings,
    progress: &mut dyn FnMut(f64),
) -> Result<AttackReport, ProfileError> {
    let profiles = Profile::founding()?;
    let needs = profiles.iter().flat_map(|p| p.lens.needs().iter().copied());
    let config = EngineConfig {
        features: FeatureDemand::new(needs),
        ..EngineConfig::default()
    };
    let scans = scans_of(items, bars);
    let mut report = AttackReport {
        settings: settings.clone(),
        agents: profiles.iter().map(|p| p.id.to_string()).collect(),
        targets: Vec::new(),
        rows: Vec::new(),
    };
    let mut ways: Vec<(Hiding, usize)> = vec![(Hiding::Forum, 1)];
    ways.extend(settings.accounts.iter().map(|n| (Hiding::NewAccounts, *n)));
    for limits in [true, false] {
        let config = EngineConfig {
            voice_limits: limits,
            ..config.clone()
        };
        let mut stage = Stage::new(config, &profiles, items, bars, &scans);
        let mut found: Vec<Vec<Vec<Option<usize>>>> = vec![Vec::new(); ways.len()];
        let share = |part: f64| {
            if limits {
                part / 2.0
            } else {
                f64::midpoint(1.0, part)
            }
        };
        if limits {
            report.targets = attack_new(&mut stage, settings, &ways, &mut found, &mut |part| {
                progress(share(part));
            });
        } else {
            let wanted = report.targets.len().max(1) as f64;
            for (place, target) in report.targets.iter().enumerate() {
                stage.play_until(target.at - chrono::TimeDelta::hours(settings.hours));
                attack_one(&stage, target, settings, &ways, &mut found);
                progress(share((place + 1) as f64 / wanted));
            }
        }
        for ((hiding, accounts), found) in ways.iter().zip(found) {
            report
                .rows
                .push(row(limits, *hiding, *accounts, &found, profiles.len()));
        }
    }
    Ok(report)
}

/// Looks for targets through the history and attacks each.
fn attack_new(
    stage: &mut Stage<'_>,
    settings: &AttackSettings,
    ways: &[(Hiding, usize)],
    found: &mut [Vec<Vec<Option<usize>>>],
    progress: &mut dyn FnMut(f64),
) -> Vec<AttackTarget> {
    let mut targets: Vec<AttackTarget> = Vec::new();
    let candidates = stage.candidates(WARMUP_SHARE, settings.targets * CANDIDATES_PER_TARGET);
    for (place, at) in candidates.iter().enumerate() {
        if targets.len() >= settings.targets {
            break;
        }
        stage.play_until(*at - chrono::TimeDelta::hours(settings.hours));
        if let Some(target) = stage.target(*at, targets.len()) {
            attack_one(stage, &target, settings, ways, found);
            targets.push(target);
        }
        progress((place + 1) as f64 / candidates.len() as f64);
    }
    targets
}

/// Attacks one target in every way and appends what it took: a list of agents, the quorum last.
fn attack_one(
    stage: &Stage<'_>,
    target: &AttackTarget,
    settings: &AttackSettings,
    ways: &[(Hiding, usize)],
    found: &mut [Vec<Vec<Option<usize>>>],
) {
    for ((hiding, accounts), found) in ways.iter().zip(found) {
        let mut known: Vec<(usize, Vec<bool>)> = Vec::new();
        let mut turned = |count: usize| -> Vec<bool> {
            if let Some((_, votes)) = known.iter().find(|(n, _)| *n == count) {
                return votes.clone();
            }
            let votes = stage.long_votes(target, *hiding, *accounts, count);
            known.push((count, votes.clone()));
            votes
        };
        let agents = turned(0).len();
        let least = (0..=agents)
            .map(|who| {
                let does = |votes: &[bool]| {
                    if who < agents {
                        votes.get(who).copied().unwrap_or(false)
                    } else {
                        votes.iter().filter(|long| **long).count() >= QUORUM
                    }
                };
                least_that(settings.items_max, |count| does(&turned(count)))
            })
            .collect();
        found.push(least);
    }
}

/// The least n up to `most` for which `does` holds, by doubling and bisection; `None` if it does
/// not hold for any number tried.
fn least_that(most: usize, mut does: impl FnMut(usize) -> bool) -> Option<usize> {
    if does(0) {
        return Some(0);
    }
    let (mut low, mut high) = (0, 1);
    while !does(high) {
        if high >= most {
            return None;
        }
        low = high;
        high = (high * 3).min(most);
    }
    while high - low > 1 + low / 20 {
        let middle = low + (high - low) / 2;
        if does(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn row(
    limits: bool,
    hiding: Hiding,
    accounts: usize,
    found: &[Vec<Option<usize>>],
    agents: usize,
) -> AttackRow {
    let least = |who: usize| {
        let items: Vec<Option<usize>> = found.iter().filter_map(|t| t.get(who).copied()).collect();
        let mut sorted: Vec<usize> = items.iter().map(|n| n.unwrap_or(usize::MAX)).collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied();
        Least {
            items,
            median: median.filter(|n| *n != usize::MAX),
        }
    };
    AttackRow {
        limits,
        hiding,
        accounts,
        agents: (0..agents).map(least).collect(),
        quorum: least(agents),
    }
}

impl AttackReport {
    /// The rows as a Markdown table: medians, `>n` where the most that was tried did not do it.
    pub fn table(&self) -> String {
        let mut table = String::from("| limits | who plants | accounts |");
        for agent in &self.agents {
            table.push_str(&format!(" {agent} |"));
        }
        table.push_str(" three of them |\n|---|---|---|");
        table.push_str(&"---|".repeat(self.agents.len() + 1));
        table.push('\n');
        for row in &self.rows {
            let limits = if row.limits { "on" } else { "off" };
            table.push_str(&format!("| {limits} | {} | {} |", row.hiding, row.accounts));
            for least in row.agents.iter().chain([&row.quorum]) {
                let cell = least.median.map_or_else(
                    || format!(">{}", self.settings.items_max),
                    |items| items.to_string(),
                );
                table.push_str(&format!(" {cell} |"));
            }
            table.push('\n');
        }
        table
    }
}

#[cfg(test)]
mod tests;

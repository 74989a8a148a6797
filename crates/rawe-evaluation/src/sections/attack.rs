//! The section of the manipulation test: how many planted items move an agent, and three of them.

use crate::attack::{AttackReport, Hiding, Least};
use crate::report::{Row, Section};

/// The least numbers of planted items, medians over the scans attacked.
pub fn attack_section(set: &str, report: &AttackReport) -> Section {
    let mut section = Section::new("attack", set, "How many planted items move an agent?");
    section.note(format!(
        "Items planted over {} h before a scan at which no agent is long; medians over {} scans; \
         where {} items are not enough, the row says so.",
        report.settings.hours,
        report.targets.len(),
        report.settings.items_max,
    ));
    for row in &report.rows {
        let who = match row.hiding {
            Hiding::Forum => "one forum without authors".to_owned(),
            Hiding::NewAccounts => format!("{} new accounts", row.accounts),
        };
        let limits = if row.limits { "" } else { ", limits off" };
        let most = report.settings.items_max;
        add(
            &mut section,
            &format!("three agents, {who}{limits}"),
            &row.quorum,
            most,
        );
        for (agent, least) in report.agents.iter().zip(&row.agents) {
            add(
                &mut section,
                &format!("{agent}, {who}{limits}"),
                least,
                most,
            );
        }
    }
    section
}

fn add(section: &mut Section, label: &str, least: &Least, most: usize) {
    let row = match least.median {
        Some(items) => Row::new(label, items as f64),
        None => Row::new(label, most as f64).beside("more than that"),
    };
    section.row(row.digits(0).count(least.items.len() as u64));
}

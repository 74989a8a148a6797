//! `rawe why`: why the collective did or did not trade, from the journal alone. With an id, the
//! story of one round or order; with an asset, that of its newest rounds; with nothing, which gates
//! stood in the way how often.

use anyhow::bail;
use rawe_core::{RoundRecord, Symbol};
use rawe_journal::{Filter, JournalOrder, JournalReader, OutcomeCount};
use serde::Serialize;

use super::story::{Heard, order_story, round_story};
use super::{JournalArgs, time_text};

/// Rounds told when an asset is named.
const ASSET_ROUNDS: u32 = 3;

/// What `rawe why` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  rawe why                        which reasons stood in the way, how often\n  \
                  rawe why AAPL                   the newest rounds about an asset\n  \
                  rawe why rawe-oibqcqvcnrw6ifa6mfod   one order, from the votes to its fill"
)]
pub(crate) struct WhyArgs {
    /// The id of a round, decision, order (ours or the broker's) or signal; or an asset
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
}

/// A round with its orders, as `--json` prints it.
#[derive(Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<RoundRecord>,
    orders: Vec<JournalOrder>,
}

/// Prints why.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let Some(id) = args.id.as_deref() else {
        return reasons(&journal, args.journal.json);
    };
    let mut stories = named(&journal, id)?;
    if stories.is_empty()
        && let Ok(asset) = Symbol::new(&id.to_ascii_uppercase())
    {
        let mut rounds = journal.rounds(&Filter {
            asset: Some(asset),
            limit: Some(ASSET_ROUNDS),
            ..Filter::default()
        })?;
        rounds.reverse();
        for round in rounds {
            stories.push(with_orders(&journal, round)?);
        }
    }
    if stories.is_empty() {
        bail!(
            "the journal knows no round, decision, order or signal {id}, and no round about such \
             an asset; `rawe rounds` and `rawe orders` list what it knows"
        );
    }
    if args.journal.json {
        println!("{}", serde_json::to_string_pretty(&stories)?);
        return Ok(());
    }
    let texts: Result<Vec<String>, _> = stories.iter().map(|story| text(story)).collect();
    println!("{}", texts?.join("\n\n"));
    Ok(())
}

/// The rounds and orders that go by an id.
fn named(journal: &JournalReader, id: &str) -> anyhow::Result<Vec<Told>> {
    let mut stories = Vec::new();
    for (_, round) in journal.rounds_named(id)? {
        stories.push(with_orders(journal, round)?);
    }
    if !stories.is_empty() {
        return Ok(stories);
    }
    let orders = journal.orders_named(id)?;
    if let Some(first) = orders.first() {
        // The broker's id names an order, and the order its round.
        for (_, round) in journal.rounds_named(first.intent.decision_id.as_str())? {
            stories.push(with_orders(journal, round)?);
        }
    }
    if stories.is_empty() && !orders.is_empty() {
        stories.push(Told {
            round: None,
            orders,
        });
    }
    Ok(stories)
}

fn with_orders(journal: &JournalReader, round: RoundRecord) -> anyhow::Result<Told> {
    let mut orders = match &round.decision_id {
        Some(decision) => journal.orders_named(decision.as_str())?,
        None => Vec::new(),
    };
    orders.reverse();
    Ok(Told {
        round: Some(round),
        orders,
    })
}

fn text(told: &Told) -> anyhow::Result<String> {
    let mut lines = told.round.as_ref().map(round_story).unwrap_or_default();
    for order in &told.orders {
        let heard: Vec<Heard> = order
            .reports
            .iter()
            .map(|h| (h.at, h.report.clone()))
            .collect();
        lines.extend(order_story(order, &heard));
    }
    Ok(lines.join("\n"))
}

/// Which outcomes there were, how often, and what may be done about them.
fn reasons(journal: &JournalReader, as_json: bool) -> anyhow::Result<()> {
    let outcomes = journal.outcomes(&Filter::default())?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
        return Ok(());
    }
    let total: u64 = outcomes.iter().map(|count| count.rounds).sum();
    if total == 0 {
        println!("the journal has no rounds yet: no agent's vote has reached the engine");
        return Ok(());
    }
    println!("{total} rounds, by how they ended (`rawe rounds --outcome NAME` lists them):\n");
    for count in &outcomes {
        println!("{}", reason(count, total));
    }
    Ok(())
}

fn reason(count: &OutcomeCount, total: u64) -> String {
    let share = count.rounds as f64 / total as f64 * 100.0;
    let advice = count
        .outcome
        .advice()
        .map_or_else(String::new, |advice| format!("\n{:33}-> {advice}", ""));
    format!(
        "{:>7} {share:>5.1} %  {:<17} {} (last {}){advice}",
        count.rounds,
        count.outcome.as_str(),
        count.outcome.meaning(),
        time_text(count.newest)
    )
}

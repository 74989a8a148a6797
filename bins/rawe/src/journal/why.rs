//! `rawe why`: why the collective did or did not trade, from the journal alone. With an id, the
//! story of one round or order; with an asset, that of its newest rounds; with nothing, which gates
//! stood in the way how often.

use anyhow::bail;
use rawe_core::{ClosedTrade, Hindsight, RoundOutcome, RoundRecord, Symbol};
use rawe_execution::journal::ControlRecord;
use rawe_journal::{Filter, JournalOrder, JournalReader, OutcomeCount};
use serde::Serialize;

use super::filter::FilterArgs;
use super::story::{control_line, hindsight_line, order_story, round_story, trade_lines};
use super::{JournalArgs, time_text};

/// What `rawe why` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe why                             which reasons stood in the way, how often\n  \
    rawe why AAPL --limit 5              the newest rounds about an asset\n  \
    rawe why rawe-oibqcqvcnrw6ifa6mfod   one order, from the votes to what it made")]
pub(crate) struct WhyArgs {
    /// The id of a round, decision, order (ours or the broker's) or signal; or an asset
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// A round with everything that came of it, as `--json` prints it.
#[derive(Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<RoundRecord>,
    orders: Vec<JournalOrder>,
    trades: Vec<ClosedTrade>,
    /// What a near miss would have made.
    #[serde(skip_serializing_if = "Option::is_none")]
    hindsight: Option<Hindsight>,
    /// Who had halted trading, where that stood in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<ControlRecord>,
}

/// Prints why.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let mut filter = args.filter.filter();
    let Some(id) = args.id.as_deref() else {
        return reasons(&journal, &filter, args.journal.json);
    };
    let mut stories = named(&journal, id)?;
    if stories.is_empty()
        && let Ok(asset) = Symbol::new(&id.to_ascii_uppercase())
    {
        filter.asset = Some(asset);
        filter.limit = filter.limit.map(|limit| limit.min(ASSET_ROUNDS));
        let mut rounds = journal.rounds(&filter)?;
        rounds.reverse();
        for round in rounds {
            stories.push(with_life(&journal, None, round)?);
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
    let texts: Vec<String> = stories.iter().map(text).collect();
    println!("{}", texts.join("\n\n"));
    Ok(())
}

/// Rounds told at most when an asset is named.
const ASSET_ROUNDS: u32 = 3;

/// The rounds and orders that go by an id.
fn named(journal: &JournalReader, id: &str) -> anyhow::Result<Vec<Told>> {
    let mut stories = Vec::new();
    for (seq, round) in journal.rounds_named(id)? {
        stories.push(with_life(journal, Some(seq), round)?);
    }
    if !stories.is_empty() {
        return Ok(stories);
    }
    let orders = journal.orders_named(id)?;
    if let Some(first) = orders.first() {
        // The broker's id names an order, and the order its round; a stop has only its opening's.
        let mut rounds = journal.rounds_named(first.intent.decision_id.as_str())?;
        if rounds.is_empty() {
            rounds = journal.rounds_named(&first.intent.round_id)?;
        }
        for (seq, round) in rounds {
            stories.push(with_life(journal, Some(seq), round)?);
        }
    }
    if stories.is_empty() && !orders.is_empty() {
        let mut told = Told {
            round: None,
            trades: trades_of(journal, &orders)?,
            orders,
            hindsight: None,
            control: None,
        };
        told.orders.reverse();
        stories.push(told);
    }
    Ok(stories)
}

fn with_life(
    journal: &JournalReader,
    seq: Option<i64>,
    round: RoundRecord,
) -> anyhow::Result<Told> {
    let mut orders = match (&round.decision_id, round.outcome.is_decision()) {
        // The round's own id finds its stop as well, whose decision is another.
        (Some(_), true) => journal.orders_named(&round.round_id)?,
        (Some(decision), false) => journal.orders_named(decision.as_str())?,
        (None, _) => Vec::new(),
    };
    orders.reverse();
    let hindsight = if round.outcome.is_decision() {
        None
    } else {
        journal.hindsight(&round.round_id)?
    };
    let control = match (round.outcome, seq) {
        (RoundOutcome::Halted, Some(seq)) => journal.control_before(seq)?,
        (RoundOutcome::Halted, None) => {
            let found = journal.rounds_named(&round.round_id)?;
            match found.last() {
                Some((seq, _)) => journal.control_before(*seq)?,
                None => None,
            }
        }
        _ => None,
    };
    Ok(Told {
        trades: trades_of(journal, &orders)?,
        orders,
        hindsight,
        control,
        round: Some(round),
    })
}

fn trades_of(journal: &JournalReader, orders: &[JournalOrder]) -> anyhow::Result<Vec<ClosedTrade>> {
    let mut trades: Vec<ClosedTrade> = Vec::new();
    for order in orders {
        for trade in journal.trades_of(&order.intent.order.client_order_id)? {
            if !trades.contains(&trade) {
                trades.push(trade);
            }
        }
    }
    Ok(trades)
}

fn text(told: &Told) -> String {
    let mut lines = told.round.as_ref().map(round_story).unwrap_or_default();
    lines.extend(told.control.as_ref().map(control_line));
    lines.extend(told.hindsight.as_ref().map(hindsight_line));
    for order in &told.orders {
        lines.extend(order_story(order));
    }
    for trade in &told.trades {
        lines.extend(trade_lines(trade));
    }
    lines.join("\n")
}

/// Which outcomes there were, how often, and what may be done about them.
fn reasons(journal: &JournalReader, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let outcomes = journal.outcomes(filter)?;
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

//! `rawe agents`: what the journal says of each voter, how alike the voters are, and what their
//! votes are worth. Read only; how weights are earned is `rawe-consensus`'s.

mod likeness;
mod record;
mod show;

use anyhow::{Context as _, bail};
use rawe_core::{AgentId, ClosedTrade, RoundRecord, WeightChange};
use rawe_journal::{Filter, JournalReader};
use serde::de::DeserializeOwned;

use crate::journal::JournalArgs;
use record::Records;

/// What `rawe agents` takes.
#[derive(clap::Args, Clone)]
#[command(
    after_help = "Examples:\n  rawe agents\n  rawe agents --agent flux-follower\n  \
    rawe agents --json --journal ./.rawe/journal.sqlite"
)]
pub(crate) struct AgentsArgs {
    /// Only this voter, with every change of its weight, such as flux-follower
    #[arg(long, value_name = "ID", value_parser = parse_agent)]
    agent: Option<AgentId>,
    /// Redis to ask for stances [default: that of the newest run of `rawe up`, else the journal's
    /// votes are compared]
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true,
        value_parser = rawe_runtime::redis_url
    )]
    redis_url: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
}

fn parse_agent(text: &str) -> Result<AgentId, String> {
    AgentId::new(text).map_err(|error| error.to_string())
}

/// Prints everyone's record, or one voter's with the history of its weight.
pub(crate) async fn agents(args: AgentsArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let (records, voted) = read(&journal)?;
    if let Some(agent) = &args.agent {
        if !records.knows(agent) {
            let names: Vec<&str> = records.agents().map(AgentId::as_str).collect();
            bail!(
                "the journal does not know '{agent}'; it knows {}",
                names.join(", ")
            );
        }
        if args.journal.json {
            println!("{}", show::one_as_json(&records, agent));
        } else {
            print!("{}", show::one_as_text(&records, agent));
        }
        return Ok(());
    }
    let url = args.redis_url.clone().filter(|url| !url.is_empty());
    let likeness = match likeness::from_stances(url, args.journal.run_dir()).await {
        Some(likeness) => likeness,
        None => likeness::from_votes(voted, &records),
    };
    if args.journal.json {
        println!("{}", show::all_as_json(&records, &likeness));
    } else {
        print!("{}", show::all_as_text(&records, &likeness));
    }
    Ok(())
}

/// Everyone's record, and what was voted when, for comparison.
fn read(journal: &JournalReader) -> anyhow::Result<(Records, likeness::Votes)> {
    let mut records = Records::default();
    let mut voted = likeness::Votes::default();
    for table in ["decisions", "near_misses"] {
        each(journal, table, |round: &RoundRecord| {
            if records.round(round) {
                voted.note(round);
            }
        })?;
    }
    each(journal, "weight_changes", |change: &WeightChange| {
        records.weights(change);
    })?;
    each(journal, "trades", |trade: &ClosedTrade| {
        records.trade(trade);
    })?;
    Ok((records, voted))
}

/// Every record of a table, oldest first, one at a time: a journal may have grown for years.
fn each<T: DeserializeOwned>(
    journal: &JournalReader,
    table: &'static str,
    mut take: impl FnMut(&T),
) -> anyhow::Result<()> {
    journal
        .each_record(table, &Filter::default(), |_, _, text| {
            take(&serde_json::from_str(text).map_err(std::io::Error::from)?);
            Ok(())
        })
        .with_context(|| format!("reading the table {table} of the journal"))
}

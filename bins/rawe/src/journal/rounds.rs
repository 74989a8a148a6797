//! `rawe rounds`: the newest rounds, one line each.

use rawe_core::{Direction, RoundOutcome, RoundRecord};

use super::filter::FilterArgs;
use super::{JournalArgs, time_text};

/// What `rawe rounds` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe rounds --asset AAPL --since 2026-05-04\n  \
    rawe rounds --outcome NO_QUORUM --limit 100 --json")]
pub(crate) struct RoundsArgs {
    /// Only rounds that ended so, such as OPENED or COOL_DOWN
    #[arg(long, value_name = "OUTCOME", value_parser = parse_outcome)]
    outcome: Option<RoundOutcome>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

fn parse_outcome(text: &str) -> Result<RoundOutcome, String> {
    let wanted = text.to_ascii_uppercase().replace('-', "_");
    let known = RoundOutcome::ALL.into_iter();
    known
        .clone()
        .find(|outcome| outcome.as_str() == wanted)
        .ok_or_else(|| {
            let names: Vec<&str> = known.map(RoundOutcome::as_str).collect();
            format!("it must be one of {}", names.join(", "))
        })
}

/// Prints the newest rounds, the newest last, so that it stands above the prompt.
pub(crate) fn rounds(args: &RoundsArgs) -> anyhow::Result<()> {
    let journal = args.journal.open()?;
    let mut filter = args.filter.filter();
    filter.outcome = args.outcome;
    let mut rounds = journal.rounds(&filter)?;
    rounds.reverse();
    if args.journal.json {
        for round in &rounds {
            println!("{}", serde_json::to_string(round)?);
        }
        return Ok(());
    }
    if rounds.is_empty() {
        println!("no such rounds in the journal");
        return Ok(());
    }
    println!(
        "{:<19}  {:<9}  {:<17}  {:>5}  {:<29}  reason",
        "market time", "asset", "outcome", "votes", "round"
    );
    for round in &rounds {
        println!("{}", line(round));
    }
    println!("`rawe why ROUND` tells the story of one");
    Ok(())
}

fn line(round: &RoundRecord) -> String {
    let count = |direction| {
        let votes = round.votes.iter();
        votes.filter(|vote| vote.direction == direction).count()
    };
    format!(
        "{:<19}  {:<9}  {:<17}  {:>5}  {:<29}  {}",
        time_text(round.closed),
        round.asset.as_str(),
        round.outcome.as_str(),
        format!("+{}-{}", count(Direction::Long), count(Direction::Short)),
        round.round_id,
        round.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_as_people_write_them() {
        assert_eq!(parse_outcome("NO_QUORUM"), Ok(RoundOutcome::NoQuorum));
        assert_eq!(parse_outcome("cool-down"), Ok(RoundOutcome::CoolDown));
        let error = parse_outcome("cold").unwrap_err();
        assert!(error.contains("COOL_DOWN"), "{error}");
    }
}

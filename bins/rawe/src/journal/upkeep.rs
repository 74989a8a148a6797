//! `rawe journal`: the file itself. Check that it holds together, export it, make it smaller.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use rawe_core::Timestamp;
use rawe_journal::Filter;
use rawe_journal::export::{Format, export};
use rawe_journal::retention::compact;

use super::filter::parse_time;
use super::{JournalArgs, time_text};

/// What `rawe journal` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe journal check\n  \
    rawe journal export --format csv --out ./journal-csv --since 2026-05-01\n  \
    rawe journal compact --keep-days 30")]
pub(crate) struct UpkeepArgs {
    #[command(subcommand)]
    what: Upkeep,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Upkeep {
    /// Whether the file is sound and its entries agree: every order with its intent, fills with
    /// reports and positions, trades with their prices
    Check {
        #[command(flatten)]
        journal: JournalArgs,
    },
    /// Every table as a file, for other programs
    Export {
        /// What the files are to be
        #[arg(long, value_name = "FORMAT", default_value = "csv",
            value_parser = ["csv", "jsonl", "parquet"])]
        format: String,
        /// Where they go; made if it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only from this market time on, UTC: 2026-05-04 or 2026-05-04T13:30
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        since: Option<Timestamp>,
        /// Only before this market time, UTC
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        until: Option<Timestamp>,
        #[command(flatten)]
        journal: JournalArgs,
    },
    /// Move old near misses and hindsight to a compressed file beside the journal. Orders, fills,
    /// trades, weights and control actions stay for ever. The engine must be stopped
    Compact {
        /// How many days of near misses stay, counted back from the newest entry
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        keep_days: u32,
        #[command(flatten)]
        journal: JournalArgs,
    },
}

/// Does it.
pub(crate) fn upkeep(args: &UpkeepArgs) -> anyhow::Result<()> {
    match &args.what {
        Upkeep::Check { journal } => check(journal),
        Upkeep::Export {
            format,
            out,
            since,
            until,
            journal,
        } => {
            let format = match format.as_str() {
                "jsonl" => Format::JsonLines,
                "parquet" => Format::Parquet,
                _ => Format::Csv,
            };
            let filter = Filter {
                since: *since,
                until: *until,
                ..Filter::default()
            };
            let exported = export(&journal.open()?, format, out, &filter)?;
            if journal.json {
                println!("{}", serde_json::to_string_pretty(&exported)?);
                return Ok(());
            }
            for file in &exported {
                println!("{:>9} rows  {}", file.rows, file.path.display());
            }
            Ok(())
        }
        Upkeep::Compact { keep_days, journal } => shrink(journal, *keep_days),
    }
}

fn check(args: &JournalArgs) -> anyhow::Result<()> {
    let journal = args.open()?;
    let audit = journal.audit()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&audit)?);
    } else {
        for (table, rows) in journal.counts()? {
            println!("{rows:>9} {table}");
        }
        println!(
            "{} entries, {} orders, {} fills and {} trades agree; {} times a reconciliation set \
             the books right",
            audit.entries, audit.orders, audit.fills, audit.trades, audit.corrections
        );
        for problem in &audit.problems {
            println!("PROBLEM  {problem}");
        }
    }
    if audit.problems.is_empty() {
        return Ok(());
    }
    bail!(
        "the journal has {} problems; keep a copy of the file, and compare with the broker before \
         the engine trades on",
        audit.problems.len()
    )
}

fn shrink(args: &JournalArgs, keep_days: u32) -> anyhow::Result<()> {
    let path = args.find()?;
    let compacted =
        compact(&path, keep_days).with_context(|| format!("compacting {}", path.display()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&compacted)?);
        return Ok(());
    }
    match (&compacted.archive, compacted.before) {
        (Some(archive), Some(before)) => println!(
            "{} near misses and judgements of before {} are in {} now; the journal went from {} to \
             {} bytes",
            compacted.rows,
            time_text(before),
            archive.display(),
            compacted.bytes_before,
            compacted.bytes_after
        ),
        _ => println!(
            "nothing is older than {keep_days} days before the newest entry; the journal is as it \
             was, {} bytes",
            compacted.bytes_after
        ),
    }
    Ok(())
}

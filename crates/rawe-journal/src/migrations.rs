//! Bringing a journal of an older version up to date, one transaction a version.

use std::collections::BTreeSet;

use rusqlite::Transaction;

use crate::tables;

/// The newest version, which new files are made with.
pub(crate) const VERSION: i64 = 2;

/// A new journal: everything at once.
pub(crate) fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(&tables::version_2())?;
    note(transaction, "one sequence over all tables of events")
}

/// From version 1, or whatever an older build left, to the newest.
pub(crate) fn upgrade(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    from_version_1(transaction)?;
    note(
        transaction,
        "one sequence over all tables of events; rows of version 1 taken over",
    )
}

fn note(transaction: &Transaction<'_>, description: &str) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO schema_migrations VALUES (?1, ?2, datetime('now'))",
        (VERSION, description),
    )?;
    Ok(())
}

/// The tables of version 1.
const OLD_TABLES: [&str; 4] = ["rounds", "intents", "reports", "resolutions"];

/// A row of version 1 on its way.
struct OldRow {
    /// Market time, as version 1 wrote it: microseconds, so that it sorts.
    at: String,
    /// The order, or nothing for a round.
    order: String,
    /// For a resolution the `seq` of its intent, for an intent its own.
    intent: i64,
    /// Where it goes.
    table: &'static str,
    /// Asset and outcome of a round.
    round: Option<(String, String)>,
    /// The record as version 2 has it.
    record: String,
}

/// Version 1 counted each table by itself. Rows are merged by their times, but never so that a
/// table's own order changes or that something is told of an order before its intent. It had no
/// fills; those of positions that are still held are worked out, or nobody would own them.
fn from_version_1(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for table in OLD_TABLES {
        transaction.execute_batch(&format!(
            "DROP TRIGGER IF EXISTS {table}_keep; DROP TRIGGER IF EXISTS {table}_stay;
             ALTER TABLE {table} RENAME TO old_{table};"
        ))?;
    }
    transaction.execute_batch(&tables::version_2())?;
    let mut waiting: Vec<std::iter::Peekable<std::vec::IntoIter<OldRow>>> = [
        "SELECT closed_at, '', 0, asset, outcome, record FROM old_rounds ORDER BY seq",
        "SELECT decided_at, client_order_id, seq, NULL, NULL, record FROM old_intents ORDER BY seq",
        "SELECT at, client_order_id, 0, NULL, NULL,
            json_object('at', at, 'report', json(record)) FROM old_reports ORDER BY seq",
        "SELECT at, client_order_id, intent_seq, NULL, NULL,
            json_object('at', at, 'client_order_id', client_order_id, 'resolution', json(record))
         FROM old_resolutions ORDER BY seq",
    ]
    .iter()
    .zip(OLD_TABLES)
    .map(|(query, table)| {
        old_rows(transaction, query, table).map(|rows| rows.into_iter().peekable())
    })
    .collect::<rusqlite::Result<_>>()?;

    let (mut intents, mut orders) = (BTreeSet::new(), BTreeSet::new());
    let mut ordered = Vec::new();
    loop {
        let intents_wait = waiting.get_mut(1).is_some_and(|rows| rows.peek().is_some());
        let ready = |row: &OldRow| match row.table {
            "reports" => !intents_wait || orders.contains(&row.order),
            "resolutions" => !intents_wait || intents.contains(&row.intent),
            _ => true,
        };
        let mut heads: Vec<(usize, String)> = Vec::new();
        for (rank, rows) in waiting.iter_mut().enumerate() {
            heads.extend(
                rows.peek()
                    .filter(|row| ready(row))
                    .map(|row| (rank, row.at.clone())),
            );
        }
        let first = heads
            .into_iter()
            .min_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        let Some(row) = first.and_then(|(rank, _)| waiting.get_mut(rank)?.next()) else {
            break;
        };
        if row.table == "intents" {
            intents.insert(row.intent);
            orders.insert(row.order.clone());
        }
        ordered.push(row);
    }
    let mut fills = crate::old_fills::fills(ordered.iter().map(|row| (row.table, &*row.record)));
    let mut seq = 0_i64;
    for (place, row) in ordered.iter().enumerate() {
        seq += 1;
        insert(transaction, seq, row)?;
        if let Some(fill) = fills.remove(&place) {
            seq += 1;
            let query = "INSERT INTO log_fills (seq, record) VALUES (?1, ?2)";
            transaction.prepare_cached(query)?.execute((seq, fill))?;
        }
    }
    // Children first: version 1's resolutions refer to its intents.
    for table in OLD_TABLES.iter().rev() {
        transaction.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    Ok(())
}

fn old_rows(
    transaction: &Transaction<'_>,
    query: &str,
    table: &'static str,
) -> rusqlite::Result<Vec<OldRow>> {
    let mut statement = transaction.prepare(query)?;
    let rows = statement.query_map([], |row| {
        let (asset, outcome): (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
        let round = asset.zip(outcome);
        let table = match &round {
            None => table,
            Some((_, outcome)) if outcome == "OPENED" || outcome == "CLOSED" => "decisions",
            Some(_) => "near_misses",
        };
        Ok(OldRow {
            at: row.get(0)?,
            order: row.get(1)?,
            intent: row.get(2)?,
            table,
            round,
            record: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn insert(transaction: &Transaction<'_>, seq: i64, row: &OldRow) -> rusqlite::Result<()> {
    let table = row.table;
    if let Some((asset, outcome)) = &row.round {
        let query = format!(
            "INSERT INTO log_{table} (seq, record, asset, outcome) VALUES (?1, ?2, ?3, ?4)"
        );
        let values = (seq, &row.record, asset, outcome);
        transaction.prepare_cached(&query)?.execute(values)?;
    } else {
        let query = format!("INSERT INTO log_{table} (seq, record) VALUES (?1, ?2)");
        transaction
            .prepare_cached(&query)?
            .execute((seq, &row.record))?;
    }
    Ok(())
}

/// Copies the tables of version 1 to another file, which has none: triggers and keys stay behind.
pub(crate) fn copy_version_1(from: &Transaction<'_>, to: &Transaction<'_>) -> rusqlite::Result<()> {
    to.execute_batch(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, description, applied_at);
         CREATE TABLE rounds (seq, round_id, asset, closed_at, outcome, decision_id, record);
         CREATE TABLE intents (seq, client_order_id, decision_id, round_id, asset, purpose,
            decided_at, record);
         CREATE TABLE reports (seq, client_order_id, at, status, filled_quantity, record);
         CREATE TABLE resolutions (seq, intent_seq, client_order_id, at, record);",
    )?;
    for table in OLD_TABLES {
        let mut reading = from.prepare(&format!("SELECT * FROM {table} ORDER BY seq"))?;
        let columns = reading.column_count();
        let places: Vec<String> = (1..=columns).map(|number| format!("?{number}")).collect();
        let mut writing = to.prepare(&format!(
            "INSERT INTO {table} VALUES ({})",
            places.join(", ")
        ))?;
        let mut rows = reading.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<rusqlite::types::Value> = (0..columns)
                .map(|column| row.get(column))
                .collect::<rusqlite::Result<_>>()?;
            writing.execute(rusqlite::params_from_iter(values))?;
        }
    }
    Ok(())
}

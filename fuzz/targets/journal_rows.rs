//! Rows of a journal, one value of which is anything: who reads them gets an answer or an error.
//!
//! The rows to change are those of the version 1 journal of `rawe-journal`'s tests, brought up to
//! date as an engine does it.
#![no_main]

use std::io::Read as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use libfuzzer_sys::fuzz_target;
use rawe_journal::{Durability, Filter, JournalReader, SqliteJournal, EVENT_TABLES};
use rusqlite::{params, Connection};
use serde_json::Value;

const VERSION_1: &[u8] =
    include_bytes!("../../crates/rawe-journal/tests/data/version-1.sqlite.gz");

/// The sequence number of the row that is changed.
const CHANGED: i64 = 1_000_000;

struct Prepared {
    connection: Connection,
    reader: JournalReader,
    rows: Vec<(&'static str, Value)>,
}

fn prepare() -> Prepared {
    let name = format!("rawe-fuzz-journal-{}.sqlite", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut bytes = Vec::new();
    let mut unpacked = flate2::read::GzDecoder::new(VERSION_1);
    unpacked.read_to_end(&mut bytes).expect("the journal unpacks");
    std::fs::write(&path, bytes).expect("a temporary file");
    drop(SqliteJournal::open(&path, Durability::Written).expect("an engine can open it"));
    let reader = JournalReader::open(&path).expect("anybody can read it");
    let connection = Connection::open(&path).expect("and write to it");
    let mut guards = String::new();
    let mut rows = Vec::new();
    for table in EVENT_TABLES {
        guards += &format!("DROP TRIGGER {table}_keep; DROP TRIGGER {table}_stay;");
        let query = format!("SELECT record FROM log_{table} LIMIT 4");
        let mut statement = connection.prepare(&query).expect("a table of ours");
        let records = statement.query_map([], |row| row.get::<_, String>(0)).expect("its rows");
        for record in records {
            let record = serde_json::from_str(&record.expect("a row")).expect("is JSON");
            rows.push((table, record));
        }
    }
    connection.execute_batch(&guards).expect("the guards can be taken off");
    connection.pragma_update(None, "synchronous", "OFF").expect("nothing of it is to be kept");
    Prepared { connection, reader, rows }
}

/// Puts `value` in place of the member or element that `path` leads to.
fn change(record: &mut Value, path: &[u8], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *record = value;
        return;
    };
    let step = usize::from(*step);
    let below = match record {
        Value::Object(members) if !members.is_empty() => {
            let count = members.len();
            members.values_mut().nth(step % count)
        }
        Value::Array(items) if !items.is_empty() => {
            let count = items.len();
            items.get_mut(step % count)
        }
        _ => None,
    };
    match below {
        Some(below) => change(below, rest, value),
        None => *record = value,
    }
}

fn read(reader: &JournalReader) {
    let everything = Filter::default();
    let _ = reader.entries();
    let _ = reader.counts();
    let _ = reader.newest_time();
    let _ = reader.rounds(&everything);
    let _ = reader.outcomes(&everything);
    for order in reader.orders(&everything, None).unwrap_or_default() {
        let _ = order.fate();
    }
    let _ = reader.trades(&everything);
    let _ = reader.open_positions(None);
    let _ = reader.control_before(i64::MAX);
    if let Ok(audit) = reader.audit() {
        let _ = audit.problems.len();
    }
}

fuzz_target!(|parts: (u8, u8, [u8; 3], u8, &str)| {
    static PREPARED: OnceLock<Mutex<Prepared>> = OnceLock::new();
    let (row, table, path, depth, text) = parts;
    let prepared = PREPARED.get_or_init(|| Mutex::new(prepare()));
    let prepared = prepared.lock().unwrap_or_else(PoisonError::into_inner);
    let count = prepared.rows.len();
    let Some((own_table, record)) = prepared.rows.get(usize::from(row) % count) else { return };
    let mut record = record.clone();
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    change(&mut record, &path[..usize::from(depth % 4)], value);
    // Now and then in a table where it does not belong.
    let elsewhere = EVENT_TABLES.get(usize::from(table)).copied();
    let table = elsewhere.unwrap_or(own_table);
    let written = if matches!(table, "decisions" | "near_misses") {
        let query = format!(
            "INSERT INTO log_{table} (seq, record, asset, outcome) VALUES (?1, ?2, 'AAPL', ?3)"
        );
        let outcome = if text.len() < 20 { text } else { "OPENED" };
        prepared.connection.execute(&query, params![CHANGED, record.to_string(), outcome])
    } else {
        let query = format!("INSERT INTO log_{table} (seq, record) VALUES (?1, ?2)");
        prepared.connection.execute(&query, params![CHANGED, record.to_string()])
    };
    if written.is_ok() {
        read(&prepared.reader);
        let query = format!("DELETE FROM log_{table} WHERE seq = ?1");
        prepared.connection.execute(&query, [CHANGED]).expect("the row can be taken out again");
    }
});

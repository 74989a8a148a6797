//! The questions that an engine asked before it kept its own books: each in a query of its own.

use rawe_core::{ClientOrderId, Purpose, RoundRecord, Symbol};
use rawe_execution::journal::{Intent, JournalError, Resolution};
use rusqlite::{Connection, OptionalExtension as _};

use crate::reader::records;
use crate::sqlite::failed;

/// Whether the newest intent of an order has this very end; an error if it has another or if there
/// is no intent.
pub(crate) fn has_end(
    connection: &Connection,
    id: &ClientOrderId,
    resolution: &Resolution,
) -> Result<bool, JournalError> {
    const DOING: &str = "recording the end of an intent";
    let intent: i64 = connection
        .query_row(
            "SELECT max(seq) FROM intents WHERE client_order_id = ?1",
            [id.as_str()],
            |row| row.get::<_, Option<i64>>(0),
        )
        .map_err(failed(DOING))?
        .ok_or_else(|| failed(DOING)(format!("there is no intent {id}")))?;
    let present: Vec<Resolution> = records(
        connection,
        DOING,
        "SELECT record -> '$.resolution' FROM resolutions WHERE client_order_id = ?1 AND seq > ?2",
        (id.as_str(), intent),
    )?;
    match present.first() {
        None => Ok(false),
        Some(present) if present == resolution => Ok(true),
        Some(_) => Err(failed(DOING)(format!(
            "intent {id} already has another end"
        ))),
    }
}

/// Intents without an end, oldest first.
pub(crate) fn unresolved(connection: &Connection) -> Result<Vec<Intent>, JournalError> {
    records(
        connection,
        "reading the intents without an end",
        "SELECT i.record FROM intents i WHERE NOT EXISTS (
            SELECT 1 FROM resolutions r
            WHERE r.client_order_id = i.client_order_id AND r.seq > i.seq) ORDER BY i.seq",
        [],
    )
}

/// The newest order for an asset and a purpose that has ended.
pub(crate) fn latest_resolved(
    connection: &Connection,
    asset: &Symbol,
    purpose: Purpose,
) -> Result<Option<ClientOrderId>, JournalError> {
    let id: Option<String> = connection
        .query_row(
            "SELECT i.client_order_id FROM intents i
             JOIN resolutions r ON r.client_order_id = i.client_order_id
             WHERE i.asset = ?1 AND i.purpose = ?2 ORDER BY r.seq DESC LIMIT 1",
            (asset.as_str(), purpose.to_string()),
            |row| row.get(0),
        )
        .optional()
        .map_err(failed("reading the newest ended intent"))?;
    Ok(id.and_then(|id| ClientOrderId::parse_ours(&id)))
}

/// The newest record of a round.
pub(crate) fn round(
    connection: &Connection,
    round_id: &str,
) -> Result<Option<RoundRecord>, JournalError> {
    let mut found: Vec<RoundRecord> = records(
        connection,
        "reading a round",
        "SELECT record FROM rounds WHERE round_id = ?1 ORDER BY seq DESC LIMIT 1",
        [round_id],
    )?;
    Ok(found.pop())
}

/// The intents of an asset, oldest first.
pub(crate) fn intents(
    connection: &Connection,
    asset: &Symbol,
) -> Result<Vec<Intent>, JournalError> {
    records(
        connection,
        "reading the intents of an asset",
        "SELECT record FROM intents WHERE asset = ?1 ORDER BY seq",
        [asset.as_str()],
    )
}

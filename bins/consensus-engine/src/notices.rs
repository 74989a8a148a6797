//! What the collective says, on its way to the log. Field names are fixed at compile time there, so
//! each that a notice may carry is listed here once; a notice's own field that is not goes into
//! the sentence.

use rawe_execution::broker::{OrderRequest, SubmitOutcome};
use rawe_execution::desk::{Notice, NoticeLevel};

/// Fields of the story of an order, as text.
const KNOWN: [&str; 27] = [
    "asset",
    "decision_id",
    "client_order_id",
    "broker_order_id",
    "round_id",
    "outcome",
    "purpose",
    "direction",
    "votes_long",
    "votes_short",
    "notional",
    "quantity",
    "price",
    "stop_price",
    "pnl",
    "status",
    "filled",
    "side",
    "reason",
    "state",
    "code",
    "untold",
    "agents",
    "able",
    "quorum",
    "source",
    "exit",
];

macro_rules! log {
    ($level:ident, $notice:expr, $message:expr) => {{
        let text = |name: &str| text_of($notice, name);
        let count = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        tracing::$level!(
            event = $notice.event,
            asset = text("asset"),
            decision_id = text("decision_id"),
            client_order_id = text("client_order_id"),
            broker_order_id = text("broker_order_id"),
            round_id = text("round_id"),
            outcome = text("outcome"),
            purpose = text("purpose"),
            direction = text("direction"),
            votes_long = count("votes_long"),
            votes_short = count("votes_short"),
            notional = text("notional"),
            quantity = text("quantity"),
            price = text("price"),
            stop_price = text("stop_price"),
            pnl = text("pnl"),
            status = text("status"),
            filled = text("filled"),
            side = text("side"),
            reason = text("reason"),
            state = text("state"),
            code = text("code"),
            untold = count("untold"),
            agents = text("agents"),
            able = count("able"),
            quorum = count("quorum"),
            source = text("source"),
            exit = text("exit"),
            "{}",
            $message
        )
    }};
}

fn text_of<'a>(notice: &'a Notice, name: &str) -> Option<&'a str> {
    let found = notice.fields.iter().find(|(field, _)| *field == name);
    found.map(|(_, value)| value.as_str())
}

/// Writes a notice to the log.
pub(crate) fn tell(notice: &Notice) {
    match notice.level {
        NoticeLevel::Debug if !tracing::enabled!(tracing::Level::DEBUG) => {}
        NoticeLevel::Info if !tracing::enabled!(tracing::Level::INFO) => {}
        NoticeLevel::Debug => log!(debug, notice, sentence(notice)),
        NoticeLevel::Info => log!(info, notice, sentence(notice)),
        NoticeLevel::Warn => log!(warn, notice, sentence(notice)),
        NoticeLevel::Error => log!(error, notice, sentence(notice)),
    }
}

fn sentence(notice: &Notice) -> String {
    let mut sentence = notice.message.clone();
    for (name, value) in &notice.fields {
        if !KNOWN.contains(name) {
            sentence.push_str("; ");
            sentence.push_str(name);
            sentence.push(' ');
            sentence.push_str(value);
        }
    }
    sentence
}

/// Tells that an order goes to the broker.
pub(crate) fn submitted(order: &OrderRequest) {
    tracing::info!(
        event = "order_submitted",
        asset = %order.symbol,
        client_order_id = %order.client_order_id,
        side = ?order.side,
        amount = ?order.amount,
        "the order goes to the broker"
    );
}

/// Tells what came of sending an order, at the moment it is known.
pub(crate) fn answered(order: &OrderRequest, outcome: &SubmitOutcome) {
    let (asset, id) = (&order.symbol, &order.client_order_id);
    match outcome {
        SubmitOutcome::Accepted(report) => tracing::info!(
            event = "order_accepted",
            %asset,
            client_order_id = %id,
            broker_order_id = report.broker_order_id,
            "the broker has the order"
        ),
        SubmitOutcome::Rejected(rejection) => tracing::warn!(
            event = "order_rejected",
            %asset,
            client_order_id = %id,
            status = rejection.status,
            "the broker refused the order: {}",
            rejection.message
        ),
        SubmitOutcome::Duplicate(said) => tracing::warn!(
            event = "order_duplicate",
            %asset,
            client_order_id = %id,
            "the broker knows this id already, looking it up: {said}"
        ),
        SubmitOutcome::Unknown(doubt) => tracing::warn!(
            event = "order_unknown",
            %asset,
            client_order_id = %id,
            "the broker may or may not have the order, looking it up: {doubt}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_a_place_is_in_the_sentence() {
        let notice = Notice {
            level: NoticeLevel::Info,
            event: "order_filled",
            fields: vec![("asset", "AAPL".to_owned()), ("coins", "3".to_owned())],
            message: "it is over".to_owned(),
        };
        assert_eq!(sentence(&notice), "it is over; coins 3");
        assert_eq!(text_of(&notice, "asset"), Some("AAPL"));
        tell(&notice);
    }
}

//! Sentences: a log line, a proposal, a closed round, each as a person would say it. Pure.

use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{AgentId, ArbitrageSignal, Direction, RoundOutcome, RoundRecord, SignalType};
use rust_decimal::prelude::ToPrimitive as _;

use crate::log_line::LogLine;
use crate::up::printer::{Tone, dollars};

/// What a line says, with the facts that its own sentence leaves to its fields.
pub(crate) fn sentence(line: &LogLine) -> String {
    match line.event.as_str() {
        "narrative_risen" => {
            let rating = line.text("rating");
            let headline = line.text("headline");
            let quoted = if headline.is_empty() {
                String::new()
            } else {
                format!(": \u{201c}{}\u{201d}", shortened(&headline, 70))
            };
            format!("{}, rated {rating}{quoted}", line.message)
        }
        "trading_state_changed" => trading(&line.text("state"), &line.text("reason")),
        event if event.starts_with("order_") => of_order(line),
        event if event.starts_with("position_") => of_position(line),
        _ => line.message.clone(),
    }
}

/// What became of an order.
fn of_order(line: &LogLine) -> String {
    let (said, id) = (&line.message, line.text("client_order_id"));
    match line.event.as_str() {
        "order_accepted" => format!("{said} for {} ({id})", line.text("asset")),
        "order_ended" => format!(
            "the order for {} has ended without a fill: {} ({id})",
            line.text("asset"),
            line.text("status").to_lowercase()
        ),
        "order_partly_filled" => format!(
            "{said}: {} at ${} ({id})",
            line.text("quantity"),
            line.text("price")
        ),
        "order_delayed" => format!("{said} ({id})"),
        _ => said.clone(),
    }
}

/// What became of a position.
fn of_position(line: &LogLine) -> String {
    let number = |key: &str| line.text(key).parse::<f64>().ok();
    let traded = || {
        format!(
            "{}: {} at ${}",
            line.message,
            line.text("quantity"),
            line.text("price")
        )
    };
    match line.event.as_str() {
        "position_opened" => {
            let stop = number("stop_price").map_or_else(String::new, |_| {
                format!("; left at ${} at the latest", line.text("stop_price"))
            });
            let notional = dollars(number("notional").unwrap_or_default());
            format!("{}, {notional} in all{stop}", traded())
        }
        "position_reduced" => traded(),
        "position_closed" => {
            let gain = number("pnl").map_or_else(
                || "profit unknown".to_owned(),
                |pnl| {
                    let word = if pnl < 0.0 { "a loss of" } else { "a gain of" };
                    format!("{word} {}", dollars(pnl.abs()))
                },
            );
            format!("{}, {gain}", traded())
        }
        _ => line.message.clone(),
    }
}

/// What trading has become, and why.
fn trading(state: &str, reason: &str) -> String {
    let state = match state {
        "Active" => "trading is allowed",
        "Reducing" => "positions are only made smaller",
        _ => "trading is halted",
    };
    if reason.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {reason}")
    }
}

/// Whether an event is about money, by its name.
pub(crate) fn tone_of(event: &str) -> Tone {
    if event.starts_with("order_") || event.starts_with("position_") || event.starts_with("fill_") {
        Tone::Trade
    } else {
        Tone::Plain
    }
}

/// A voter's display name without the article: `Alpha Aggressor`; its id if it is not a founder.
pub(crate) fn display_name(agent: &AgentId) -> String {
    FOUNDING_AGENTS
        .iter()
        .find(|(id, _)| *id == agent.as_str())
        .map_or_else(
            || agent.to_string(),
            |(_, name)| name.trim_start_matches("The ").to_owned(),
        )
}

fn names(agents: &[&AgentId]) -> String {
    let names: Vec<String> = agents.iter().map(|agent| display_name(agent)).collect();
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What an agent proposes, and why.
pub(crate) fn proposal(signal: &ArbitrageSignal) -> String {
    let trade = &signal.metadata;
    let why = match signal.signal_type {
        SignalType::NarrativeLeads => "the story runs ahead of the price",
        SignalType::CapitalLeads => "the price moves without the story",
        SignalType::Divergence => "story and price point different ways",
    };
    let evidence = |key: &str| trade.metadata.get(key).and_then(|value| value.as_str());
    let story = evidence("headline")
        .or_else(|| evidence("narrative"))
        // A price that moves by itself is not explained by the loudest story.
        .filter(|text| !text.is_empty() && signal.signal_type != SignalType::CapitalLeads)
        // What does not hold together has no headline that speaks for it: it is small talk.
        .filter(|_| !matches!(evidence("coherence_rating"), Some("D" | "NR")))
        .filter(|text| !speaks_of_others(text, signal.financial_asset.as_str()))
        .map_or_else(String::new, |text| {
            format!(": \u{201c}{}\u{201d}", shortened(text, 70))
        });
    let size = trade.size.to_f64().unwrap_or_default();
    format!(
        "proposes {} {} for {}, {why}{story}",
        trade.direction,
        signal.financial_asset,
        dollars(size)
    )
}

/// Whether a headline tags assets, and this one is not among them: it may stand for a story that is
/// told of many, but beside this asset it would only puzzle.
fn speaks_of_others(headline: &str, asset: &str) -> bool {
    let ticker = asset.split('/').next().unwrap_or(asset);
    let mut tags = headline
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '$' && c != '.')
        .filter_map(|word| word.strip_prefix('$'))
        .map(|tag| tag.trim_end_matches('.'))
        .filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()))
        .peekable();
    tags.peek().is_some() && !tags.any(|tag| tag.eq_ignore_ascii_case(ticker))
}

fn shortened(text: &str, columns_max: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.chars().count() <= columns_max {
        return clean;
    }
    let cut: String = clean.chars().take(columns_max - 1).collect();
    format!("{}\u{2026}", cut.trim_end())
}

/// Agents for and against the round's direction.
fn sides(record: &RoundRecord) -> (Vec<&AgentId>, Vec<&AgentId>) {
    let side = |agrees: bool| {
        let mut agents: Vec<&AgentId> = record
            .votes
            .iter()
            .filter(|vote| (Some(vote.direction) == record.direction) == agrees)
            .map(|vote| &vote.agent)
            .collect();
        agents.dedup();
        agents
    };
    (side(true), side(false))
}

/// What the collective decided, and who was for and against it.
pub(crate) fn decision(record: &RoundRecord) -> String {
    let verb = match (record.outcome, record.direction) {
        (RoundOutcome::Closed, _) => "closes its position in",
        (_, Some(Direction::Short)) => "sells short",
        _ => "buys",
    };
    let amount = record
        .notional
        .and_then(|notional| notional.to_f64())
        .map_or_else(String::new, |notional| {
            format!(" for {}", dollars(notional))
        });
    let (agreeing, dissenting) = sides(record);
    let voters = record.votes.len() + record.absences.len();
    let mut text = format!("The collective {verb} {}{amount}", record.asset);
    if !agreeing.is_empty() {
        text += &format!(
            ": {} of {voters} agree ({})",
            agreeing.len(),
            names(&agreeing)
        );
    }
    if !dissenting.is_empty() {
        text += &format!(", {} against", names(&dissenting));
    }
    if let Some(profit) = record.expected_profit {
        text += &format!(", expecting {}", dollars(profit));
    }
    // With votes the engine's reason says the same again; without any it is all there is.
    if record.votes.is_empty() {
        text += &format!(": {}", record.reason);
    }
    text
}

/// What a vote lacked.
pub(crate) fn near_miss(record: &RoundRecord) -> String {
    let voters = |direction: Direction| {
        let votes = record
            .votes
            .iter()
            .filter(|vote| vote.direction == direction);
        let mut agents: Vec<&AgentId> = votes.map(|vote| &vote.agent).collect();
        agents.dedup();
        (!agents.is_empty()).then(|| format!("{direction}: {}", names(&agents)))
    };
    let sides = [voters(Direction::Long), voters(Direction::Short)];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    format!(
        "{} ({}; {} needed)",
        record.asset,
        sides.join("; "),
        record.quorum
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_quoted_beside_the_assets_it_tags() {
        let cases = [
            ("Apple beats estimates", "AAPL", false),
            ("$AAPL beats, $5 a share", "AAPL", false),
            ("$xom options expire", "NVDA", true),
            ("is $TSLA the next $AAPL?", "AAPL", false),
            ("up $5 and $10.", "AAPL", false),
            ("$BTC, what now", "BTC/USD", false),
            ("$ETH. And you?", "BTC/USD", true),
            ("$BRK.B rises", "BRK.B", false),
        ];
        for (headline, asset, expected) in cases {
            assert_eq!(speaks_of_others(headline, asset), expected, "{headline}");
        }
    }
}

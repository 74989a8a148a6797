//! The broker: can it be reached, whose money is it, may it trade, and do the clocks agree?

use std::time::Duration;

use consensus_engine::EngineArgs;
use rawe_alpaca::TradingClient;
use rawe_execution::broker::Broker as _;
use rawe_runtime::{ConfigProblems, wall_now};
use tokio::time::timeout;

use super::Findings;

/// The longest a question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than so many seconds apart, the engine halts trading (`risk.clock_skew`).
const SKEW_SECS_MAX: i64 = 10;
/// A clock further away than this is a replay's, not a wrong one.
const REPLAY_SECS_MIN: i64 = 86_400;

pub(super) async fn look(args: &EngineArgs, findings: &mut Findings) {
    let url = &args.broker.alpaca_url;
    let is_ours = url
        .host_str()
        .is_some_and(|host| !host.ends_with("alpaca.markets"));
    let what = match (args.broker.is_live(), is_ours) {
        (true, _) => "REAL MONEY",
        (false, true) => "not Alpaca: a paper exchange",
        (false, false) => "paper account at Alpaca",
    };
    if args.broker.is_live() {
        findings.warn("broker.money", format!("{url}: {what}"), "mean it");
    } else {
        findings.ok("broker.money", format!("{url}: {what}"));
    }
    let client = match client(args) {
        Ok(client) => client,
        Err(problem) => {
            let advice = "set APCA_API_KEY_ID and APCA_API_SECRET_KEY";
            return findings.fail("broker.keys", problem, advice);
        }
    };
    let account = match timeout(PATIENCE, client.account()).await {
        Ok(Ok(account)) => account,
        Ok(Err(error)) => {
            let advice = if is_ours {
                "start it: rawe run paper-exchange; `rawe up` does so by itself"
            } else {
                "check the network, and that the keys belong to this kind of account"
            };
            return findings.fail("broker", format!("{url}: {error}"), advice);
        }
        Err(_) => return findings.fail("broker", format!("{url}: no answer in 10 s"), "try again"),
    };
    findings.ok(
        "broker",
        format!("account {} with {} USD", account.id, account.equity),
    );
    if account.can_trade {
        findings.ok("broker.trading", "the account may trade");
    } else {
        let advice = "look at the account at the broker: it is blocked or not yet active";
        findings.fail("broker.trading", "the account may not trade", advice);
    }
    if account.shorting_enabled {
        findings.ok("broker.shorting", "the account may sell short");
    } else {
        findings.warn(
            "broker.shorting",
            "the account may not sell short: such decisions end as SHORT_NOT_POSSIBLE or the like",
            "at Alpaca it takes a margin account with 2,000 USD",
        );
    }
    look_at_clock(&client, findings).await;
}

fn client(args: &EngineArgs) -> Result<TradingClient, String> {
    let (key_id, secret_key) = args
        .broker
        .keys()
        .map_err(|ConfigProblems(p)| p.join("; "))?;
    let (url, data_url) = (args.broker.alpaca_url.clone(), args.broker.data_url());
    let mut settings = rawe_alpaca::Settings::new(url, data_url, key_id, secret_key);
    // Only questions are asked here.
    settings.allow_live = true;
    TradingClient::new(&settings).map_err(|error| error.to_string())
}

async fn look_at_clock(client: &TradingClient, findings: &mut Findings) {
    let check = "broker.clock";
    let asked = wall_now();
    let clock = match timeout(PATIENCE, client.clock()).await {
        Ok(Ok(clock)) => clock,
        Ok(Err(error)) => return findings.fail(check, error.to_string(), "try again"),
        Err(_) => return findings.fail(check, "no answer in 10 s", "try again"),
    };
    let middle = asked + (wall_now() - asked) / 2;
    let skew = clock.timestamp - middle;
    let found = format!("{:+.1} s from ours", skew.as_seconds_f64());
    match skew.num_seconds().abs() {
        secs if secs >= REPLAY_SECS_MIN => {
            findings.ok(check, format!("{}: a replay's time", clock.timestamp));
        }
        secs if secs > SKEW_SECS_MAX => {
            findings.fail(
                check,
                found,
                "set this machine's clock (chrony, systemd-timesyncd)",
            );
        }
        secs if secs >= 2 => findings.warn(check, found, "set this machine's clock"),
        _ => findings.ok(check, found),
    }
}

//! A voter of `rawe chaos`, as a process of its own (`rawe run chaos-voter`, not for people): it
//! beats like an agent and votes at every slot of wall time. Seed and slot say about which asset
//! and in which direction, so that voters agree without talking; each strays now and then.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rawe_bus::{Bus, RedisBus};
use rawe_core::channels::SIGNAL_CHANNEL;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{AgentId, ProcessState};
use rawe_runtime::{Heart, new_boot_id, new_uuid, wall_now};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// USD that every vote proposes.
const SIZE_USD: f64 = 1_000.0;
/// Of a thousand votes, how many go the other way, and how many are not cast.
const STRAYS: u64 = 40;
const SILENCES: u64 = 120;
/// Votes are good for so long.
const TTL_MS: u64 = 10_000;
/// How long Redis may take for one answer before the vote counts as lost.
const BUS_PATIENCE: Duration = Duration::from_secs(2);

/// What a voter is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct VoterArgs {
    /// Redis
    #[arg(long, env = "RAWE_REDIS_URL", hide_env_values = true)]
    redis_url: String,
    /// Which of the founding agents it plays
    #[arg(long, value_name = "ID")]
    pub(crate) id: String,
    /// Decides every vote
    #[arg(long, value_name = "N")]
    seed: u64,
    /// How many assets are voted on
    #[arg(long, value_name = "N")]
    assets: usize,
    /// Milliseconds between two slots
    #[arg(long, value_name = "MS")]
    vote_ms: u64,
}

/// The coin of a number: CAA/USD, CAB/USD, ...
pub(crate) fn coin(number: usize) -> String {
    let letter = |index: usize| char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    format!("C{}{}/USD", letter(number / 26), letter(number))
}

/// A number that looks random, out of three.
pub(crate) fn mixed(seed: u64, slot: u64, salt: u64) -> u64 {
    let mut x = seed
        .wrapping_add(slot.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(salt.wrapping_mul(0xD1B5_4A32_D192_ED03));
    for factor in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
        x = (x ^ (x >> 30)).wrapping_mul(factor);
    }
    x ^ (x >> 31)
}

/// What everybody wants at a slot: an asset, and whether to hold it. An asset's turns alternate
/// between opening and closing, but for one in eight.
fn wanted(seed: u64, slot: u64, assets: usize) -> (String, bool) {
    let assets = u64::try_from(assets).unwrap_or(1).max(1);
    let turn = slot / assets;
    let astray = mixed(seed, slot, 1).is_multiple_of(8);
    let asset = usize::try_from(slot % assets).unwrap_or(0);
    (coin(asset), turn.is_multiple_of(2) != astray)
}

/// The process.
pub(crate) async fn vote(args: VoterArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let position = FOUNDING_AGENTS.iter().position(|(id, _)| *id == args.id);
    let Some((number, (_, name))) = position.and_then(|n| Some((n, FOUNDING_AGENTS.get(n)?)))
    else {
        anyhow::bail!("{} is not a founding agent", args.id);
    };
    let salt = 2 + u64::try_from(number)?;
    let bus = loop {
        match timeout(BUS_PATIENCE, RedisBus::connect(&args.redis_url)).await {
            Ok(Ok(bus)) => break bus,
            _ if shutdown.is_cancelled() => return Ok(()),
            _ => sleep(Duration::from_millis(100)).await,
        }
    };
    let (agent, boot) = (AgentId::new(&args.id)?, new_boot_id());
    let heart = Heart::new(&args.id, Some(agent), boot.clone());
    heart.set_state(ProcessState::Running, "votes for rawe chaos");
    let beating = heart.beat(Arc::new(bus.clone()), shutdown.clone());
    let mut sequence = 0_u64;
    loop {
        let now_ms = u64::try_from(wall_now().timestamp_millis())?;
        let slot = now_ms / args.vote_ms + 1;
        let pause = Duration::from_millis(slot * args.vote_ms - now_ms);
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => break,
        }
        let draw = mixed(args.seed, slot, salt) % 1_000;
        if draw < SILENCES {
            continue;
        }
        let (asset, hold) = wanted(args.seed, slot, args.assets);
        let long = hold != (draw < SILENCES + STRAYS);
        sequence += 1;
        let who = json!({"id": args.id, "boot_id": boot, "sequence": sequence});
        let payload = signal(name, &who, &asset, long, slot * args.vote_ms).to_string();
        // A lost vote is a lost vote.
        let _heard = timeout(
            BUS_PATIENCE,
            bus.publish(SIGNAL_CHANNEL, payload.as_bytes()),
        )
        .await;
    }
    beating.await?;
    Ok(())
}

fn signal(name: &str, who: &Value, asset: &str, long: bool, at_ms: u64) -> Value {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis);
    let at = at.unwrap_or_else(wall_now).to_rfc3339();
    json!({
        "timestamp": at, "narrative_id": "chaos", "financial_asset": asset,
        "signal_type": "narrative_leads", "strength": 0.8, "expected_profit": 12.5,
        "risk_score": 0.3,
        "metadata": {
            "agent_name": name, "financial_asset": asset,
            "direction": if long { "long" } else { "short" }, "size": SIZE_USD,
            "expected_profit": 12.5, "risk_score": 0.3,
        },
        "version": 1, "signal_id": new_uuid().to_string(), "agent": who, "ttl_ms": TTL_MS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_symbols_and_turns_open_and_close() {
        for number in [0, 25, 26, 599] {
            assert!(
                rawe_core::Symbol::new(&coin(number)).is_ok(),
                "{}",
                coin(number)
            );
        }
        let held: Vec<bool> = (0..400).map(|turn| wanted(3, turn * 10, 10).1).collect();
        let turns = held.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(turns > 250, "{turns}");
        assert_eq!(wanted(3, 17, 10), wanted(3, 17, 10));
    }
}

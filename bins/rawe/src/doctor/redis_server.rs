//! Redis: does it answer, is it new enough, does it keep what is written, and may this user look?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, cmd};
use tokio::time::timeout;

use super::Findings;

/// The longest anything here may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Key permissions of users, and with them config/redis/users.acl, need this version.
const VERSION_MIN: u32 = 7;
/// Bytes that Redis holds for a subscriber that is slow; less than its own default is too little.
const PUBSUB_BUFFER_MIN: u64 = 8 * 1024 * 1024;

pub(super) async fn look(url: &str, findings: &mut Findings) {
    let place = rawe_bus::describe_url(url);
    let mut connection = match connect(url).await {
        Ok(connection) => connection,
        Err(error) => {
            findings.fail(
                "redis",
                format!("{place}: {error}"),
                "start Redis, or give --redis-url; `rawe up` brings its own",
            );
            return;
        }
    };
    let started = Instant::now();
    match ask::<String>(&mut connection, cmd("PING")).await {
        Ok(_) => findings.ok(
            "redis",
            format!(
                "{place} answers in {:.1} ms",
                started.elapsed().as_secs_f64() * 1e3
            ),
        ),
        Err(error) => findings.fail(
            "redis",
            format!("{place}: {error}"),
            "check user and password",
        ),
    }
    look_at_version(&mut connection, findings).await;
    look_at_user(&mut connection, findings).await;
    look_at_memory(&mut connection, findings).await;
    look_at_buffers(&mut connection, findings).await;
}

async fn connect(url: &str) -> Result<MultiplexedConnection, String> {
    let client = Client::open(url).map_err(|error| error.to_string())?;
    let connecting = client.get_multiplexed_async_connection();
    match timeout(PATIENCE, connecting).await {
        Ok(connection) => connection.map_err(|error| error.to_string()),
        Err(_) => Err("no answer within 3 s".to_owned()),
    }
}

async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: Cmd,
) -> Result<T, String> {
    match timeout(PATIENCE, command.query_async(connection)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer within 3 s".to_owned()),
    }
}

fn words(name: &str, words: &[&str]) -> Cmd {
    let mut command = cmd(name);
    for word in words {
        command.arg(*word);
    }
    command
}

async fn look_at_version(connection: &mut MultiplexedConnection, findings: &mut Findings) {
    let check = "redis.version";
    let info: String = match ask(connection, words("INFO", &["server"])).await {
        Ok(info) => info,
        Err(error) => return not_allowed(check, &error, findings),
    };
    let version = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("unknown");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= VERSION_MIN) {
        findings.ok(check, version);
    } else {
        findings.warn(
            check,
            version,
            "use Redis 7 or later: older ones cannot limit users to keys (docs/security.md)",
        );
    }
}

async fn look_at_user(connection: &mut MultiplexedConnection, findings: &mut Findings) {
    let check = "redis.user";
    match ask::<String>(connection, words("ACL", &["WHOAMI"])).await {
        Ok(user) if user == "default" => findings.warn(
            check,
            "the user `default`, which may do everything",
            "on a Redis of several machines make users: rawe keys redis --out keys",
        ),
        Ok(user) => findings.ok(check, user),
        // Who may not even ask is one of the users made for one process.
        Err(error) if error.contains("NOPERM") => findings.ok(check, "a user with few rights"),
        Err(error) => not_allowed(check, &error, findings),
    }
}

async fn config(
    connection: &mut MultiplexedConnection,
    key: &str,
) -> Result<Option<String>, String> {
    let answer: BTreeMap<String, String> = ask(connection, words("CONFIG", &["GET", key])).await?;
    Ok(answer.into_values().next())
}

async fn look_at_memory(connection: &mut MultiplexedConnection, findings: &mut Findings) {
    let check = "redis.memory";
    let limit = config(connection, "maxmemory").await;
    let policy = config(connection, "maxmemory-policy").await;
    match (limit, policy) {
        (Ok(Some(limit)), Ok(Some(policy))) if limit == "0" || policy == "noeviction" => {
            findings.ok(check, format!("limit {limit} bytes (0: none), {policy}"));
        }
        (Ok(limit), Ok(policy)) => findings.fail(
            check,
            format!(
                "limit {} bytes, {}: full, Redis would throw whole streams away",
                limit.unwrap_or_default(),
                policy.unwrap_or_default()
            ),
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (Err(error), _) | (_, Err(error)) => not_allowed(check, &error, findings),
    }
    let check = "redis.persistence";
    match config(connection, "appendonly").await {
        Ok(Some(value)) if value == "yes" => findings.ok(check, "append-only file"),
        Ok(_) => findings.warn(
            check,
            "no append-only file: a restart of Redis loses the agents' history and snapshots",
            "redis-server --appendonly yes; orders are safe without it, they are in the journal",
        ),
        Err(error) => not_allowed(check, &error, findings),
    }
}

async fn look_at_buffers(connection: &mut MultiplexedConnection, findings: &mut Findings) {
    let check = "redis.pubsub_buffer";
    let limits = match config(connection, "client-output-buffer-limit").await {
        Ok(limits) => limits.unwrap_or_default(),
        Err(error) => return not_allowed(check, &error, findings),
    };
    let mut rest = limits
        .split_whitespace()
        .skip_while(|word| *word != "pubsub");
    let hard = rest.nth(1).and_then(|hard| hard.parse::<u64>().ok());
    match hard {
        Some(hard) if hard > 0 && hard < PUBSUB_BUFFER_MIN => findings.warn(
            check,
            format!("{hard} bytes: a burst cuts the engine's subscription, and votes are lost"),
            "CONFIG SET client-output-buffer-limit \"pubsub 32mb 8mb 60\"",
        ),
        Some(hard) => findings.ok(check, format!("{hard} bytes (0: no limit)")),
        None => findings.warn(
            check,
            format!("not understood: '{limits}'"),
            "look at it yourself",
        ),
    }
}

fn not_allowed(check: &'static str, error: &str, findings: &mut Findings) {
    if error.contains("NOPERM") || error.contains("permission") {
        findings.ok(check, "not looked at: this user may not ask");
    } else {
        findings.warn(
            check,
            format!("not looked at: {error}"),
            "ask as a user who may",
        );
    }
}

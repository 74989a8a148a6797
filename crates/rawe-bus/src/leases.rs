//! Leases: who of several may act. On Redis two short scripts, each of which looks and changes in
//! one step; in memory the same by hand.

use std::collections::HashMap;
use std::time::Duration;

use redis::Cmd;
use tokio::time::Instant;

use crate::{BusError, Lease, LeaseHolder};

/// Takes, renews or refuses. The value is `token boot holder`. The token is at least the server's
/// time, so that it grows even when the server has lost its memory.
const TAKE: &str = r"
local held = redis.call('GET', KEYS[1])
if held then
  local token, boot, holder = string.match(held, '^(%d+) (%S+) (.*)$')
  if boot == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return {1, tonumber(token), holder, 0}
  end
  if token and holder ~= ARGV[2] then
    return {0, tonumber(token), holder, redis.call('PTTL', KEYS[1])}
  end
end
local time = redis.call('TIME')
local token = tonumber(redis.call('GET', KEYS[2]) or '0') + 1
token = math.max(token, time[1] * 1000 + math.floor(time[2] / 1000))
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {1, token, ARGV[2], 0}
";
/// Gives back what this boot has.
const GIVE_BACK: &str = r"
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (%S+) ') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
";

fn key(name: &str) -> String {
    format!("rawe:lease:{name}")
}

/// What Redis answers to [`TAKE`].
pub(crate) type Answer = (i64, u64, String, i64);

/// The command that takes or renews.
pub(crate) fn take(name: &str, holder: LeaseHolder<'_>, ttl: Duration) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(TAKE)
        .arg(2)
        .arg(key(name))
        .arg(format!("{}:token", key(name)))
        .arg(holder.boot)
        .arg(holder.holder)
        .arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
    command
}

/// The command that gives back.
pub(crate) fn give_back(name: &str, boot: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(GIVE_BACK).arg(1).arg(key(name)).arg(boot);
    command
}

/// What an answer means.
pub(crate) fn read((held, token, holder, left): Answer) -> Result<Lease, BusError> {
    match held {
        1 => Ok(Lease::Held { token }),
        0 => Ok(Lease::Taken {
            holder,
            token,
            left: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        }),
        other => Err(BusError::Protocol(format!(
            "a lease was answered with '{other}'"
        ))),
    }
}

/// A lease in memory.
#[derive(Debug)]
struct Held {
    token: u64,
    boot: String,
    holder: String,
    until: Instant,
}

/// The leases of a bus in memory.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: HashMap<String, Held>,
    tokens: u64,
}

impl Leases {
    pub(crate) fn take(&mut self, name: &str, asking: LeaseHolder<'_>, ttl: Duration) -> Lease {
        let now = Instant::now();
        if let Some(held) = self.held.get_mut(name).filter(|held| held.until > now) {
            if held.boot == asking.boot {
                held.until = now + ttl;
                return Lease::Held { token: held.token };
            }
            if held.holder != asking.holder {
                return Lease::Taken {
                    holder: held.holder.clone(),
                    token: held.token,
                    left: held.until - now,
                };
            }
        }
        self.tokens += 1;
        let held = Held {
            token: self.tokens,
            boot: asking.boot.to_owned(),
            holder: asking.holder.to_owned(),
            until: now + ttl,
        };
        self.held.insert(name.to_owned(), held);
        Lease::Held { token: self.tokens }
    }

    pub(crate) fn give_back(&mut self, name: &str, boot: &str) {
        if self.held.get(name).is_some_and(|held| held.boot == boot) {
            self.held.remove(name);
        }
    }
}

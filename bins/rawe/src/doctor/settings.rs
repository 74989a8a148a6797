//! The configuration: is it good, and which of its settings are unsafe. Limits are compared with the
//! defaults by name, so that a new limit is looked at without a word here.

use consensus_engine::{EngineArgs, Settings};
use rawe_consensus::ConsensusConfig;
use rawe_core::signing::Authentication;
use rawe_execution::RiskLimits;
use rawe_runtime::{ConfigProblems, load_section};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::Findings;

/// Over so many times its default a limit is called raised.
const RAISED: i64 = 5;

pub(super) fn look(args: &EngineArgs, findings: &mut Findings) {
    let settings = Settings::load(args);
    let is_good = settings.is_ok();
    match settings {
        Ok(_) => findings.ok(
            "config",
            match &args.common.config {
                Some(path) => format!("{} is good", path.display()),
                None => "no file: the defaults".to_owned(),
            },
        ),
        Err(ConfigProblems(problems)) => {
            for problem in problems {
                findings.fail(
                    "config",
                    problem,
                    "correct it; --check-config says the same",
                );
            }
        }
    }
    let path = args.common.config.as_deref();
    let risk: RiskLimits = load_section(path, "risk").unwrap_or_default();
    let consensus: ConsensusConfig = load_section(path, "consensus").unwrap_or_default();
    let before = findings.0.len();
    let is_live = args.broker.is_live();
    for (section, set, default) in [
        ("risk", object(&risk), object(&RiskLimits::default())),
        (
            "consensus",
            object(&consensus),
            object(&ConsensusConfig::default()),
        ),
    ] {
        for (key, value) in set {
            look_at(section, &key, &value, default.get(&key), is_live, findings);
        }
    }
    if is_good && findings.0.len() == before {
        findings.ok(
            "config.safe",
            "no limit is raised far over its default, none is off",
        );
    }
    look_at_authentication(&args.common.redis_url, &consensus, findings);
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn look_at(
    section: &str,
    key: &str,
    value: &Value,
    default: Option<&Value>,
    is_live: bool,
    findings: &mut Findings,
) {
    let name = format!("{section}.{key} = {value}");
    let unsafe_words = [("last_price", "off"), ("clock_skew", "warn")];
    let is_off = unsafe_words
        .iter()
        .any(|(unsafe_key, word)| key == *unsafe_key && value == word);
    let is_minority = key == "allow_minority" && value == &Value::Bool(true);
    let is_limit = key.contains("_max") || key == "new_positions_per_hour";
    let raised = is_limit
        && number(value)
            .zip(default.and_then(number))
            .is_some_and(|(value, default)| value > default * Decimal::from(RAISED));
    let problem = if is_off {
        "a check is off: for benchmarks and paper only"
    } else if is_minority {
        "both directions may have a quorum at once"
    } else if raised {
        "a limit is raised far over its default"
    } else {
        return;
    };
    let found = format!("{name}: {problem}");
    let usual = default.map_or_else(String::new, |default| format!("; the default is {default}"));
    let advice = format!("leave it out unless you mean it{usual}");
    if is_live {
        findings.fail("config.safe", found, advice);
    } else {
        findings.warn("config.safe", found, advice);
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn look_at_authentication(redis_url: &str, consensus: &ConsensusConfig, findings: &mut Findings) {
    match consensus.auth {
        Authentication::Required => findings.ok("consensus.auth", "everybody must sign"),
        Authentication::Optional => findings.warn(
            "consensus.auth",
            "optional: voters without a key can be played by anybody",
            "give everybody a key (rawe keys check) and write \"required\"",
        ),
        Authentication::Off if is_local(redis_url) => {
            findings.ok("consensus.auth", "off, and Redis is on this machine");
        }
        Authentication::Off => findings.warn(
            "consensus.auth",
            "off, and Redis is on another machine: whoever reaches it can vote and resume",
            "rawe keys all --out keys, and see docs/security.md",
        ),
    }
}

/// Whether the URL names this machine.
fn is_local(url: &str) -> bool {
    let url = if url.contains("://") {
        url.to_owned()
    } else {
        format!("redis://{url}")
    };
    let Ok(url) = Url::parse(&url) else {
        return false;
    };
    match url.host() {
        // The scheme is not one of the web's, so an address is a name to the parser.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => url.scheme().contains("unix"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        for local in [
            "redis://127.0.0.1:6379",
            "redis://localhost",
            "127.0.0.1",
            "redis://[::1]:1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in ["redis://10.0.0.5:6379", "rediss://redis.example:1", "redis"] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn the_defaults_are_safe_and_raised_limits_are_named() {
        let mut findings = Findings::default();
        let default = object(&RiskLimits::default());
        assert!(!default.is_empty());
        for (key, value) in &default {
            look_at("risk", key, value, default.get(key), false, &mut findings);
        }
        assert!(findings.0.is_empty(), "{findings:?}");
        let huge = Value::from("900000000");
        let usual = default.get("order_notional_max");
        look_at(
            "risk",
            "order_notional_max",
            &huge,
            usual,
            false,
            &mut findings,
        );
        look_at(
            "risk",
            "last_price",
            &Value::from("off"),
            None,
            true,
            &mut findings,
        );
        let levels: Vec<_> = findings.0.iter().map(|finding| finding.level).collect();
        assert_eq!(
            levels,
            [super::super::Level::Warn, super::super::Level::Fail]
        );
    }
}

//! `rawe doctor`: is everything here that trading needs, and is anything set that should not be?
//! One line for each thing looked at, with what to do about it. It changes nothing: what it writes
//! beside the journal to measure the disk is removed at once.

mod broker;
mod machine;
mod redis_server;
mod settings;

use clap::Args;
use consensus_engine::EngineArgs;
use serde::Serialize;

/// What `rawe doctor` takes: all that the consensus engine takes, because it looks at its world.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe doctor\n  \
    rawe doctor --config rawe.toml --redis-url redis://10.0.0.5:6379\n  \
    rawe doctor --alpaca-url https://paper-api.alpaca.markets --json\n\n\
    Exit codes: 0 when nothing failed (warnings are no failure), 1 otherwise.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// Trading will not work, or must not.
    Fail,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    level: Level,
    /// What was looked at, such as `redis.version`: an interface for scripts.
    check: &'static str,
    /// What was found.
    found: String,
    /// What to do; empty when all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(Level::Ok, check, found, "");
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Level::Warn, check, found, advice);
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Level::Fail, check, found, advice);
    }

    fn add(
        &mut self,
        level: Level,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0.push(Finding {
            level,
            check,
            found: found.into(),
            advice: advice.into(),
        });
    }

    fn worst(&self) -> Level {
        let levels = self.0.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let level = match finding.level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            text += &format!("{level}  {:<22} {}\n", finding.check, finding.found);
            if !finding.advice.is_empty() {
                text += &format!("{:28} -> {}\n", "", finding.advice);
            }
        }
        text
    }
}

/// Looks at everything, prints it, and fails if something failed.
pub(crate) async fn doctor(args: DoctorArgs) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    settings::look(&args.engine, &mut findings);
    redis_server::look(&args.engine.common.redis_url, &mut findings).await;
    broker::look(&args.engine, &mut findings).await;
    machine::look(&args.engine.journal, &mut findings);
    let worst = findings.worst();
    if args.json {
        let told = serde_json::json!({"worst": worst, "findings": findings.0});
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print!("{}", findings.text());
    }
    let failed = findings
        .0
        .iter()
        .filter(|finding| finding.level == Level::Fail);
    let failed: Vec<&str> = failed.map(|finding| finding.check).collect();
    anyhow::ensure!(failed.is_empty(), "not fit to trade: {}", failed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_rules_and_advice_is_told() {
        let mut findings = Findings::default();
        assert_eq!(findings.worst(), Level::Ok);
        findings.ok("a", "fine");
        findings.warn("b", "odd", "look at it");
        assert_eq!(findings.worst(), Level::Warn);
        findings.fail("c", "broken", "mend it");
        assert_eq!(findings.worst(), Level::Fail);
        let text = findings.text();
        assert!(
            text.contains("-> mend it") && text.contains("FAIL  c"),
            "{text}"
        );
    }
}

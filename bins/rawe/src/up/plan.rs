//! The plan of a run: which bus, which processes with which arguments and variables, in which
//! order. Nothing is started here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rawe_runtime::{ConfigProblems, LIFELINE_VARIABLE};
use toml::Value;

use crate::run_folder::{ALPACA_JOURNAL_FILE, JOURNAL_FILE, RunFolder};
use crate::up::account::AccountSource;
use crate::up::bus_choice::BusChoice;
use crate::up::options::UpArgs;
use crate::up::private_redis::{self, PrivateRedis};
use crate::up::roster::{self, RosterPlan};
use crate::up::supervisor::{ChildPlan, Stage};

/// Alpaca's paper trading API.
const ALPACA_PAPER_URL: &str = "https://paper-api.alpaca.markets";
/// Both keys of our own exchange.
const EXCHANGE_KEY: &str = "paper";

/// The plan.
pub(crate) struct Plan {
    /// The bus for people.
    pub(crate) bus_described: String,
    /// Its URL; none when embedded.
    pub(crate) redis_url: Option<String>,
    /// The URL again, if the Redis is ours to write down.
    pub(crate) private_url: Option<String>,
    /// What is played, for people.
    pub(crate) market_sentence: String,
    /// The voters' ids.
    pub(crate) voters: BTreeSet<String>,
    /// Votes needed.
    pub(crate) quorum: usize,
    /// Where the account is asked about.
    pub(crate) account: AccountSource,
    /// Started first: Redis, or the one process that is everything.
    pub(crate) first: Vec<ChildPlan>,
    /// Started when the bus answers; the others wait for its health.
    pub(crate) exchange: Option<ChildPlan>,
    /// Started last.
    pub(crate) others: Vec<ChildPlan>,
    /// Every process again, told only to check its configuration.
    pub(crate) checks: Vec<ChildPlan>,
}

/// One process of the collective: its name, the words after `rawe run`, its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its name in logs and heartbeats.
    pub(crate) name: String,
    /// The words after `rawe run`.
    pub(crate) words: Vec<OsString>,
    /// When it is stopped.
    pub(crate) stage: Stage,
}

impl Plan {
    /// Makes the plan.
    pub(crate) fn make(
        args: &UpArgs,
        choice: &BusChoice,
        folder: &RunFolder,
    ) -> anyhow::Result<Self> {
        let redis = match choice {
            BusChoice::Private(program) => Some(private_redis::prepare(folder, program.clone())?),
            _ => None,
        };
        let redis_url = match choice {
            BusChoice::Given(url) => Some(url.clone()),
            BusChoice::Private(_) => redis.as_ref().map(|redis| redis.url.clone()),
            BusChoice::Embedded { .. } => None,
        };
        let roster = roster::plan(args, folder)?;
        let account = account_source(args)?;
        let base = match &account {
            AccountSource::Exchange { base } | AccountSource::Alpaca { base, .. } => base.clone(),
        };
        let maker = Maker {
            program: std::env::current_exe().context("finding the path of rawe itself")?,
            variables: variables(args, &roster, redis_url.as_deref(), &account),
            folder,
        };
        let processes = processes(args, folder, &roster, &base);
        let mut plan = Self {
            bus_described: redis_url
                .as_deref()
                .map_or_else(|| "in memory".to_owned(), rawe_bus::describe_url),
            redis_url,
            private_url: redis.as_ref().map(|redis| redis.url.clone()),
            market_sentence: market_sentence(args, roster.is_demo),
            voters: roster
                .roster
                .0
                .iter()
                .map(|agent| agent.id.to_string())
                .collect(),
            quorum: roster.quorum,
            account,
            first: redis.iter().map(|redis| maker.keeper(redis)).collect(),
            exchange: None,
            others: Vec::new(),
            checks: processes
                .iter()
                .map(|process| maker.check(process))
                .collect(),
        };
        if matches!(choice, BusChoice::Embedded { .. }) {
            plan.first = vec![maker.embedded(&processes)?];
            return Ok(plan);
        }
        for process in processes {
            let child = maker.child(&process);
            if process.stage == Stage::Exchange {
                plan.exchange = Some(child);
            } else {
                plan.others.push(child);
            }
        }
        Ok(plan)
    }
}

/// What all children have in common.
struct Maker<'a> {
    program: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    folder: &'a RunFolder,
}

impl Maker<'_> {
    fn child(&self, process: &Process) -> ChildPlan {
        let mut arguments = vec![OsString::from("run")];
        arguments.extend(process.words.iter().cloned());
        ChildPlan {
            name: process.name.clone(),
            program: self.program.clone(),
            arguments,
            variables: self.variables.clone(),
            stage: process.stage,
            log: self.folder.log_of(&process.name),
            may_end: process.stage == Stage::Feed,
        }
    }

    fn check(&self, process: &Process) -> ChildPlan {
        let mut child = self.child(process);
        child.arguments.push("--check-config".into());
        child
    }

    fn keeper(&self, redis: &PrivateRedis) -> ChildPlan {
        let words = [
            OsString::from("private-redis"),
            "--program".into(),
            redis.program.clone().into(),
            "--configuration".into(),
            redis.configuration.clone().into(),
            "--pid-file".into(),
            redis.pid_file.clone().into(),
        ];
        self.child(&Process {
            name: "redis".to_owned(),
            words: words.into(),
            stage: Stage::Bus,
        })
    }

    /// The one process that is everything: it reads the words of all others from a file.
    fn embedded(&self, processes: &[Process]) -> anyhow::Result<ChildPlan> {
        let words: Vec<Vec<String>> = processes
            .iter()
            .map(|process| {
                process
                    .words
                    .iter()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect()
            })
            .collect();
        let file = self.folder.file("embedded.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&words)?)
            .with_context(|| format!("writing {}", file.display()))?;
        let words = vec!["embedded".into(), "--processes".into(), file.into()];
        Ok(self.child(&Process {
            name: "embedded".to_owned(),
            words,
            stage: Stage::Bus,
        }))
    }
}

fn market_sentence(args: &UpArgs, is_demo: bool) -> String {
    let speed = if args.speed == "max" {
        "as fast as it goes".to_owned()
    } else {
        format!("{} market seconds a second", args.speed)
    };
    match (&args.bars, &args.news) {
        _ if args.alpaca => "market: Alpaca, paper account, live data".to_owned(),
        (Some(bars), Some(news)) => {
            format!(
                "market: a replay of {} and {}, {speed}",
                bars.display(),
                news.display()
            )
        }
        (Some(bars), None) => format!("market: a replay of {}, {speed}", bars.display()),
        _ => {
            let seed = args
                .seed
                .map_or_else(String::new, |seed| format!(" (seed {seed})"));
            let character = if is_demo {
                "generated and thin"
            } else {
                "generated"
            };
            format!("market: {character}{seed}, on the paper exchange, {speed}")
        }
    }
}

fn account_source(args: &UpArgs) -> anyhow::Result<AccountSource> {
    if !args.alpaca {
        let base = format!("http://127.0.0.1:{}", private_redis::free_port()?);
        return Ok(AccountSource::Exchange { base });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut problems = Vec::new();
    let mut key = |name: &str| {
        variable(name).unwrap_or_else(|| {
            problems.push(format!("--alpaca needs {name}: the key of a paper account"));
            String::new()
        })
    };
    let (key_id, secret_key) = (key("APCA_API_KEY_ID"), key("APCA_API_SECRET_KEY"));
    let base = variable("APCA_API_BASE_URL").unwrap_or_else(|| ALPACA_PAPER_URL.to_owned());
    let base = base.trim_end_matches('/').to_owned();
    if base != ALPACA_PAPER_URL && !base.starts_with("http://127.0.0.1") {
        problems.push(format!(
            "APCA_API_BASE_URL is {base}, but --alpaca is for the paper account at \
             {ALPACA_PAPER_URL}"
        ));
    }
    if problems.is_empty() {
        Ok(AccountSource::Alpaca {
            base,
            key_id,
            secret_key,
        })
    } else {
        Err(ConfigProblems(problems).into())
    }
}

/// Variables of all children. Those of the account are always set: keys of a real account that lie
/// in the environment must not reach a demo.
fn variables(
    args: &UpArgs,
    roster: &RosterPlan,
    redis_url: Option<&str>,
    account: &AccountSource,
) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("RAWE_LOG_FORMAT", "json".into()),
        (LIFELINE_VARIABLE, "1".into()),
    ];
    if let Some(url) = redis_url {
        variables.push(("RAWE_REDIS_URL", url.into()));
    }
    if let Some(channel) = &args.channel {
        variables.push(("RAWE_SIGNAL_CHANNEL", channel.into()));
    }
    if let Some(config) = &roster.config {
        variables.push(("RAWE_CONFIG", config.into()));
    }
    match account {
        AccountSource::Exchange { base } => {
            variables.push(("APCA_API_BASE_URL", base.into()));
            variables.push(("APCA_API_DATA_URL", base.into()));
            variables.push(("APCA_API_KEY_ID", EXCHANGE_KEY.into()));
            variables.push(("APCA_API_SECRET_KEY", EXCHANGE_KEY.into()));
        }
        AccountSource::Alpaca {
            base,
            key_id,
            secret_key,
        } => {
            variables.push(("APCA_API_BASE_URL", base.into()));
            variables.push(("APCA_API_KEY_ID", key_id.into()));
            variables.push(("APCA_API_SECRET_KEY", secret_key.into()));
        }
    }
    variables
}

/// All processes but Redis, the exchange first.
fn processes(args: &UpArgs, folder: &RunFolder, roster: &RosterPlan, base: &str) -> Vec<Process> {
    let mut processes = Vec::new();
    let warmup_days = args.warmup_days.map(|days| days.to_string());
    if args.is_replay() {
        let mut words = Words::of("paper-exchange");
        let address = base.trim_start_matches("http://");
        words.flag("--listen", address).switch("--paced");
        words.market(args);
        processes.push(words.into_process("paper-exchange", Stage::Exchange));
    }
    for agent in &roster.agents {
        let mut words = Words::of(agent.command);
        if let Some(profile) = &agent.profile {
            words.flag("--profile", profile);
        }
        words.optional("--warmup-days", warmup_days.as_ref());
        processes.push(words.into_process(&agent.id, Stage::Agents));
    }
    let mut words = Words::of("consensus-engine");
    words.flag("--journal", journal(args, folder));
    words.flag("--participants", agent_names(roster));
    processes.push(words.into_process("consensus-engine", Stage::Engine));
    let mut words = Words::of("market-feed");
    if args.is_replay() {
        words.switch("--paced").flag("--speed", &args.speed);
        words.flag("--participants", participants(roster));
        words.optional("--news", news_source(args, roster).as_ref());
        words.optional("--run-id", args.recorded_run.as_ref());
        for pair in &args.symbol_map {
            words.flag("--symbol-map", pair);
        }
    }
    words.optional("--warmup-days", warmup_days.as_ref());
    processes.push(words.into_process("market-feed", Stage::Feed));
    processes
}

/// Where the feed takes the news of a replay from: the exchange serves bars to it, but news only
/// in Alpaca's form, which lacks authors and followers.
fn news_source(args: &UpArgs, roster: &RosterPlan) -> Option<String> {
    let configured = |key: &str| {
        roster
            .table
            .get("exchange")
            .and_then(|table| table.get(key))
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let seed = args.seed.map(|seed| format!("scenario:{seed}"));
    let in_feed = roster
        .table
        .get("feed")
        .is_some_and(|feed| feed.get("news").is_some());
    let in_exchange = configured("news")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let configured_seed =
        configured("seed").map_or_else(|| "scenario".to_owned(), |seed| format!("scenario:{seed}"));
    match args.news.as_deref().map(text).or(seed) {
        Some(source) => Some(source),
        None if in_feed => None,
        None => Some(in_exchange.unwrap_or(configured_seed)),
    }
}

/// The journal of a real account outlives the run: it is what knows which orders were sent.
fn journal(args: &UpArgs, folder: &RunFolder) -> PathBuf {
    let outliving = folder.path.parent().filter(|_| args.alpaca);
    outliving.map_or_else(
        || folder.file(JOURNAL_FILE),
        |base: &Path| base.join(ALPACA_JOURNAL_FILE),
    )
}

/// Whom the pacer waits for: everybody we start who handles instants.
fn participants(roster: &RosterPlan) -> String {
    format!("{},consensus-engine", agent_names(roster))
}

fn agent_names(roster: &RosterPlan) -> String {
    let names: Vec<&str> = roster
        .agents
        .iter()
        .map(|agent| agent.id.as_str())
        .collect();
    names.join(",")
}

/// The words of one process, as they are put together.
struct Words(Vec<OsString>);

impl Words {
    fn of(command: &str) -> Self {
        Self(vec![command.into()])
    }

    fn switch(&mut self, name: &str) -> &mut Self {
        self.0.push(name.into());
        self
    }

    fn flag(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(name.into());
        self.0.push(value.into());
        self
    }

    fn optional(&mut self, name: &str, value: Option<&String>) -> &mut Self {
        if let Some(value) = value {
            self.flag(name, value);
        }
        self
    }

    /// What is played.
    fn market(&mut self, args: &UpArgs) {
        self.optional("--seed", args.seed.map(|seed| seed.to_string()).as_ref());
        if let Some(bars) = &args.bars {
            self.flag("--bars", bars);
        }
        if let Some(news) = &args.news {
            self.flag("--news", news);
        }
        for pair in &args.symbol_map {
            self.flag("--symbol-map", pair);
        }
        self.optional("--from", args.from.as_ref());
        self.optional("--to", args.to.as_ref());
        self.optional(
            "--warmup-days",
            args.warmup_days.map(|days| days.to_string()).as_ref(),
        );
    }

    fn into_process(self, name: &str, stage: Stage) -> Process {
        Process {
            name: name.to_owned(),
            words: self.0,
            stage,
        }
    }
}

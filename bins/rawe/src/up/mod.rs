//! `rawe up`: the whole collective on this machine. It chooses the bus, starts the processes in
//! order, tells the story, and stops everything in order. The parts are in the files beside.

pub(crate) mod account;
mod bus_choice;
mod demo;
pub(crate) mod embedded;
mod log_file;
pub(crate) mod options;
mod plan;
mod preflight;
mod printer;
pub(crate) mod private_redis;
mod restart;
mod roster;
pub(crate) mod sentences;
mod session;
mod story;
mod summary;
pub(crate) mod supervisor;
mod tally;
pub(crate) mod tap;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rawe_bus::{Bus, RedisBus};
use rawe_runtime::{ConfigProblems, LogFormat};
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::run_folder::{RunFolder, RunState};
use account::AccountSource;
use bus_choice::{BusChoice, EMBEDDED_WARNING};
use options::{SummaryFormat, UpArgs};
use plan::Plan;
use printer::{Printer, Tone};
use session::{Finish, Limits, Session};
use summary::{EndReason, Summary};
use supervisor::Supervisor;

/// Exit code when the time was up before the orders asked for were accepted.
const EXIT_DEADLINE: u8 = 3;
/// How long Redis, then the exchange, may take to answer. Reading a large file of bars takes long.
const START_PATIENCE: Duration = Duration::from_mins(2);
/// How often what is due is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How many events of children, and of the tap, may wait.
const QUEUE_EVENTS: usize = 4_096;

/// The whole of `rawe up`, with its exit code.
pub(crate) fn main(args: UpArgs) -> ExitCode {
    let code = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&code);
    // Its own log is for whoever watches; the children's are for machines.
    let format = args.log_format.unwrap_or(LogFormat::Pretty);
    let ended = rawe_runtime::run_command("rawe", Some(format), |shutdown| async move {
        told.store(up(args, shutdown).await?, Ordering::SeqCst);
        Ok(())
    });
    match code.load(Ordering::SeqCst) {
        0 => ended,
        code => ExitCode::from(code),
    }
}

async fn up(args: UpArgs, shutdown: CancellationToken) -> anyhow::Result<u8> {
    let args = args.checked()?;
    let choice = BusChoice::choose(&args)?;
    let now = rawe_runtime::wall_now();
    let folder = RunFolder::create(&args.run_dir, now)?;
    let plan = Plan::make(&args, &choice, &folder)?;
    preflight::check(&plan.checks).await?;
    let state = RunState {
        pid: std::process::id(),
        started: now,
        bus: choice.kind().to_owned(),
        bus_described: plan.bus_described.clone(),
        redis_url: plan.private_url.clone(),
        keep: args.keep,
        processes: Vec::new(),
    };
    folder.write_state(&state)?;
    let limits = Limits {
        until_orders: args.until_orders,
        deadline: args.deadline,
        quorum: plan.quorum,
    };
    let format = match args.log_format {
        Some(LogFormat::Json) => LogFormat::Json,
        _ => LogFormat::Pretty,
    };
    let printer = Printer::stdout(args.quiet);
    let voters = plan.voters.iter().cloned().collect();
    let mut session = Session::new(limits, voters, printer, format, folder.clone(), state);
    greet(&session, &choice, &plan, &folder);

    let (events, mut children) = mpsc::channel(QUEUE_EVENTS);
    let mut supervisor = Supervisor::new(events);
    let run = Run {
        plan: &plan,
        shutdown: &shutdown,
    };
    let outcome = run
        .until_the_end(&mut supervisor, &mut session, &mut children)
        .await;
    let summary = match &outcome {
        Ok(Finish::Well(reason)) => Some(run.summary(*reason, &session).await),
        _ => None,
    };
    // The children's last lines are still written to their files; nobody reads the story now.
    drop(children);
    supervisor.stop().await;
    session.ended(args.keep);
    finish(&args, outcome?, summary)
}

/// The first lines: which bus was taken, what is played, where the logs are.
fn greet(session: &Session, choice: &BusChoice, plan: &Plan, folder: &RunFolder) {
    session.say(
        Tone::Plain,
        "bus_chosen",
        &choice.sentence(&plan.bus_described),
    );
    if matches!(choice, BusChoice::Embedded { .. }) {
        for line in EMBEDDED_WARNING {
            session.say(Tone::Warn, "embedded_warned", line);
        }
    }
    session.say(Tone::Plain, "market_chosen", &plan.market_sentence);
    let text = format!(
        "logs of every process: {} (also: rawe logs -f, rawe status). Ctrl-C ends everything",
        folder.path.display()
    );
    session.say(Tone::Plain, "run_started", &text);
}

/// What the start found.
struct Begun {
    /// The bus; none when it is embedded.
    bus: Option<Arc<dyn Bus>>,
    /// The account's equity, where the broker does not remember it.
    equity: Option<Decimal>,
}

/// What one run works with.
struct Run<'a> {
    plan: &'a Plan,
    shutdown: &'a CancellationToken,
}

impl Run<'_> {
    /// Starts everything in order and follows it until something ends it.
    async fn until_the_end(
        &self,
        supervisor: &mut Supervisor,
        session: &mut Session,
        children: &mut mpsc::Receiver<supervisor::ChildEvent>,
    ) -> anyhow::Result<Finish> {
        let (tap_sender, mut tapped) = mpsc::channel(QUEUE_EVENTS);
        let mut tap_sender = Some(tap_sender);
        let tap_end = self.shutdown.child_token();
        let _tap_guard = tap_end.clone().drop_guard();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let starting = self.start(supervisor);
        tokio::pin!(starting);
        let mut started = false;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => {
                    return Ok(Finish::Well(EndReason::Interrupted));
                }
                begun = &mut starting, if !started => {
                    started = true;
                    let begun = begun?;
                    session.start_equity = begun.equity;
                    if let (Some(bus), Some(sender)) = (begun.bus, tap_sender.take()) {
                        tokio::spawn(tap::tap(bus, sender, tap_end.clone()));
                    }
                }
                Some(event) = children.recv() => session.child(event),
                Some(event) = tapped.recv() => session.tapped(event),
                _ = ticks.tick() => {
                    if let Some(finish) = session.tick(Instant::now()) {
                        return Ok(finish);
                    }
                    if !started && !session.failed.is_empty() {
                        bail!("{} could not be started, see above", session.failed.join(", "));
                    }
                }
            }
        }
    }

    /// Starts the bus, then the exchange, then all others.
    async fn start(&self, supervisor: &mut Supervisor) -> anyhow::Result<Begun> {
        for child in &self.plan.first {
            supervisor.start(child.clone());
        }
        let bus = match &self.plan.redis_url {
            None => None,
            Some(url) => {
                let answered = timeout(START_PATIENCE, reached(url)).await;
                Some(answered.with_context(|| {
                    format!("{} does not answer", rawe_bus::describe_url(url))
                })??)
            }
        };
        if let Some(exchange) = &self.plan.exchange {
            supervisor.start(exchange.clone());
            let answers = async {
                while !self.plan.account.answers().await {
                    sleep(TICK).await;
                }
            };
            timeout(START_PATIENCE, answers)
                .await
                .context("the paper exchange does not answer")?;
        }
        let equity = match &self.plan.account {
            account @ AccountSource::Alpaca { .. } => Some(
                account
                    .read(None)
                    .await
                    .context("reading the account at Alpaca")?
                    .equity,
            ),
            AccountSource::Exchange { .. } => None,
        };
        for child in &self.plan.others {
            supervisor.start(child.clone());
        }
        Ok(Begun { bus, equity })
    }

    async fn summary(&self, ended: EndReason, session: &Session) -> Summary {
        Summary {
            ended,
            bus: session.bus_kind().to_owned(),
            orders: session.orders(),
            tally: session.tally.clone(),
            signals: session.signals,
            classes: session.classes.clone(),
            market_from: session.market.map(|(from, _)| from),
            market_to: session.market.map(|(_, to)| to),
            account: self.plan.account.read(session.start_equity).await.ok(),
            first_order_secs: session.first_order_secs,
            elapsed_secs: session.elapsed_secs(),
            restarts: session.restarts,
            failed: session.failed.clone(),
        }
    }
}

/// The bus at this URL, as soon as it answers.
async fn reached(url: &str) -> anyhow::Result<Arc<dyn Bus>> {
    let bus = RedisBus::open(url).map_err(|error| ConfigProblems(vec![error.to_string()]))?;
    loop {
        match bus.ping().await {
            Ok(()) => return Ok(Arc::new(bus)),
            Err(error) if error.is_retryable() => sleep(TICK).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints what is left to say, and decides the exit code.
fn finish(args: &UpArgs, finish: Finish, summary: Option<Summary>) -> anyhow::Result<u8> {
    let reason = match finish {
        Finish::Well(reason) => reason,
        Finish::BadConfiguration { process, problems } => {
            let problems: Vec<String> = problems
                .into_iter()
                .map(|problem| format!("{process}: {problem}"))
                .collect();
            return Err(ConfigProblems(problems).into());
        }
    };
    if let Some(summary) = summary {
        // Whoever reads JSON lines wants nothing else between them.
        let json_only = args.log_format == Some(LogFormat::Json);
        if !json_only {
            Session::print(&summary.text());
        }
        if json_only || args.summary == SummaryFormat::Json {
            Session::print(&serde_json::to_string(&summary)?);
        }
    }
    let too_late = reason == EndReason::Deadline && args.until_orders.is_some();
    Ok(if too_late { EXIT_DEADLINE } else { 0 })
}

//! The life of a process from its first line to its exit code: signals, panics, the deadline of a
//! shutdown. What the process does in between is passed in.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::logging::{LogOutput, init_logging_to};
use crate::{ConfigProblems, LogFormat, lifeline};

/// Exit code of a process that did what it was asked, or was asked to end.
pub const EXIT_CLEAN: u8 = 0;
/// Exit code of a process that failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit code for a configuration that must be corrected first.
pub const EXIT_BAD_CONFIGURATION: u8 = 64;
/// Exit code of a process ended by a second signal, as shells number an interrupt.
const EXIT_INTERRUPTED: i32 = 130;

/// How long a process may take to end after it was told to, before it is ended the hard way.
const DRAIN_LIMIT: Duration = Duration::from_millis(4_500);
/// How long tasks left behind may hold up the exit.
const LEFTOVERS_LIMIT: Duration = Duration::from_millis(200);

/// Work was given up because the process was told to end. Not a failure: the exit code is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process was told to end")]
pub struct ShuttingDown;

tokio::task_local! {
    static SHUTDOWN: CancellationToken;
}

/// The token of the running main; one that is never cancelled outside of [`run_main`].
pub(crate) fn current_shutdown() -> CancellationToken {
    SHUTDOWN
        .try_with(CancellationToken::clone)
        .unwrap_or_default()
}

/// The whole of a service's main: TLS provider, log on stdout, runtime, signals, exit code.
///
/// `run` gets a token which SIGTERM and SIGINT cancel; it should then finish within 4.5 s and
/// return. A second signal ends the process at once. A panic anywhere aborts it. Exit codes: 0 for
/// a clean end, 1 for a failure, 64 when the error is [`ConfigProblems`], all of which are printed.
pub fn run_main<F, Fut>(process: &str, log_format: Option<LogFormat>, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_with(LogOutput::Stdout, Threads::Many, process, log_format, run)
}

/// Like [`run_main`], with everything on one thread: for a process of many small steps, for which
/// handing over to another thread costs more than the step.
pub fn run_main_on_one_thread<F, Fut>(
    process: &str,
    log_format: Option<LogFormat>,
    run: F,
) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_with(LogOutput::Stdout, Threads::One, process, log_format, run)
}

/// Like [`run_main`], for a command whose answer goes to stdout: its log goes to stderr.
pub fn run_command<F, Fut>(process: &str, log_format: Option<LogFormat>, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    run_with(LogOutput::Stderr, Threads::Many, process, log_format, run)
}

/// How many threads the runtime has for tasks.
#[derive(Clone, Copy, Debug)]
enum Threads {
    One,
    Many,
}

fn run_with<F, Fut>(
    output: LogOutput,
    threads: Threads,
    process: &str,
    log_format: Option<LogFormat>,
    run: F,
) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    // A provider that was installed before is as good as ours.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    init_logging_to(output, process, log_format);
    abort_on_panic();
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(process, Err(error.into())),
    };
    let result = runtime.block_on(supervised(run));
    runtime.shutdown_timeout(LEFTOVERS_LIMIT);
    exit_code(process, result)
}

/// Runs until the end, or until the drain limit after a signal.
async fn supervised<F, Fut>(run: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let shutdown = CancellationToken::new();
    listen_for_signals(shutdown.clone())?;
    lifeline::watch(shutdown.clone());
    let running = SHUTDOWN.scope(shutdown.clone(), run(shutdown.clone()));
    tokio::pin!(running);
    tokio::select! {
        result = &mut running => return result,
        () = shutdown.cancelled() => {}
    }
    match timeout(DRAIN_LIMIT, running).await {
        Ok(result) => result,
        Err(_) => anyhow::bail!(
            "shutting down took longer than {} ms, work was cut off",
            DRAIN_LIMIT.as_millis()
        ),
    }
}

fn listen_for_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if shutdown.is_cancelled() {
                tracing::warn!(event = "shutdown_forced", signal = name, "ending at once");
                std::process::exit(EXIT_INTERRUPTED);
            }
            tracing::info!(
                event = "shutdown_requested",
                signal = name,
                "told to end, finishing"
            );
            shutdown.cancel();
        }
    });
    Ok(())
}

/// A panic in any task ends the process: half a process would trade on half the truth.
fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload_as_str().unwrap_or("a value that is no text");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(
            event = "process_panicked",
            place,
            %backtrace,
            "a bug ended the process: {payload}"
        );
        std::process::abort();
    }));
}

fn exit_code(process: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::from(EXIT_CLEAN);
    };
    if error
        .chain()
        .any(<dyn std::error::Error>::is::<ShuttingDown>)
    {
        return ExitCode::from(EXIT_CLEAN);
    }
    let problems = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<ConfigProblems>());
    let (code, text) = match problems {
        Some(problems) => (EXIT_BAD_CONFIGURATION, problems.to_string()),
        None => (EXIT_FAILED, format!("{error:#}")),
    };
    tracing::error!(event = "process_failed", exit_code = code, "{text}");
    // Stderr too: whoever started the process by hand sees it even when the log goes elsewhere.
    let _closed = writeln!(std::io::stderr(), "{process}: {text}");
    ExitCode::from(code)
}

//! Alpaca's official Python SDK against the paper exchange, unchanged but for the URL: every
//! endpoint it knows that the exchange has, and the streams (`tests/alpaca_py.py`).
//!
//! The SDK comes from PyPI, into a folder of its own. Where there is no Python or no way to PyPI
//! the test says so on standard error and passes; with `RAWE_REQUIRE_ALPACA_PY=1` it fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::harness::Program;

/// The SDK that the exchange is checked with.
pub(crate) const SDK: &str = "alpaca-py==0.44.0";

/// A Python that has these packages, or why there is none. It is made once and kept in the folder
/// for temporary files.
pub(crate) fn python_with(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("rawe-tests-{name}"));
    let python = folder.join("bin/python");
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(python);
    }
    // Two runs at once must not share a half made one.
    let own = tempfile::tempdir_in(std::env::temp_dir()).map_err(|error| error.to_string())?;
    let made = own.path().join("python");
    let mut command = Command::new("python3");
    command.args(["-m", "venv"]).arg(&made);
    succeed("making a virtual environment", command)?;
    let mut command = Command::new(made.join("bin/python"));
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    command.args(packages);
    succeed("installing from PyPI", command)?;
    std::fs::write(made.join("complete"), "").map_err(|error| error.to_string())?;
    // A folder that another run has put there meanwhile is as good.
    let _moved = std::fs::rename(&made, &folder);
    Ok(python)
}

fn succeed(what: &str, mut command: Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!(
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Says on standard error, past the capture of tests, that something was not checked.
pub(crate) fn skip(what: &str, reason: &str) {
    assert!(
        std::env::var_os("RAWE_REQUIRE_ALPACA_PY").is_none(),
        "{what}: {reason}"
    );
    let line = "=".repeat(80);
    let _said = writeln!(
        std::io::stderr(),
        "{line}\nSKIPPED, NOT CHECKED: {what}\n{reason}\n{line}"
    );
}

/// A program of the folder `tests`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_drives_every_endpoint() {
    let made = tokio::task::spawn_blocking(|| python_with("alpaca-py-0.44.0", &[SDK])).await;
    let python = match made.unwrap() {
        Ok(python) => python,
        Err(reason) => {
            return skip(
                "the official Python SDK against the paper exchange",
                &reason,
            );
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command("paper-exchange", folder.path());
    command.args(["--listen", "127.0.0.1:0", "--paced"]);
    command.args(["--warmup-days", "40", "--play-days", "20"]);
    command.args(["--account", "other:other:5000"]);
    let mut exchange = Program::start(command);
    let listening = exchange.event("exchange_listening").await;
    let base = format!("http://{}", listening["address"].as_str().unwrap());
    let run = move || {
        Command::new(python)
            .arg(script("alpaca_py.py"))
            .arg(base)
            .output()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert!(said.trim_end().ends_with("all is well"), "{said}");
    // Nothing went wrong on the exchange's side either.
    assert!(!exchange.output().contains("panicked"));
}

//! A binary of the workspace as a process whose output is kept.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::SOON;

/// The built binary of this name, next to the test's own executable.
pub(crate) fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --workspace --locked` first",
        path.display()
    );
    path
}

/// A running process, its output lines, and the folder it runs in. Killed with its value.
pub(crate) struct Program {
    name: String,
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// A command of the binary that knows nothing of the tester's environment.
    pub(crate) fn command(name: &str, folder: &Path) -> Command {
        let mut command = Command::new(binary(name));
        command.env_clear().current_dir(folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("RAWE_LOG_FORMAT", "json");
        command
    }

    /// Starts a command and keeps reading what it writes.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = Path::new(command.get_program())
            .file_name()
            .and_then(OsStr::to_str);
        let name = name.unwrap_or("program").to_owned();
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            keep(child.stdout.take().unwrap(), &output),
            keep(child.stderr.take().unwrap(), &output),
        ];
        Self {
            name,
            child,
            output,
            readers,
        }
    }

    /// Runs a command to its end and returns the exit code and everything it wrote.
    pub(crate) async fn run(command: Command) -> (Option<i32>, String) {
        let mut program = Self::start(command);
        let status = program.ended().await;
        (status.code(), program.output())
    }

    /// Everything written so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().join("\n")
    }

    /// The log lines with this event, as far as they are written.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.output.lock().unwrap();
        let parsed = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["event"] == event).collect()
    }

    /// Waits for the first log line with this event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        let what = format!("event {event} of {}", self.name);
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(line) = self.events(event).into_iter().next() {
                return line;
            }
            let ended = self.child.try_wait().unwrap();
            let late = Instant::now() > deadline;
            assert!(
                ended.is_none() && !late,
                "{what}: {ended:?}, its log:\n{}",
                self.output()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Waits for the end, which should be near.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.ended_within(SOON).await
    }

    /// Waits for the end.
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "{} did not end within {limit:?}", self.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // What it wrote at last is read before anyone looks at it.
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// Sends SIGTERM; returns the exit status and how long the end took.
    pub(crate) async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let told = Instant::now();
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        (status, told.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, and a failed test has its reason.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            let lines = self.output.lock().unwrap();
            let last = lines.iter().skip(lines.len().saturating_sub(40));
            let last: Vec<&str> = last.map(String::as_str).collect();
            println!("--- last output of {}:\n{}", self.name, last.join("\n"));
        }
    }
}

fn keep(stream: impl Read + Send + 'static, output: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            output.lock().unwrap().push(line);
        }
    })
}

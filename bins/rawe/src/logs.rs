//! `rawe logs`: the logs of all processes of the newest run, merged by time, filtered by process,
//! asset, agent, decision or level, and followed on demand.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::log_line::{Level, LogLine};
use crate::run_folder::{BASE_DEFAULT, RunFolder};
use crate::up::tap::TAPPED;

/// How often followed files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What `rawe logs` takes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LogsArgs {
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
    /// Only lines about this asset, such as AAPL or BTC/USD
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<String>,
    /// Only lines of or about this agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only lines about this decision: its id, or the client order id made of it
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// Only lines of this process
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Only lines at least as bad as this
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Info)]
    level: Level,
    /// Print the JSON lines as they were written
    #[arg(long)]
    json: bool,
    /// Where `rawe up` keeps its run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    run_dir: PathBuf,
}

/// Prints the newest run's logs.
pub(crate) async fn logs(args: LogsArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (folder, _) = RunFolder::newest(&args.run_dir).with_context(|| {
        format!(
            "no run of `rawe up` found in {}; start one first",
            args.run_dir.display()
        )
    })?;
    let mut files = Followed::default();
    loop {
        files.discover(&folder.path);
        let mut lines = files.read_new();
        // Times are RFC 3339 with a fixed number of digits, so text order is time order.
        lines.sort_by_cached_key(|line| line.text("timestamp"));
        let mut out = std::io::stdout().lock();
        for line in lines.iter().filter(|line| wanted(line, &args)) {
            let text = if args.json {
                line.to_json()
            } else {
                for_people(line)
            };
            if writeln!(out, "{text}").is_err() {
                return Ok(());
            }
        }
        drop(out);
        if !args.follow {
            return Ok(());
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Whether a line passes all filters.
fn wanted(line: &LogLine, args: &LogsArgs) -> bool {
    let about = |filter: &Option<String>, keys: &[&str]| {
        filter
            .as_ref()
            .is_none_or(|value| keys.iter().any(|key| line.text(key) == *value))
    };
    let agent_speaks = args
        .agent
        .as_ref()
        .is_some_and(|agent| *agent == line.process);
    let decision = args
        .decision
        .as_ref()
        .map(|id| id.trim_start_matches("rawe-").to_owned());
    let decides = decision.as_ref().is_none_or(|id| {
        line.text("decision_id") == *id || line.text("client_order_id") == format!("rawe-{id}")
    });
    line.event != TAPPED
        && line.level >= args.level
        && args
            .process
            .as_ref()
            .is_none_or(|process| *process == line.process)
        && about(&args.asset, &["asset", "symbol", "financial_asset"])
        && (agent_speaks || about(&args.agent, &["agent", "agent_id"]))
        && decides
}

/// `time level process sentence key=value ...`
fn for_people(line: &LogLine) -> String {
    const SAID: [&str; 6] = ["timestamp", "level", "event", "process", "pid", "message"];
    let time = line.text("timestamp");
    let time = time.get(11..23).unwrap_or(&time).to_owned();
    let level = line.text("level").to_uppercase();
    let rest: String = line
        .fields
        .keys()
        .filter(|key| !SAID.contains(&key.as_str()))
        .map(|key| format!(" {key}={}", line.text(key)))
        .collect();
    let text = format!(
        "{time} {level:5} {:21} {}{rest}",
        line.process, line.message
    );
    // Texts come from outside and must not steer the terminal.
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Log files and how far each was read.
#[derive(Debug, Default)]
struct Followed {
    files: Vec<FollowedFile>,
}

#[derive(Debug)]
struct FollowedFile {
    path: PathBuf,
    read_bytes: u64,
}

impl Followed {
    /// Adds the log files that were not there before. A full one (`.1.jsonl`) that appears while
    /// following was read under its former name.
    fn discover(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let following = !self.files.is_empty();
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let skipped = following && name.ends_with(".1.jsonl");
            let known = self.files.iter().any(|file| file.path == path);
            let is_log = path
                .extension()
                .is_some_and(|extension| extension == "jsonl");
            if is_log && !known && !skipped {
                self.files.push(FollowedFile {
                    path,
                    read_bytes: 0,
                });
            }
        }
    }

    /// All whole lines written since the last call.
    fn read_new(&mut self) -> Vec<LogLine> {
        self.files
            .iter_mut()
            .flat_map(FollowedFile::read_new)
            .collect()
    }
}

impl FollowedFile {
    fn read_new(&mut self) -> Vec<LogLine> {
        let Ok(mut file) = File::open(&self.path) else {
            return Vec::new();
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if length < self.read_bytes {
            // The file was full and began anew.
            self.read_bytes = 0;
        }
        if file.seek(SeekFrom::Start(self.read_bytes)).is_err() {
            return Vec::new();
        }
        let process = self
            .path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut reader = BufReader::new(file);
        let mut lines = Vec::new();
        let mut text = String::new();
        while matches!(reader.read_line(&mut text), Ok(n) if n > 0) && text.ends_with('\n') {
            self.read_bytes += text.len() as u64;
            lines.push(LogLine::read(&process, text.trim_end()));
            text.clear();
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: LogsArgs,
    }

    fn args(given: &[&str]) -> LogsArgs {
        Only::parse_from(std::iter::once("logs").chain(given.iter().copied())).args
    }

    fn line(fields: &str) -> LogLine {
        LogLine::read(
            "consensus-engine",
            &format!("{{\"level\":\"info\",{fields}}}"),
        )
    }

    #[test]
    fn filters_say_what_they_mean() {
        let about = line(r#""asset":"AAPL","decision_id":"abc","agent":"flux-follower""#);
        let other = line(r#""asset":"MSFT""#);
        let order = line(r#""client_order_id":"rawe-abc""#);
        let spoken = LogLine::read("flux-follower", r#"{"level":"info"}"#);
        for (given, expected) in [
            (vec![], [true, true, true, true]),
            (vec!["--asset", "AAPL"], [true, false, false, false]),
            (vec!["--decision", "abc"], [true, false, true, false]),
            (vec!["--decision", "rawe-abc"], [true, false, true, false]),
            (vec!["--agent", "flux-follower"], [true, false, false, true]),
            (
                vec!["--process", "consensus-engine"],
                [true, true, true, false],
            ),
            (vec!["--level", "warn"], [false; 4]),
        ] {
            let args = args(&given);
            let found = [&about, &other, &order, &spoken].map(|line| wanted(line, &args));
            assert_eq!(found, expected, "{given:?}");
        }
    }

    #[test]
    fn following_reads_whole_lines_once_and_notices_a_new_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market-feed.jsonl");
        let mut followed = Followed::default();
        std::fs::write(&path, "{\"message\":\"one\"}\n{\"message\":\"tw").unwrap();
        followed.discover(folder.path());
        assert_eq!(followed.read_new().len(), 1);
        assert_eq!(followed.read_new().len(), 0);
        std::fs::write(&path, "{\"message\":\"one\"}\n{\"message\":\"two\"}\n").unwrap();
        let lines = followed.read_new();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].message, "two");
        std::fs::write(&path, "{\"message\":\"three\"}\n").unwrap();
        assert_eq!(followed.read_new()[0].message, "three");
    }

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        let line = line(r#""message":"red \u001b[31m","headline":"a\nb""#);
        assert!(!for_people(&line).chars().any(char::is_control));
    }
}

//! What `rawe up` takes, and the checks that need no other process.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rawe_feed::SymbolMap;
use rawe_feed::archive::{part_path, read_manifest};
use rawe_feed::files::read_bars;
use rawe_runtime::{ConfigProblems, LogFormat};

use crate::run_folder::BASE_DEFAULT;

/// Market seconds per wall second of the demo: an hour of market a second.
pub(crate) const SPEED_DEFAULT: &str = "3600";

/// What is printed at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// A few lines for people
    Text,
    /// The same, and one JSON object as the last line
    Json,
}

/// What `rawe up` takes.
#[derive(Args, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the command line"
)]
pub(crate) struct UpArgs {
    /// Redis to use; without it a private one is started, if redis-server is installed
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true,
        value_parser = rawe_runtime::redis_url
    )]
    pub(crate) redis_url: Option<String>,
    /// Fail rather than run everything in one process when there is no Redis
    #[arg(long, env = "RAWE_REQUIRE_REDIS")]
    pub(crate) require_redis: bool,
    /// Run everything in one process over memory, even though Redis is there
    #[arg(long, conflicts_with_all = ["require_redis", "alpaca"])]
    pub(crate) embedded: bool,
    /// Pub/sub channel on which the agents' signals travel
    #[arg(long, value_name = "NAME", env = "RAWE_SIGNAL_CHANNEL")]
    pub(crate) channel: Option<String>,
    /// Configuration file (TOML) for all processes
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// The generated market: the same seed is the same market
    #[arg(long, value_name = "N", conflicts_with_all = ["news", "bars", "alpaca"])]
    pub(crate) seed: Option<u64>,
    /// Replay news from this file (JSON lines or CSV, may be gzipped, or Parquet); needs --bars
    #[arg(
        long,
        value_name = "FILE",
        requires = "bars",
        conflicts_with = "alpaca"
    )]
    pub(crate) news: Option<PathBuf>,
    /// Replay bars from this file (CSV or JSON lines, may be gzipped, or Parquet)
    #[arg(long, value_name = "FILE", conflicts_with = "alpaca")]
    pub(crate) bars: Option<PathBuf>,
    /// Replay a recording (`rawe record`), or a download (`rawe fetch`), in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["seed", "news", "bars", "alpaca"])]
    pub(crate) recording: Option<PathBuf>,
    /// The run that a recording is of; filled in from its manifest.
    #[arg(skip)]
    pub(crate) recorded_run: Option<String>,
    /// Read a symbol of the files as another one, such as XBT=BTC/USD; may be given often
    #[arg(long, value_name = "FROM=TO", value_delimiter = ',', requires = "bars")]
    pub(crate) symbol_map: Vec<String>,
    /// Leave out bars and news before this date or time (the warm-up begins here)
    #[arg(long, value_name = "DATE", conflicts_with = "alpaca")]
    pub(crate) from: Option<String>,
    /// Leave out bars and news after this date or time
    #[arg(long, value_name = "DATE", conflicts_with = "alpaca")]
    pub(crate) to: Option<String>,
    /// Days of history the agents read before they may vote
    #[arg(long, value_name = "DAYS")]
    pub(crate) warmup_days: Option<u32>,
    /// Market seconds per second of a replay, or max
    #[arg(long, value_name = "N|max", default_value = SPEED_DEFAULT, value_parser = speed)]
    pub(crate) speed: String,
    /// Trade the real paper account at Alpaca (APCA_API_KEY_ID, APCA_API_SECRET_KEY)
    #[arg(long)]
    pub(crate) alpaca: bool,
    /// One more agent with this profile; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Vec<PathBuf>,

    /// End with exit code 0 as soon as the broker has accepted so many orders of the collective
    #[arg(long, value_name = "N")]
    pub(crate) until_orders: Option<u64>,
    /// End after this time, such as 120s or 5m; with --until-orders the exit code is then 3
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
    /// What to print at the end
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = SummaryFormat::Text)]
    pub(crate) summary: SummaryFormat,
    /// The story for people, or every process's log lines as they are [default: pretty]
    #[arg(long, value_enum, value_name = "FORMAT", env = "RAWE_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// No story: only warnings, errors and the summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Keep the run folder (logs, journal, Redis data) after the next start, too
    #[arg(long)]
    pub(crate) keep: bool,
    /// Where to keep run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    pub(crate) run_dir: PathBuf,
}

impl UpArgs {
    /// Checks what needs no other process. Empty values, as compose files leave them, are absent.
    pub(crate) fn checked(mut self) -> Result<Self, ConfigProblems> {
        self.redis_url = self.redis_url.filter(|url| !url.is_empty());
        self.channel = self.channel.filter(|channel| !channel.is_empty());
        self.config = self.config.filter(|path| !path.as_os_str().is_empty());
        let mut problems = Vec::new();
        if let Some(folder) = self.recording.clone() {
            problems.extend(self.take_recording(&folder).err());
        }
        let files = [&self.news, &self.bars, &self.config].into_iter().flatten();
        for file in files.chain(&self.profile) {
            if !file.is_file() {
                problems.push(format!("there is no file {}", file.display()));
            }
        }
        if self.bars.is_some() && self.news.is_none() {
            problems.push("--bars without --news: the agents need both".to_owned());
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(ConfigProblems(problems))
        }
    }

    /// Plays the files of a recording, with as much history as it has, under its run's name.
    fn take_recording(&mut self, folder: &Path) -> Result<(), String> {
        let manifest = read_manifest(folder).map_err(|error| error.to_string())?;
        let manifest = manifest.ok_or_else(|| {
            let folder = folder.display();
            format!("{folder} holds no manifest.json; name a folder of rawe record or rawe fetch")
        })?;
        let path = part_path(folder, "bars");
        let bars = read_bars(&path, &SymbolMap::default()).map_err(|error| error.to_string())?;
        if let (Some(played_from), None) = (manifest.played_from, self.warmup_days) {
            let starts = bars.bars.iter().map(|bar| bar.start);
            let history = starts.min().map(|start| (played_from - start).num_days());
            self.warmup_days = history.and_then(|days| u32::try_from(days).ok());
        }
        self.bars = Some(path);
        self.news = Some(part_path(folder, "news"));
        self.recorded_run = manifest.run_id;
        Ok(())
    }

    /// Whether the market is played rather than live.
    pub(crate) fn is_replay(&self) -> bool {
        !self.alpaca
    }
}

fn speed(text: &str) -> Result<String, String> {
    let valid = text == "max" || f64::from_str(text).is_ok_and(|n| n.is_finite() && n > 0.0);
    valid
        .then(|| text.to_owned())
        .ok_or_else(|| "a number above 0, or max".to_owned())
}

/// `90`, `90s`, `5m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_secs = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        _ => return Err("a time such as 120s, 5m or 1h".to_owned()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit_secs))
        .map(Duration::from_secs)
        .ok_or_else(|| "a time such as 120s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: UpArgs,
    }

    fn parse(given: &[&str]) -> Result<UpArgs, clap::Error> {
        Only::try_parse_from(std::iter::once("up").chain(given.iter().copied()))
            .map(|only| only.args)
    }

    #[test]
    fn durations_and_speeds() {
        for (text, secs) in [
            ("120s", 120),
            ("5m", 300),
            ("1h", 3_600),
            ("7", 7),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(secs)));
        }
        for text in ["", "s", "1d", "-1s", "1.5s", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["max", "1", "0.5", "3600"] {
            assert_eq!(speed(text), Ok(text.to_owned()));
        }
        for text in ["", "0", "-1", "inf", "NaN", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_problems_are_listed() {
        let args = parse(&["--bars", "/no/bars.csv", "--config", "/no/rawe.toml"]).unwrap();
        let problems = args.checked().err().unwrap().0;
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn contradictions_are_refused() {
        for given in [
            vec!["--alpaca", "--seed", "7"],
            vec!["--news", "a"],
            vec!["--embedded", "--require-redis"],
            vec!["--speed", "0"],
        ] {
            assert!(parse(&given).is_err(), "{given:?}");
        }
        assert!(parse(&["--until-orders", "1", "--deadline", "120s"]).is_ok());
    }
}

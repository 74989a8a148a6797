//! The private Redis of one run: found on PATH, on a free loopback port, with a configuration of
//! its own and a password that only this run knows; gone with the run.
//!
//! Redis does not watch a lifeline, so a small keeper process of ours stands between `rawe up` and
//! it (`rawe run private-redis`, not for people): when `rawe up` is gone, the keeper ends it.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::run_folder::{RunFolder, write_private};

/// Programs that are Redis, best first.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// How long Redis may take to write its last entries when it is told to end.
const END_PATIENCE: Duration = Duration::from_millis(3_500);
/// How long a leftover of a killed keeper may take to end.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(3);

/// A private Redis, prepared but not started.
#[derive(Clone)]
pub(crate) struct PrivateRedis {
    /// What is executed.
    pub(crate) program: PathBuf,
    /// Its configuration file.
    pub(crate) configuration: PathBuf,
    /// Where it writes its process id.
    pub(crate) pid_file: PathBuf,
    /// The URL, with the password.
    pub(crate) url: String,
}

/// What the keeper is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct KeeperArgs {
    /// The Redis program
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// Its configuration file
    #[arg(long, value_name = "FILE")]
    configuration: PathBuf,
    /// Where it writes its process id
    #[arg(long, value_name = "FILE")]
    pid_file: PathBuf,
}

/// The first Redis program on PATH.
pub(crate) fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    PROGRAMS
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Writes the configuration into the run folder.
pub(crate) fn prepare(folder: &RunFolder, program: PathBuf) -> anyhow::Result<PrivateRedis> {
    let data = folder.file("redis");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("making {}", data.display()))?;
    let port = free_port()?;
    // Two version-7 UUIDs: 148 random bits.
    let password = format!(
        "{}{}",
        rawe_runtime::new_uuid().simple(),
        rawe_runtime::new_uuid().simple()
    );
    let pid_file = data.join("redis.pid");
    let configuration = data.join("redis.conf");
    let text = configuration_text(&data, &pid_file, port, &password);
    write_private(&configuration, text.as_bytes())
        .with_context(|| format!("writing {}", configuration.display()))?;
    let url = format!("redis://:{password}@127.0.0.1:{port}");
    Ok(PrivateRedis {
        program,
        configuration,
        pid_file,
        url,
    })
}

fn configuration_text(data: &Path, pid_file: &Path, port: u16, password: &str) -> String {
    format!(
        "# Written by `rawe up` for one run; Redis ends with it.\n\
         bind 127.0.0.1\n\
         port {port}\n\
         protected-mode yes\n\
         user default on >{password} ~* &* +@all\n\
         daemonize no\n\
         dir \"{}\"\n\
         pidfile \"{}\"\n\
         logfile \"\"\n\
         databases 1\n\
         # Every write goes to the append-only file: a Redis that was killed comes back with\n\
         # all streams.\n\
         appendonly yes\n\
         appendfsync everysec\n\
         save \"\"\n",
        data.display(),
        pid_file.display()
    )
}

/// The keeper: runs Redis until told to stop. Redis's own end is an error, so that the supervisor
/// starts both again.
pub(crate) async fn keep(args: KeeperArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    end_leftover(&args.pid_file).await;
    let mut redis = Command::new(&args.program)
        .arg(&args.configuration)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", args.program.display()))?;
    tracing::info!(
        event = "redis_started",
        redis_pid = redis.id(),
        "private Redis started ({})",
        args.program.display()
    );
    tokio::select! {
        status = redis.wait() => anyhow::bail!("the private Redis ended by itself: {}", status?),
        () = shutdown.cancelled() => {}
    }
    if let Some(pid) = redis.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if timeout(END_PATIENCE, redis.wait()).await.is_err() {
        redis.kill().await.context("killing the private Redis")?;
    }
    Ok(())
}

/// Ends a Redis whose keeper was killed: it still holds the port.
async fn end_leftover(pid_file: &Path) {
    let Some(pid) = leftover(pid_file) else {
        return;
    };
    let _ = kill(pid, Signal::SIGTERM);
    let gone = async {
        while kill(pid, None).is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(LEFTOVER_PATIENCE, gone).await.is_err() {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// The process named by the file, if it is alive and, as far as the system tells, a Redis.
fn leftover(pid_file: &Path) -> Option<Pid> {
    let pid: i32 = std::fs::read_to_string(pid_file)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let is_redis = std::fs::read_to_string(format!("/proc/{pid}/comm")).map_or(true, |name| {
        name.contains("redis") || name.contains("valkey")
    });
    let pid = Pid::from_raw(pid);
    (pid.as_raw() > 1 && is_redis && kill(pid, None).is_ok()).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_private_and_survives_odd_paths() {
        let base = tempfile::tempdir().unwrap();
        let odd = base.path().join("a folder");
        std::fs::create_dir(&odd).unwrap();
        let folder = RunFolder { path: odd };
        let redis = prepare(&folder, "/usr/bin/redis-server".into()).unwrap();
        let text = std::fs::read_to_string(&redis.configuration).unwrap();
        let port = redis.url.rsplit(':').next().unwrap();
        assert!(text.contains(&format!("\nport {port}\n")));
        assert!(text.contains("/a folder/redis\"\n"));
        assert!(text.contains("bind 127.0.0.1\n") && text.contains("appendonly yes\n"));
        let password = redis
            .url
            .trim_start_matches("redis://:")
            .split('@')
            .next()
            .unwrap();
        assert!(text.contains(password));
        assert!(!rawe_bus::describe_url(&redis.url).contains(password));
    }

    #[test]
    fn nobody_is_taken_for_a_leftover() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("redis.pid");
        for content in ["", "0", "1", "-1", "x", "2147483640"] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(leftover(&file), None, "{content}");
        }
        std::fs::write(&file, std::process::id().to_string()).unwrap();
        assert_eq!(leftover(&file), None, "this very test is no Redis");
    }
}

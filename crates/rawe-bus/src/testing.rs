//! A private Redis server for tests: started on a free port in a folder of its own, and killed,
//! frozen and restarted at will. Nothing here is used by the binaries.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The programs that serve, in the order in which they are tried.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// How long a server may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How often a port is tried anew when another process took it first.
const START_TRIES: usize = 5;

/// A Redis server of a test's own. Ends with its value.
#[derive(Debug)]
pub struct RedisServer {
    child: Option<Child>,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts a server that keeps what is written (so that a restart finds it again).
    ///
    /// # Errors
    /// When no server is installed, with what to install; when it does not start.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `["--requirepass", "secret"]`.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let mut last_error = io::Error::other("no port was tried");
        for _ in 0..START_TRIES {
            match Self::start_on(free_port()?, arguments) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => last_error = error,
                other => return other,
            }
        }
        Err(last_error)
    }

    /// Starts a server on a given port.
    ///
    /// # Errors
    /// As [`RedisServer::start`]; also when the port is taken.
    pub fn start_on(port: u16, arguments: &[&str]) -> io::Result<Self> {
        let mut server = Self {
            child: None,
            port,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            folder: TempDir::with_prefix("rawe-redis-")?,
        };
        server.restart()?;
        Ok(server)
    }

    /// The TCP port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL to connect to, without user and password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The URL with a user (may be empty) and a password.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Ends the server without warning, as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When the process cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Ends the server in order (SIGTERM).
    ///
    /// # Errors
    /// When the process cannot be ended.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Freezes the server: connections stay open and nothing is answered (SIGSTOP).
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Starts the server again on the same port and folder, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.child = Some(self.spawn()?);
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            if let Some(status) = ended {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                let log = log.unwrap_or_default();
                return Err(io::Error::other(format!(
                    "the server ended with {status}: {log}"
                )));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the server does not answer"));
            }
            pause_briefly();
        }
        Ok(())
    }

    fn spawn(&self) -> io::Result<Child> {
        for program in PROGRAMS {
            let spawned = Command::new(program)
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "yes", "--loglevel", "warning"])
                .args(["--logfile", "log", "--dir"])
                .arg(self.folder.path())
                .args(&self.arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            match spawned {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "this test needs redis-server (or valkey-server); install it, for example with \
             `apt-get install redis-server` or `brew install redis`",
        ))
    }

    /// Whether the server answers at all; one that asks for a password does.
    fn answers(&self) -> bool {
        match self.command(&["PING"]) {
            Ok(_) => true,
            Err(error) => {
                let text = error.to_string();
                text.contains("NOAUTH") || text.contains("Authentication")
            }
        }
    }

    /// Runs one command as the default user and returns the answer as text, such as
    /// `["CLIENT", "KILL", "TYPE", "pubsub"]`.
    ///
    /// # Errors
    /// When the server does not answer, or answers with an error.
    pub fn command(&self, words: &[&str]) -> io::Result<String> {
        let client = redis::Client::open(self.url()).map_err(io::Error::other)?;
        let mut connection = client
            .get_connection_with_timeout(Duration::from_secs(1))
            .map_err(io::Error::other)?;
        connection
            .set_read_timeout(Some(Duration::from_secs(2)))
            .map_err(io::Error::other)?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let answer: redis::Value = command.query(&mut connection).map_err(io::Error::other)?;
        Ok(format!("{answer:?}"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing can be done about a process that does not end, and a test has its result by now.
        let _unkillable = self.kill();
    }
}

/// A TCP port on 127.0.0.1 that nobody uses at the moment.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

#[allow(
    clippy::disallowed_methods,
    reason = "polls a condition under a deadline"
)]
fn pause_briefly() {
    std::thread::sleep(Duration::from_millis(20));
}

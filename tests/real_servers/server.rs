//! A real server as a child process.

use crate::client::signal;
use crate::venv::{Venv, home};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

static MONITORING: Venv = Venv::new("venv", &[("monitoring-websocket-server", "1.0.83.87"), ("websockets", "17.4")]);

/// A running server that accepts connections; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start() -> Self {
        Self::start_on(unused_port())
    }

    pub fn start_on(port: u16) -> Self {
        Self::listening(&mut command(MONITORING.python(), port), port)
    }

    /// Starts a program and waits until it listens on this port.
    pub fn listening(command: &mut Command, port: u16) -> Self {
        let path = home().join(format!("server-{port}.log"));
        let log = File::create(&path).expect("a log file");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        let mut server = Self { child: command.spawn().expect("a program"), port };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("a child");
            if ended.is_some() || Instant::now() > until {
                panic!("the server does not listen ({ended:?}): {}", fs::read_to_string(path).unwrap_or_default());
            }
            sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn uri(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// SIGINT, as Ctrl-C: Close 1001 to every client.
    pub fn interrupt(self) {
        self.end_by("INT");
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until the signal has ended it.
    pub fn end_by(mut self, name: &str) {
        self.signal(name);
        self.child.wait().expect("an end");
    }

    /// SIGKILL: clients see nothing but the end of the stream.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port outside the range that the kernel gives to outgoing connections, so that it is still free later.
pub fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 10_000) as u16;
    (0..10_000)
        .map(|_| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000)
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}

/// A background job of a shell without job control ignores SIGINT, and so would its children: hence `env`. Room for
/// 1000 clients: hence `ulimit`.
fn command(python: &Path, port: u16) -> Command {
    let script = "ulimit -S -n 4096; exec env --default-signal=INT \"$0\" -I -m run_server --host 127.0.0.1 --port $1";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(python).arg(port.to_string());
    command
}

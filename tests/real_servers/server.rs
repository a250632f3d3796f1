//! The real server, installed with pip into a virtual environment below target/.

use crate::client::signal;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The versions whose behaviour these tests know.
const PACKAGES: [(&str, &str); 2] = [("monitoring-websocket-server", "1.0.83.87"), ("websockets", "17.4")];

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
        let log = home().join(format!("server-{port}.log"));
        let mut server = Self { child: spawn(python(), port, &log), port };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("a child");
            if ended.is_some() || Instant::now() > until {
                panic!("the server does not listen ({ended:?}): {}", fs::read_to_string(log).unwrap_or_default());
            }
            sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn uri(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// SIGINT, as Ctrl-C: Close 1001 to every client.
    pub fn interrupt(mut self) {
        signal(&self.child, "INT");
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
fn spawn(python: &Path, port: u16, log: &Path) -> Child {
    let script = "ulimit -S -n 4096; exec env --default-signal=INT \"$0\" -I -m run_server --host 127.0.0.1 --port $1";
    let log = File::create(log).expect("a log file");
    Command::new("sh")
        .args(["-c", script])
        .arg(python)
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a descriptor"))
        .stderr(log)
        .spawn()
        .expect("a shell")
}

/// The interpreter of the virtual environment, made once in each run. What went wrong is every test's failure.
fn python() -> &'static Path {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(install) {
        Ok(python) => python,
        Err(reason) => panic!("the real server cannot be installed: {reason}"),
    }
}

fn install() -> Result<PathBuf, String> {
    let venv = home().join("venv");
    let python = venv.join("bin/python");
    if installed(&python) {
        return Ok(python);
    }
    fs::create_dir_all(home()).map_err(|error| format!("{}: {error}", home().display()))?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pinned = PACKAGES.map(|(name, version)| format!("{name}=={version}"));
    run(Command::new(&python).args(["-m", "pip", "install", "--disable-pip-version-check"]).args(pinned))?;
    if installed(&python) { Ok(python) } else { Err("pip succeeded, but the packages are not there".into()) }
}

fn installed(python: &Path) -> bool {
    let checks = PACKAGES.map(|(name, version)| format!("assert version('{name}') == '{version}'"));
    let script = format!("from importlib.metadata import version\n{}", checks.join("\n"));
    run(Command::new(python).args(["-I", "-c", &script])).is_ok()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}\n{said}", output.status)) }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("real-servers")
}

//! The service manager: the messages of sd_notify(3).
//!
//! [`Notices`] decides when there is something to say, [`Notifier`] sends it. A message that the manager does not take at
//! once is lost, since nothing here may wait for it.

mod notices;

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use wsmon::{ClientState, Event, Message, Monitor};

use super::Failure;
use notices::Notices;

/// Shortest time between two signs of life, whatever the manager asks for.
const SHORTEST: Duration = Duration::from_millis(1);

/// The connection to the service manager.
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    notices: Notices,
}

impl Notifier {
    /// Makes a notifier if `$NOTIFY_SOCKET` names a socket. A name that cannot be one is ignored with a line in the log.
    pub fn open(now: Instant) -> Option<Box<Self>> {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let name = env("NOTIFY_SOCKET")?;
        match address(&name).and_then(|address| Ok((socket()?, address))) {
            Ok((socket, address)) => {
                let watchdog = watchdog(env("WATCHDOG_USEC"), env("WATCHDOG_PID"), std::process::id());
                Some(Box::new(Notifier { socket, address, notices: Notices::new(now, watchdog) }))
            }
            Err(error) => {
                let (name, why) = (name.to_string_lossy(), Failure::words(&error));
                wsmon::internal::log_debug(format_args!("$NOTIFY_SOCKET {name:.200} is ignored: {why}"));
                None
            }
        }
    }

    /// Takes note of a message: a change of a state may change the number of servers that are up.
    pub fn note(&mut self, message: &Message<'_>) {
        if matches!(message.events, [Event::State(_)]) {
            self.notices.note_change();
        }
    }

    /// Sends what is due.
    pub fn tick(&mut self, monitor: &Monitor) {
        let is_up = |id: &wsmon::ServerId| monitor.state(*id) == ClientState::Connected;
        let text = self.notices.tick(monitor.now().mono, &|| (monitor.ids().filter(is_up).count(), monitor.len()));
        self.send(&text);
    }

    /// Returns the time at which `tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.notices.deadline()
    }

    /// Says that files are read or opened anew. The next `tick` says that it is done.
    pub fn reload(&mut self) {
        if let Ok(time) = clock_gettime(ClockId::CLOCK_MONOTONIC) {
            let time = Duration::from(time).as_micros() as u64;
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={time}\n"));
        }
        self.notices.reload();
    }

    /// Says that the run ends, which takes no longer than the watchdog's time.
    pub fn stop(self) {
        self.send("STOPPING=1\nWATCHDOG=1\n");
    }

    fn send(&self, text: &str) {
        if !text.is_empty() {
            // Without a manager that listens there is nobody to tell.
            let _lost = self.socket.send_to_addr(text.as_bytes(), &self.address);
        }
    }
}

fn socket() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Reads the name of a socket: an absolute path, or `@` and a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(Path::new(name)),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "neither an absolute path nor @NAME")),
    }
}

/// Returns the period of signs of life: half of what the manager waits for. `None` if it waits for none, or for those of
/// another process.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>, own_pid: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str().and_then(|text| text.parse::<u64>().ok());
    let is_ours = pid.is_none_or(|pid| number(pid) == Some(own_pid.into()));
    let usec = usec.and_then(number).filter(|usec| is_ours && *usec > 0)?;
    Some(Duration::from_micros(usec / 2).max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_an_absolute_path_or_an_abstract_name() {
        let read = |name: &str| address(OsStr::new(name));
        assert_eq!(read("/run/notify").unwrap().as_pathname(), Some(Path::new("/run/notify")));
        assert_eq!(read("@a/b").unwrap().as_abstract_name(), Some(&b"a/b"[..]));
        for wrong in ["run/notify", "vsock:2:1234", " ", &format!("/{}", "x".repeat(200)), &"@x".repeat(100)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_watchdog_gets_a_sign_in_half_of_its_time_if_it_watches_this_process() {
        for (usec, pid, period) in [
            (Some("60000000"), None, Some(30_000_000)),
            (Some("60000000"), Some("7"), Some(30_000_000)),
            (Some("60000000"), Some("8"), None),
            (Some("60000000"), Some("x"), None),
            (None, Some("7"), None),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (Some("1e6"), None, None),
            (Some("1"), None, Some(1000)),
            (Some("18446744073709551615"), None, Some(u64::MAX / 2)),
            (Some("18446744073709551616"), None, None),
        ] {
            let expected = period.map(Duration::from_micros);
            assert_eq!(watchdog(usec.map(OsString::from), pid.map(OsString::from), 7), expected, "{usec:?} {pid:?}");
        }
    }
}

//! Signals as an event source of the poll, without a thread.
//!
//! The first SIGINT or SIGTERM asks for an orderly end, which takes up to a second or two. A second one must end the process
//! even if the loop hangs, so it is handled within the signal handler itself: `signal_hook` exits there once `armed` is
//! set. It is set only after [`DUPLICATE_WITHIN`], since timeout(1) sends its signal twice at once.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::{emulate_default_handler, pipe};
use wsmon::internal::read_text;

/// Signals that ask for the end.
const STOP_SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Stop signals within this time count as one. timeout(1) sends its signal to the process and to its group, and the
/// second must not cut the orderly end short.
const DUPLICATE_WITHIN: Duration = Duration::from_millis(30);

/// A request made by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM with its number: end in an orderly way. Comes once; a second signal never gets here, it ends the
    /// process with status 128 + number.
    Stop(i32),
    /// SIGHUP.
    Hangup,
    /// SIGUSR1: write the statistics now.
    Statistics,
    /// SIGCHLD: a process that was started has ended.
    Child,
}

/// The signals of the process, as a mio source.
pub struct Signals {
    /// Each signal sends a byte here, after its flag is set.
    wakeups: UnixStream,
    /// The other end, until all handlers are installed.
    wake: Option<UnixStream>,
    /// The signals that are handled, each with a flag that says that it has arrived.
    arrived: Vec<(i32, Arc<AtomicBool>)>,
    /// Set: the handler of the next stop signal ends the process.
    armed: Arc<AtomicBool>,
    arm_at: Option<Instant>,
    stopping: bool,
}

impl Signals {
    /// Installs the handlers of SIGHUP and SIGUSR1, which would end the process, and registers for readability under
    /// `token`. Those of the signals that ask for the end are for [`Signals::install_all`].
    ///
    /// SIGXFSZ gets a handler that does nothing, so that a write beyond the limit of a file's size fails instead of ending
    /// the process.
    pub fn install(registry: &Registry, token: Token) -> io::Result<Self> {
        let (mut wakeups, wake) = UnixStream::pair()?;
        registry.register(&mut wakeups, token, Interest::READABLE)?;
        flag::register(SIGXFSZ, Arc::default())?;
        let armed = Arc::new(AtomicBool::new(false));
        let mut signals = Self { wakeups, wake: Some(wake), arrived: Vec::new(), armed, arm_at: None, stopping: false };
        signals.handle(&[SIGHUP, SIGUSR1])?;
        Ok(signals)
    }

    /// Installs the other handlers. To be called when the loop is about to begin: until then SIGINT and SIGTERM end the
    /// process at once, also while it waits for a file that is a pipe. `children`: SIGCHLD is one of the signals.
    pub fn install_all(&mut self, children: bool) -> io::Result<()> {
        self.handle(&STOP_SIGNALS)?;
        if children {
            self.handle(&[SIGCHLD])?;
        }
        self.wake = None;
        Ok(())
    }

    /// Installs handlers, but not for a signal that was ignored at the start: nohup(1) needs it for SIGHUP, and a shell that
    /// starts a job in the background of a script ignores SIGINT for it.
    fn handle(&mut self, signals: &[i32]) -> io::Result<()> {
        // std has no sigaction(2). Without /proc no signal is taken as ignored.
        let status = read_text("/proc/self/status").unwrap_or_default();
        let Some(wake) = &self.wake else { return Ok(()) };
        for &signal in signals {
            if signal != SIGCHLD && is_ignored(&status, signal as usize) {
                continue;
            }
            if STOP_SIGNALS.contains(&signal) {
                flag::register_conditional_shutdown(signal, 128 + signal, self.armed.clone())?;
            }
            let flag = Arc::new(AtomicBool::new(false));
            flag::register(signal, flag.clone())?;
            pipe::register_raw(signal, wake.as_fd().try_clone_to_owned()?)?;
            self.arrived.push((signal, flag));
        }
        Ok(())
    }

    /// Returns the signals that have arrived. To be called after each event of the token.
    pub fn pending(&mut self, now: Instant) -> Vec<Signal> {
        let mut signals = Vec::new();
        // Many signals may have sent a byte each.
        while self.wakeups.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        for (number, flag) in &self.arrived {
            match *number {
                _ if !flag.swap(false, Ordering::SeqCst) => {}
                SIGHUP => signals.push(Signal::Hangup),
                SIGUSR1 => signals.push(Signal::Statistics),
                SIGCHLD => signals.push(Signal::Child),
                _ if self.stopping => {}
                number => {
                    self.stopping = true;
                    self.arm_at = Some(now + DUPLICATE_WITHIN);
                    signals.push(Signal::Stop(number));
                }
            }
        }
        signals
    }

    /// Returns the time at which `tick` is due: shortly after a stop signal, otherwise `None`.
    pub fn deadline(&self) -> Option<Instant> {
        self.arm_at
    }

    /// Arms the handlers when due: from then on one more stop signal ends the process.
    pub fn tick(&mut self, now: Instant) {
        if self.arm_at.is_some_and(|at| at <= now) {
            self.arm_at = None;
            self.armed.store(true, Ordering::SeqCst);
        }
    }
}

/// Ends the process by the signal, as if it had no handler, so that a shell sees what ended it. Returns only if that
/// fails.
pub fn end_by(signal: i32) {
    // The exit status that a shell would show is what is left if it fails.
    let _ = emulate_default_handler(signal);
}

/// Reads from the text of /proc/self/status, see proc(5), if `signal` is ignored.
fn is_ignored(status: &str, signal: usize) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A hexadecimal mask: four signals per digit, the lowest numbers in the last digit.
    let digit = mask.and_then(|mask| mask.chars().nth_back((signal - 1) / 4)?.to_digit(16));
    digit.is_some_and(|digit| digit & 1 << ((signal - 1) % 4) != 0)
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn stop_signals_sent_twice_at_once_are_one() {
        let mut poll = Poll::new().unwrap();
        let mut signals = Signals::install(poll.registry(), Token(0)).unwrap();
        signals.install_all(false).unwrap();
        let now = Instant::now();
        for _ in 0..2 {
            signal_hook::low_level::raise(SIGTERM).unwrap();
        }
        poll.poll(&mut Events::with_capacity(4), Some(Duration::from_secs(10))).unwrap();
        assert_eq!(signals.pending(now), [Signal::Stop(SIGTERM)]);
        signal_hook::low_level::raise(SIGINT).unwrap();
        assert_eq!(signals.pending(now), []);
        assert_eq!(signals.deadline(), Some(now + DUPLICATE_WITHIN));
        signals.tick(now);
        assert!(!signals.armed.load(Ordering::SeqCst));
        signals.tick(now + DUPLICATE_WITHIN);
        assert!(signals.armed.load(Ordering::SeqCst) && signals.deadline().is_none());
        // The handlers outlive this test. Since they are armed, Ctrl-C still ends the test process.
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tsh\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tff\n";
        assert!(is_ignored(status, 1));
        assert!(!is_ignored(status, 2));
        assert!(is_ignored(status, 13) && !is_ignored(status, 12) && !is_ignored(status, 65));
        assert!(is_ignored("SigIgn:\t80000000000000000000000000000001", 1));
        assert!(!is_ignored("SigIgn:\trubbish", 1) && !is_ignored("", 1));
    }
}

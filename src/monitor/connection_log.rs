//! Log lines about one server's connection. Pure: each function returns the line and its level, and the peer logs it.
//!
//! A loss is a warning when it is news, and a debug line when it repeats. Repetition has two forms, and both are
//! recalled after 1, 5, 15 and 60 minutes and then every hour:
//! - the server stays down, with one failed dial after the other;
//! - it can be connected to, and the connection is lost again soon.

use std::fmt::Display;
use std::time::{Duration, Instant};

use log::Level;

use crate::model::error::Disconnect;
use crate::model::number::{Fixed, push_timestamp};
use crate::model::time::Now;

/// Times after which trouble that goes on is recalled, in minutes. After the last one it is recalled every hour.
const RECALL_AFTER: [u64; 4] = [1, 5, 15, 60];
/// A connection that lasted this long ends a series of lost ones: its own loss is news.
const STEADY_AFTER: Duration = Duration::from_secs(600);
/// Upper bound on the causes remembered of one series. Further ones are not news: a server may put a new number into
/// each refusal.
const MAX_CAUSES: usize = 8;

/// Upper bound on the kinds of warnings that are logged of one server. There are fewer, but for the names of requests.
const MAX_KINDS: usize = 64;

/// Remembers what has been logged about one server.
#[derive(Debug, Default)]
pub struct ConnectionLog {
    /// Set from the loss, or the first failed dial, until a connection is open. Counts failed dials.
    outage: Option<Series>,
    /// Connections lost soon after they were opened, and the one before them. Counts losses.
    losses: Option<Series>,
    /// The causes that have been logged since the connection was last steady.
    causes: Vec<String>,
    /// Set while a connection is open.
    opened_at: Option<Instant>,
    /// True if the latest line above debug said that the server is connected.
    shown_connected: bool,
    /// Kinds of warnings that have been logged.
    kinds: Vec<String>,
    /// Warnings since the last call of [`ConnectionLog::take_repeated`] whose kind had been logged.
    repeated: u64,
}

/// Trouble that goes on.
#[derive(Debug)]
struct Series {
    since: Now,
    count: u64,
    /// Age at which it is recalled.
    recall_after: Duration,
}

impl ConnectionLog {
    /// Returns true for the first warning of its kind, which is what stands before the first `: `; counts the others. A
    /// server that sends a message again and again must not fill the log.
    pub fn is_first_of_kind(&mut self, line: &str) -> bool {
        let end = line.as_bytes().windows(2).position(|pair| pair == b": ");
        let kind = &line[..end.unwrap_or(line.len())];
        let is_first = self.kinds.len() < MAX_KINDS && !self.kinds.iter().any(|known| known == kind);
        if is_first {
            self.kinds.push(kind.to_owned());
        } else {
            self.repeated += 1;
        }
        is_first
    }

    /// Returns how many warnings were not logged since the last call; `None` if there were none.
    pub fn take_repeated(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.repeated)).filter(|count| *count > 0)
    }

    /// A dial begins.
    pub fn connecting(&self, to: &impl Display) -> (Level, String) {
        let level = if self.outage.is_none() { Level::Info } else { Level::Debug };
        (level, format!("connecting to {to}"))
    }

    /// The connection is open.
    pub fn connected(&mut self, now: Now) -> (Level, String) {
        let failures = self.outage.take().map_or(0, |outage| outage.count);
        self.opened_at = Some(now.mono);
        let level = if std::mem::replace(&mut self.shown_connected, true) { Level::Debug } else { Level::Info };
        let after = if failures > 1 { format!(", after {failures} failures") } else { String::new() };
        (level, format!("connected{after}"))
    }

    /// The dial failed or the connection ended. Without `retry_in` the server is given up, which is an error; a routine
    /// end is a debug line.
    pub fn lost(&mut self, why: &Disconnect, retry_in: Option<Duration>, routine: bool, now: Now) -> (Level, String) {
        let recalled = self.count(routine, now);
        let Some(wait) = retry_in else {
            self.shown_connected = false;
            return (Level::Error, format!("{why}; giving up"));
        };
        let text = format!("{why}; retrying in {} s", Fixed(wait.as_secs_f64(), 1));
        let (level, text) = match recalled {
            _ if routine => (Level::Debug, text),
            _ if self.is_news(&why.text) => (Level::Warn, text),
            Some(recalled) => (Level::Warn, format!("{recalled}: {text}")),
            None => (Level::Debug, text),
        };
        self.shown_connected &= level == Level::Debug;
        (level, text)
    }

    /// Counts a loss or a failed dial. Returns the words that recall the trouble when that is due.
    fn count(&mut self, routine: bool, now: Now) -> Option<String> {
        let opened_at = self.opened_at.take();
        if opened_at.is_some_and(|at| now.mono - at >= STEADY_AFTER) {
            self.losses = None;
            self.causes.clear();
        }
        let outage = self.outage.get_or_insert_with(|| Series::begin(now));
        if opened_at.is_none() {
            let recall = outage.count(now);
            return recall.then(|| format!("still down since {}, {} attempts", outage.since(now), outage.count));
        }
        if routine {
            return None;
        }
        let losses = self.losses.get_or_insert_with(|| Series::begin(now));
        let recall = losses.count(now);
        recall.then(|| format!("connected and lost {} times since {}", losses.count, losses.since(now)))
    }

    /// Makes the next cause news, whatever it is: something has been done about the last one.
    pub fn forget_causes(&mut self) {
        self.causes.clear();
    }

    /// Returns true if this cause has not been logged, and remembers it.
    fn is_news(&mut self, cause: &str) -> bool {
        let is_news = self.causes.len() < MAX_CAUSES && !self.causes.iter().any(|known| known == cause);
        if is_news {
            self.causes.push(cause.to_owned());
        }
        is_news
    }
}

impl Series {
    fn begin(now: Now) -> Self {
        Series { since: now, count: 0, recall_after: Duration::from_secs(60 * RECALL_AFTER[0]) }
    }

    /// Counts one more. Returns true if the series is to be recalled now.
    fn count(&mut self, now: Now) -> bool {
        self.count += 1;
        let age = now.mono - self.since.mono;
        let is_due = age >= self.recall_after;
        if is_due {
            let minutes = age.as_secs() / 60;
            let next = RECALL_AFTER.into_iter().find(|after| *after > minutes).unwrap_or((minutes / 60 + 1) * 60);
            self.recall_after = Duration::from_secs(60 * next);
        }
        is_due
    }

    /// Writes the beginning as `11:17Z`, with the date where it is a day ago.
    fn since(&self, now: Now) -> String {
        let mut text = String::new();
        push_timestamp(&mut text, self.since.wall);
        let is_today = now.mono - self.since.mono < Duration::from_secs(24 * 3600);
        let from = if is_today { 11 } else { 0 };
        // 2026-01-02T11:17:05.678Z
        format!("{}Z", &text[from..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Phase;
    use std::time::SystemTime;

    /// A log with a simulated clock, which begins at 11:17 UTC; and the lines above debug so far, with their minutes.
    struct Simulation {
        log: ConnectionLog,
        begin: Instant,
        seconds: u64,
        lines: Vec<(u64, String)>,
    }

    impl Simulation {
        fn new() -> Self {
            Simulation { log: ConnectionLog::default(), begin: Instant::now(), seconds: 0, lines: Vec::new() }
        }

        fn now(&self) -> Now {
            let passed = Duration::from_secs(self.seconds);
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_352_620) + passed;
            Now { mono: self.begin + passed, wall }
        }

        fn keep(&mut self, (level, text): (Level, String)) {
            if level <= Level::Info {
                self.lines.push((self.seconds / 60, text));
            }
        }

        fn connected_after(&mut self, seconds: u64) {
            self.seconds += seconds;
            let line = self.log.connected(self.now());
            self.keep(line);
        }

        fn lost_after(&mut self, seconds: u64, why: &str) {
            self.seconds += seconds;
            let (why, retry_in) = (Disconnect::new(Phase::Connect, why), Some(Duration::from_secs(5)));
            let line = self.log.lost(&why, retry_in, false, self.now());
            self.keep(line);
        }

        fn lines(&self) -> Vec<&str> {
            self.lines.iter().map(|(_, text)| &**text).collect()
        }
    }

    #[test]
    fn a_kind_of_warning_is_logged_once_and_then_counted() {
        let mut log = ConnectionLog::default();
        let mut logged = Vec::new();
        for n in 0..100_000 {
            for kind in ["denied by the server", "a message was not sent"] {
                let line = format!("{kind}: {n}");
                if log.is_first_of_kind(&line) {
                    logged.push(line);
                }
            }
        }
        assert_eq!(logged, ["denied by the server: 0", "a message was not sent: 0"]);
        assert_eq!((log.take_repeated(), log.take_repeated()), (Some(199_998), None));
        let many = (0..1000).filter(|n| log.is_first_of_kind(&n.to_string())).count();
        assert_eq!(many, MAX_KINDS - 2);
    }

    #[test]
    fn a_server_that_was_given_up_and_is_connected_again_is_said_to_be() {
        let mut simulation = Simulation::new();
        simulation.connected_after(1);
        let line = simulation.log.lost(&Disconnect::new(Phase::Session, "closed"), None, false, simulation.now());
        simulation.keep(line);
        simulation.connected_after(60);
        assert_eq!(simulation.lines(), ["connected", "closed; giving up", "connected"]);
    }

    #[test]
    fn a_cause_is_said_again_after_something_was_done_about_it() {
        let mut simulation = Simulation::new();
        for _ in 0..2 {
            (0..3).for_each(|_| simulation.lost_after(5, "401"));
            simulation.log.forget_causes();
        }
        assert_eq!(simulation.lines(), ["401; retrying in 5.0 s"; 2]);
    }

    #[test]
    fn a_server_that_stays_down_is_recalled_ever_more_rarely() {
        let mut simulation = Simulation::new();
        for _ in 0..12 * 60 * 26 {
            simulation.lost_after(5, "refused");
        }
        let minutes: Vec<u64> = simulation.lines.iter().map(|(minute, _)| *minute).collect();
        assert_eq!(minutes[..7], [0, 1, 5, 15, 60, 120, 180]);
        assert_eq!(minutes.len(), 5 + 24, "{minutes:?}");
        let lines = simulation.lines();
        assert_eq!(lines[0], "refused; retrying in 5.0 s");
        assert_eq!(lines[3], "still down since 11:17Z, 181 attempts: refused; retrying in 5.0 s");
        assert_eq!(lines[5], "still down since 11:17Z, 1441 attempts: refused; retrying in 5.0 s");
        assert!(lines[lines.len() - 1].starts_with("still down since 2026-01-02T11:17Z, "), "{lines:?}");
        simulation.connected_after(5);
        assert_eq!(*simulation.lines().last().unwrap(), "connected, after 18720 failures");
    }

    #[test]
    fn a_server_that_is_lost_again_and_again_is_recalled_as_rarely() {
        for (up, down) in [(1, 4), (30, 5), (300, 1)] {
            let mut simulation = Simulation::new();
            while simulation.seconds < 4 * 3600 {
                simulation.connected_after(down);
                simulation.lost_after(up, "closed");
            }
            let lines = simulation.lines();
            assert!(lines.len() <= 16 && lines.len() >= 10, "{up} {down}: {lines:?}");
            assert_eq!(lines[..3], ["connected", "closed; retrying in 5.0 s", "connected"]);
            assert!(lines[3].starts_with("connected and lost "), "{lines:?}");
        }
    }

    #[test]
    fn a_loss_after_a_steady_connection_is_news() {
        let mut simulation = Simulation::new();
        for _ in 0..3 {
            simulation.connected_after(5);
            simulation.lost_after(3600, "closed");
        }
        let pair = ["connected", "closed; retrying in 5.0 s"];
        assert_eq!(simulation.lines(), [pair, pair, pair].concat());
    }

    #[test]
    fn the_last_line_is_never_wrong_for_more_than_a_minute() {
        let mut simulation = Simulation::new();
        for _ in 0..10 {
            simulation.connected_after(5);
            simulation.lost_after(20, "closed");
        }
        for _ in 0..13 {
            simulation.lost_after(5, "refused");
        }
        assert!(simulation.lines().last().unwrap().contains("refused"), "{:?}", simulation.lines);
        simulation.connected_after(5);
        simulation.lost_after(20, "closed");
        for _ in 0..13 {
            simulation.lost_after(5, "refused");
        }
        let last = simulation.lines.last().unwrap();
        assert!(last.1.starts_with("still down since ") && last.0 >= (simulation.seconds - 60) / 60, "{last:?}");
        simulation.connected_after(5);
        assert_eq!(*simulation.lines().last().unwrap(), "connected, after 13 failures");
    }

    #[test]
    fn causes_that_alternate_are_each_logged_once_and_ever_new_ones_not_at_all() {
        let mut simulation = Simulation::new();
        for n in 0..5000 {
            simulation.lost_after(1, ["refused", "no route", "timed out"][n % 3]);
        }
        assert_eq!(simulation.lines.len(), 3 + 4, "{:?}", simulation.lines);
        let mut simulation = Simulation::new();
        for n in 0..5000 {
            simulation.lost_after(1, &format!("busy, request {n}"));
        }
        assert_eq!(simulation.lines.len(), MAX_CAUSES + 4, "{:?}", simulation.lines);
        assert_eq!(simulation.log.causes.len(), MAX_CAUSES);
    }

    #[test]
    fn a_wait_of_hours_recalls_once_for_all_that_was_due() {
        let mut simulation = Simulation::new();
        for _ in 0..3 {
            simulation.lost_after(2 * 3600, "refused");
        }
        let minutes: Vec<u64> = simulation.lines.iter().map(|(minute, _)| *minute).collect();
        assert_eq!(minutes, [120, 240, 360]);
    }

    #[test]
    fn routine_ends_are_not_recalled() {
        let mut simulation = Simulation::new();
        for _ in 0..1000 {
            simulation.connected_after(1);
            simulation.seconds += 60;
            let (why, retry_in) = (Disconnect::closed(Some(1000), ""), Some(Duration::from_secs(1)));
            let line = simulation.log.lost(&why, retry_in, true, simulation.now());
            simulation.keep(line);
        }
        assert_eq!(simulation.lines(), ["connected"]);
    }
}

//! The times at which a service manager is told something. Pure: the texts go to [`Notifier`](super::Notifier).

use std::time::{Duration, Instant};

use wsmon::internal::earliest;

/// Least time between two looks at the number of servers that are up, and so between two lines about it.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// State of what a service manager has been told.
#[derive(Debug)]
pub struct Notices {
    started: Instant,
    /// True once the manager knows that the run is ready.
    is_ready: bool,
    /// True if the number of servers that are up may have changed since `counted_at`.
    has_changed: bool,
    counted_at: Option<Instant>,
    /// The number of servers that are up and of all, as told.
    told: (usize, usize),
    /// The period of signs of life, and the time of the next one.
    watchdog: Option<Duration>,
    watchdog_at: Option<Instant>,
}

impl Notices {
    pub fn new(now: Instant, watchdog: Option<Duration>) -> Self {
        Notices {
            started: now,
            is_ready: false,
            has_changed: true,
            counted_at: None,
            told: (0, 0),
            watchdog,
            watchdog_at: watchdog.and_then(|period| now.checked_add(period)),
        }
    }

    /// Takes note that the number of servers that are up may have changed.
    pub fn note_change(&mut self) {
        self.has_changed = true;
    }

    /// Makes the next `tick` say that the run is ready again.
    pub fn reload(&mut self) {
        (self.is_ready, self.has_changed) = (false, true);
    }

    /// Returns the lines that are due; none if it is too early. `count` returns the number of servers that are up, and of
    /// all.
    pub fn tick(&mut self, now: Instant, count: &dyn Fn() -> (usize, usize)) -> String {
        let mut text = String::new();
        if !std::mem::replace(&mut self.is_ready, true) {
            text.push_str("READY=1\n");
        }
        if self.status_at().is_some_and(|at| at <= now) {
            (self.has_changed, self.counted_at) = (false, Some(now));
            let (up, all) = count();
            if self.told != (up, all) {
                self.told = (up, all);
                text.push_str(&format!("STATUS={up} of {all} server{} up\n", if all == 1 { "" } else { "s" }));
            }
        }
        if self.watchdog_at.is_some_and(|at| at <= now) {
            self.watchdog_at = self.watchdog.and_then(|period| now.checked_add(period));
            text.push_str("WATCHDOG=1\n");
        }
        text
    }

    /// Returns the time at which `tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let ready_at = (!self.is_ready).then_some(self.started);
        earliest(ready_at, earliest(self.status_at(), self.watchdog_at))
    }

    /// Returns the time at which the servers are to be counted.
    fn status_at(&self) -> Option<Instant> {
        self.has_changed.then(|| self.counted_at.map_or(self.started, |at| at + STATUS_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notices with a clock, which goes from deadline to deadline.
    struct Simulation {
        start: Instant,
        notices: Notices,
        count: (usize, usize),
        /// With the time in milliseconds.
        told: Vec<(u128, String)>,
    }

    impl Simulation {
        fn new(watchdog: Option<u64>) -> Self {
            let start = Instant::now();
            let notices = Notices::new(start, watchdog.map(Duration::from_millis));
            Simulation { start, notices, count: (0, 3), told: Vec::new() }
        }

        /// Ticks at each deadline up to this time.
        fn run_until(&mut self, millis: u64) {
            let until = self.start + Duration::from_millis(millis);
            let mut ticks = 0;
            while let Some(at) = self.notices.deadline().filter(|at| *at <= until) {
                let text = self.notices.tick(at, &|| self.count);
                let time = (at - self.start).as_millis();
                self.told.extend(text.lines().map(|line| (time, line.to_owned())));
                ticks += 1;
                assert!(ticks < 1000, "a deadline that does not pass");
            }
        }

        fn change(&mut self, up: usize) {
            self.count.0 = up;
            self.notices.note_change();
        }

        fn told(&mut self) -> Vec<(u128, String)> {
            std::mem::take(&mut self.told)
        }
    }

    fn lines(lines: &[(u128, &str)]) -> Vec<(u128, String)> {
        lines.iter().map(|(at, line)| (*at, (*line).to_owned())).collect()
    }

    #[test]
    fn the_run_is_ready_at_once_and_then_nothing_is_due() {
        let mut simulation = Simulation::new(None);
        simulation.run_until(60_000);
        assert_eq!(simulation.told(), lines(&[(0, "READY=1"), (0, "STATUS=0 of 3 servers up")]));
        assert_eq!(simulation.notices.deadline(), None);
    }

    #[test]
    fn the_status_is_told_at_each_change_at_most_once_a_second() {
        let mut simulation = Simulation::new(None);
        simulation.run_until(0);
        simulation.told();
        for up in [1, 2, 1, 2] {
            simulation.change(up);
            simulation.run_until(500);
        }
        assert_eq!(simulation.told(), []);
        simulation.run_until(1000);
        assert_eq!(simulation.told(), lines(&[(1000, "STATUS=2 of 3 servers up")]));
        // A change that is undone is none.
        simulation.change(1);
        simulation.change(2);
        simulation.run_until(10_000);
        assert_eq!((simulation.told(), simulation.notices.deadline()), (vec![], None));
        simulation.count = (1, 1);
        simulation.change(1);
        simulation.run_until(10_000);
        assert_eq!(simulation.told(), lines(&[(2000 + 1000, "STATUS=1 of 1 server up")]));
    }

    #[test]
    fn the_watchdog_gets_its_signs_in_time_and_those_that_are_late_are_one() {
        let mut simulation = Simulation::new(Some(400));
        simulation.run_until(1300);
        let signs: Vec<_> = simulation.told().into_iter().filter(|(_, line)| line == "WATCHDOG=1").collect();
        assert_eq!(signs, lines(&[(400, "WATCHDOG=1"), (800, "WATCHDOG=1"), (1200, "WATCHDOG=1")]));
        let late = simulation.start + Duration::from_secs(60);
        assert_eq!(simulation.notices.tick(late, &|| (0, 3)), "WATCHDOG=1\n");
        assert_eq!(simulation.notices.deadline(), Some(late + Duration::from_millis(400)));
    }

    #[test]
    fn after_a_reload_the_run_is_ready_again() {
        let mut simulation = Simulation::new(None);
        simulation.run_until(0);
        simulation.told();
        simulation.count = (0, 4);
        simulation.notices.reload();
        simulation.run_until(5000);
        assert_eq!(simulation.told(), lines(&[(0, "READY=1"), (1000, "STATUS=0 of 4 servers up")]));
    }

    #[test]
    fn without_servers_there_is_no_status() {
        let mut simulation = Simulation::new(None);
        simulation.count = (0, 0);
        simulation.run_until(5000);
        assert_eq!(simulation.told(), lines(&[(0, "READY=1")]));
    }
}

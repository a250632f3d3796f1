//! Transcripts on a simulated clock.

use super::*;

/// A queue, and the commands that it starts: process 1, 2, … in seconds since the start.
struct Scene {
    queue: Queue,
    start: Instant,
    pids: i32,
    transcript: Vec<String>,
}

impl Scene {
    fn new() -> Scene {
        Scene { queue: Queue::default(), start: Instant::now(), pids: 0, transcript: Vec::new() }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    /// Does what is due until this time, each at its own.
    fn run_to(&mut self, seconds: f64) {
        while let Some(due) = self.queue.deadline().filter(|due| *due <= self.at(seconds)) {
            self.turn((due - self.start).as_secs_f64());
            assert!(self.queue.deadline().is_none_or(|next| next > due), "a deadline in the past");
        }
        self.turn(seconds);
    }

    fn turn(&mut self, seconds: f64) {
        let now = self.at(seconds);
        while let Some(Child { pid, stage, .. }) = self.queue.take_due(now) {
            self.transcript.push(format!("{seconds} {stage:?} {pid}"));
        }
        while let Some(notice) = self.queue.next(now) {
            self.pids += 1;
            self.queue.started(Arc::clone(&notice.key), self.pids, now);
            let level = if notice.in_force() { notice.level() } else { "OK" };
            let subject = notice.key.replace('\0', " ");
            self.transcript.push(format!("{seconds} {subject} {level}: {}", self.pids));
        }
        assert!(self.queue.children.len() <= MAX_RUNNING);
    }

    /// An alert comes; `level` is OK at its end.
    fn alert(&mut self, seconds: f64, server: &str, name: &str, level: &str) {
        self.run_to(seconds);
        self.queue.add(notice(server, name, level, None));
        self.turn(seconds);
    }

    /// The processes whose end is looked for.
    fn to_reap(&self) -> Vec<i32> {
        let children = (0..).map_while(|at| self.queue.child(at)).filter(|child| child.stage != Stage::Terminated);
        children.map(|child| child.pid).collect()
    }

    fn end(&mut self, seconds: f64, pid: i32) -> Option<Stage> {
        self.run_to(seconds);
        assert!(self.to_reap().contains(&pid), "{pid} is not looked for");
        let child = self.queue.ended(pid);
        self.turn(seconds);
        child.map(|child| child.stage)
    }

    fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.transcript), lines);
    }
}

fn notice(server: &str, name: &str, level: &str, id: Option<i64>) -> Notice {
    let phase = if level == "OK" { AlertPhase::Ends } else { AlertPhase::Begins };
    Notice {
        key: format!("{server}\0{name}").into(),
        server: server.into(),
        alert: Alert { level: level.to_owned().into(), phase, id, ..Alert::default() },
        rule: None,
        host: String::new(),
        received_at: Now { mono: Instant::now(), wall: std::time::UNIX_EPOCH },
    }
}

#[test]
fn each_change_is_told_where_a_minute_lies_between() {
    let mut scene = Scene::new();
    scene.alert(0.0, "web", "cpu", "WARNING");
    scene.end(1.0, 1);
    scene.alert(61.0, "web", "cpu", "CRITICAL");
    scene.end(62.0, 2);
    scene.alert(130.0, "web", "cpu", "OK");
    scene.end(131.0, 3);
    scene.run_to(500.0);
    scene.expect(&["0 web cpu WARNING: 1", "61 web cpu CRITICAL: 2", "130 web cpu OK: 3"]);
    assert!(scene.queue.subjects.is_empty() && scene.queue.deadline().is_none(), "{:?}", scene.queue);
}

#[test]
fn what_comes_within_the_minute_is_told_at_its_end_the_latest_alone() {
    let mut scene = Scene::new();
    scene.alert(0.0, "web", "cpu", "WARNING");
    scene.end(0.1, 1);
    scene.alert(5.0, "web", "cpu", "CRITICAL");
    scene.alert(30.0, "web", "cpu", "OK");
    // Other subjects are not concerned.
    scene.alert(31.0, "web", "disk", "WARNING");
    scene.alert(32.0, "db", "cpu", "WARNING");
    scene.run_to(59.9);
    scene.expect(&["0 web cpu WARNING: 1", "31 web disk WARNING: 2", "32 db cpu WARNING: 3"]);
    scene.run_to(60.0);
    scene.expect(&["60 web cpu OK: 4"]);
}

#[test]
fn nothing_is_told_at_the_end_of_the_minute_if_the_state_is_as_it_was_told() {
    let mut scene = Scene::new();
    for (from, level) in [(0.0, "CRITICAL"), (200.0, "OK")] {
        scene.alert(from, "web", "cpu", level);
        scene.end(from + 0.1, if from == 0.0 { 1 } else { 2 });
        let other = if level == "OK" { "CRITICAL" } else { "OK" };
        scene.alert(from + 1.0, "web", "cpu", other);
        scene.alert(from + 2.0, "web", "cpu", level);
        scene.run_to(from + 100.0);
    }
    scene.expect(&["0 web cpu CRITICAL: 1", "200 web cpu OK: 2"]);
    assert!(scene.queue.waiting.is_empty() && scene.queue.subjects.is_empty(), "{:?}", scene.queue);
}

#[test]
fn a_value_that_flaps_each_second_costs_a_command_a_minute_and_the_last_one_is_true() {
    let mut scene = Scene::new();
    for second in 0..=600 {
        scene.alert(f64::from(second), "web", "cpu", if second % 2 == 0 { "CRITICAL" } else { "OK" });
        while let Some(pid) = scene.to_reap().first().copied() {
            scene.end(f64::from(second) + 0.1, pid);
        }
    }
    assert!(scene.transcript.len() <= 11, "{:?}", scene.transcript);
    scene.alert(601.0, "web", "cpu", "OK");
    scene.run_to(700.0);
    assert!(scene.transcript.last().unwrap().contains("cpu OK"), "{:?}", scene.transcript);
    assert_eq!(scene.queue.take_lost(), 0);
}

#[test]
fn a_short_alert_is_told_with_its_end_a_minute_later() {
    let mut scene = Scene::new();
    for level in ["CRITICAL", "OK"] {
        // In one turn of the loop.
        scene.queue.add(notice("web", "cpu", level, None));
    }
    scene.turn(0.0);
    scene.end(0.5, 1);
    scene.run_to(100.0);
    scene.expect(&["0 web cpu CRITICAL: 1", "60 web cpu OK: 2"]);
}

#[test]
fn one_command_at_a_time_runs_about_one_subject() {
    let mut scene = Scene::new();
    scene.alert(0.0, "web", "cpu", "CRITICAL");
    scene.alert(1.0, "web", "cpu", "OK");
    scene.run_to(64.0);
    scene.expect(&["0 web cpu CRITICAL: 1", "60 Terminated 1"]);
    scene.run_to(65.0);
    scene.expect(&["65 Killed 1"]);
    assert_eq!(scene.end(65.1, 1), Some(Stage::Killed));
    scene.expect(&["65.1 web cpu OK: 2"]);
}

#[test]
fn a_command_that_hangs_is_asked_to_end_then_killed_and_only_then_reaped() {
    let mut scene = Scene::new();
    scene.alert(0.0, "web", "cpu", "CRITICAL");
    assert_eq!(scene.to_reap(), [1]);
    scene.run_to(59.999);
    scene.expect(&["0 web cpu CRITICAL: 1"]);
    // The loop is late: the process still has its five seconds.
    scene.turn(63.0);
    assert_eq!(scene.to_reap(), [0; 0]);
    scene.run_to(67.9);
    scene.expect(&["63 Terminated 1"]);
    scene.run_to(1000.0);
    scene.expect(&["68 Killed 1"]);
    assert_eq!((scene.to_reap(), scene.queue.deadline()), (vec![1], None));
    let child = scene.queue.ended(1).unwrap();
    assert_eq!((&*child.key, child.stage), ("web\0cpu", Stage::Killed));
    assert!(scene.queue.ended(1).is_none());
}

#[test]
fn four_run_and_sixty_four_wait_and_of_more_the_oldest_are_lost() {
    let mut scene = Scene::new();
    for n in 0..1000 {
        scene.queue.add(notice(&format!("s{n}"), "up", "CRITICAL", None));
    }
    assert_eq!(scene.queue.take_lost(), 1000 - 68);
    scene.turn(0.0);
    scene.expect(&[932, 933, 934, 935].map(|n| format!("0 s{n} up CRITICAL: {}", n - 931)).each_ref().map(|l| &**l));
    for pid in 1..=68 {
        scene.end(1.0, pid);
    }
    assert_eq!((scene.transcript.len(), scene.queue.take_lost()), (64, 0));
    scene.transcript.clear();
    // All of them end: of those that were not told nothing is told, and what is told is what was told before.
    for n in 0..1000 {
        scene.queue.add(notice(&format!("s{n}"), "up", "OK", None));
    }
    scene.run_to(59.0);
    scene.expect(&[]);
    scene.run_to(61.0);
    for pid in 69..=136 {
        scene.end(62.0, pid);
    }
    assert_eq!((scene.transcript.len(), scene.queue.take_lost()), (68, 0), "{:?}", scene.transcript);
    assert!(scene.transcript[0].starts_with("60 s932 up OK") && scene.transcript[67].contains(" s999 up OK"));
}

#[test]
fn the_end_of_an_alert_that_was_lost_is_lost_with_it() {
    let mut scene = Scene::new();
    for n in 0..70 {
        for level in ["CRITICAL", "OK"] {
            scene.queue.add(notice(&format!("s{n}"), "up", level, None));
        }
    }
    assert_eq!(scene.queue.take_lost(), 2);
    assert!(scene.queue.waiting.iter().all(|waiting| !["s0\0up", "s1\0up"].contains(&&*waiting.notice.key)));
    // Another level is not: it is what nobody was told.
    let mut scene = Scene::new();
    scene.queue.add(notice("a", "up", "WARNING", None));
    scene.queue.add(notice("a", "up", "CRITICAL", None));
    for n in 0..67 {
        scene.queue.add(notice(&format!("s{n}"), "up", "CRITICAL", None));
    }
    assert_eq!(scene.queue.take_lost(), 0);
    scene.queue.add(notice("b", "up", "CRITICAL", None));
    // The oldest of all, and then the second oldest, which the first one has set free.
    assert_eq!(scene.queue.take_lost(), 2);
}

#[test]
fn an_end_hides_no_other_alert_of_the_same_name_that_goes_on() {
    let mut scene = Scene::new();
    let add = |scene: &mut Scene, seconds: f64, level: &str, id| {
        scene.run_to(seconds);
        scene.queue.add(notice("web", "cpu/", level, Some(id)));
        scene.turn(seconds);
    };
    add(&mut scene, 0.0, "WARNING", 1);
    scene.end(0.1, 1);
    add(&mut scene, 1.0, "WARNING", 2);
    add(&mut scene, 2.0, "OK", 1);
    scene.run_to(70.0);
    scene.end(70.1, 2);
    add(&mut scene, 71.0, "OK", 2);
    scene.run_to(150.0);
    scene.expect(&["0 web cpu/ WARNING: 1", "60 web cpu/ WARNING: 2", "120 web cpu/ OK: 3"]);
}

#[test]
fn a_command_that_cannot_be_started_is_not_tried_again() {
    let mut scene = Scene::new();
    scene.queue.add(notice("web", "cpu", "CRITICAL", None));
    assert!(scene.queue.next(scene.start).is_some());
    scene.alert(1.0, "web", "cpu", "CRITICAL");
    scene.run_to(100.0);
    scene.expect(&[]);
    scene.alert(101.0, "web", "cpu", "OK");
    scene.expect(&["101 web cpu OK: 1"]);
}

#[test]
fn what_is_kept_has_a_bound_whatever_servers_invent() {
    let mut scene = Scene::new();
    let big = |n: i32, level: &str| Notice { host: "x".repeat(20_000), ..notice("web", &n.to_string(), level, None) };
    for n in 0..6000 {
        let now = scene.at(f64::from(n) / 200.0);
        scene.queue.add(big(n, "CRITICAL"));
        scene.queue.add(big(n, "WARNING"));
        while let Some(notice) = scene.queue.next(now) {
            scene.queue.started(notice.key, n, now);
            scene.queue.ended(n);
        }
        let bytes: usize = scene.queue.waiting.iter().map(|waiting| waiting.bytes).sum();
        assert!(bytes <= MAX_BYTES && scene.queue.subjects.len() <= MAX_SUBJECTS && scene.queue.waiting.len() < 200);
    }
    assert!(scene.queue.take_lost() > 0);
}

#[test]
fn the_invariants_hold_over_random_histories() {
    let mut random = crate::cli::random::Random::new(7);
    for _ in 0..200 {
        let mut scene = Scene::new();
        let mut told: Vec<(String, f64, String)> = Vec::new();
        let mut seconds = 0.0;
        let mut latest = std::collections::BTreeMap::new();
        for _ in 0..300 {
            seconds += random.below(40) as f64 / 4.0;
            match random.below(3) {
                0 => {
                    scene.run_to(seconds);
                    let pids = scene.to_reap();
                    if !pids.is_empty() {
                        scene.end(seconds, *random.pick(&pids));
                    }
                }
                _ => {
                    let server = format!("s{}", random.below(3));
                    let level = *random.pick(&["OK", "WARNING", "CRITICAL"]);
                    scene.alert(seconds, &server, "cpu", level);
                    latest.insert(server, level);
                }
            }
            for line in scene.transcript.drain(..) {
                let words: Vec<_> = line.split(' ').collect();
                if let [at, server, "cpu", level, _] = words[..] {
                    let at: f64 = at.parse().unwrap();
                    let before = told.iter().rev().find(|(of, ..)| of == server);
                    assert!(before.is_none_or(|(_, last, _)| at - last >= 60.0), "{line} after {before:?}");
                    told.push((server.to_owned(), at, level.trim_end_matches(':').to_owned()));
                }
            }
        }
        // In the end all commands end, and everybody knows how it is.
        for _ in 0..400 {
            seconds += 1.0;
            scene.run_to(seconds);
            while let Some(&pid) = scene.to_reap().first() {
                scene.end(seconds, pid);
            }
        }
        for line in scene.transcript.drain(..) {
            if let [_, server, "cpu", level, _] = line.split(' ').collect::<Vec<_>>()[..] {
                told.push((server.to_owned(), 0.0, level.trim_end_matches(':').to_owned()));
            }
        }
        for (server, level) in latest {
            let known = told.iter().rev().find(|(of, ..)| *of == server).map_or("OK", |(.., level)| level);
            assert_eq!(known, level, "{server}");
        }
        assert_eq!((scene.queue.take_lost(), scene.queue.waiting.len()), (0, 0));
    }
}

//! Alerts of rules and the counting of a check, on a simulated clock.

use super::*;
use crate::cli::plan::Plan;
use std::sync::Arc;
use std::time::SystemTime;
use wsmon::{Alert, AlertPhase, Change, ClientState, Metric, Notice, Sample, Server};

pub(super) struct Scene {
    pub view: View,
    start: Instant,
    out: String,
}

impl Scene {
    /// Views that watch two servers, `a` and `b`, with these rules.
    pub fn new(format: &str, filter: &str, criticals: &str, change: impl FnOnce(&mut Plan)) -> Scene {
        let mut plan = Plan::default();
        if !criticals.is_empty() {
            plan.thresholds.add_criticals(criticals).unwrap();
        }
        change(&mut plan);
        let mut monitor = Monitor::new().unwrap();
        for label in ["a", "b"] {
            monitor.add(Server::default().label(label)).unwrap();
        }
        let filter = match plan.check {
            true => Some(Filter::nothing()),
            false => (!filter.is_empty()).then(|| Filter::read(filter).unwrap()),
        };
        let format = wsmon::format(format).unwrap();
        let style = Style { labels: true, ..Style::default() };
        let options = ViewOptions {
            format,
            template: None,
            style,
            every: plan.every,
            average: plan.average,
            filter,
            count: plan.count,
            count_answers: false,
        };
        let mut view = View::new(options, None);
        monitor.ids().for_each(|id| view.add(id));
        view.fleet = Fleet::new(&plan, &monitor);
        Scene { view, start: Instant::now(), out: String::new() }
    }

    /// Shows an event of a server so many seconds after the start. Returns the output without its times.
    pub fn say(&mut self, seconds: f64, id: usize, event: Event<'_>) -> String {
        self.say_all(seconds, id, &[event])
    }

    /// Shows a message with these events.
    pub fn say_all(&mut self, seconds: f64, id: usize, events: &[Event<'_>]) -> String {
        let server: Arc<str> = ["a", "b"][id].into();
        let mono = self.start + Duration::from_secs_f64(seconds);
        let raw = if matches!(events, [Event::State(_)]) { Raw::None } else { Raw::Json("{}") };
        let now = Now { mono, wall: SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds) };
        let mut message = own_message(ServerId::from_index(id), &server, now, events);
        message.raw = raw;
        self.view.show(&message, &mut |text| self.out.push_str(text));
        self.taken()
    }

    pub fn cpu(&mut self, seconds: f64, id: usize, value: f64) -> String {
        self.say(seconds, id, Event::Sample(Box::new(Sample::from_metrics([(Metric::Cpu, value)]))))
    }

    pub fn state(&mut self, seconds: f64, id: usize, to: ClientState) -> String {
        let from = ClientState::Connecting;
        self.say(seconds, id, Event::State(Change::new(from, to)))
    }

    /// Does what is due then. `None` if nothing is.
    pub fn wait_until(&mut self, seconds: f64) -> Option<String> {
        let now = Now { mono: self.start + Duration::from_secs_f64(seconds), wall: SystemTime::UNIX_EPOCH };
        self.view.deadline().filter(|at| *at <= now.mono)?;
        self.view.tick_at(now, &mut |text| self.out.push_str(text));
        Some(self.taken())
    }

    pub fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    pub fn since(&self, at: Instant) -> f64 {
        at.duration_since(self.start).as_secs_f64()
    }

    /// Ends the run then.
    pub fn end(&mut self, seconds: f64) -> String {
        self.view.end_intervals(self.start + Duration::from_secs_f64(seconds), &mut |text| self.out.push_str(text));
        self.taken()
    }

    fn taken(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        while let Some(at) = out.find(" 1970-01-01T") {
            out.replace_range(at..at + " 1970-01-01T00:00:00Z".len(), "");
        }
        out
    }

    pub fn shown(&self) -> [u64; 2] {
        [0, 1].map(|index| self.view.shown(ServerId::from_index(index)))
    }
}

#[test]
fn an_alert_follows_the_sample_that_raises_it_and_counts() {
    let mut scene = Scene::new("simple", "", "cpu=90", |_| {});
    assert_eq!(scene.cpu(0.0, 0, 95.0), "a: CPU:  95.0%\na: [ALERT] CRITICAL cpu 95.0% (90)\n");
    assert_eq!(scene.cpu(1.0, 0, 96.0), "a: CPU:  96.0%\n");
    assert_eq!(scene.cpu(2.0, 0, 5.0), "a: CPU:   5.0%\na: [ALERT] cpu: back to normal\n");
    assert_eq!(scene.shown(), [5, 0]);
}

#[test]
fn every_alert_of_a_server_ends_when_it_is_no_longer_watched() {
    let mut scene = Scene::new("events", "alert", "cpu=90", |_| {});
    let alert = |component: &'static str, id, phase| {
        let (component, level) = (component.into(), "WARNING".into());
        Event::Alert(Alert { component, id, level, phase, ..Alert::default() })
    };
    let (begins, ends) = (AlertPhase::Begins, AlertPhase::Ends);
    scene.cpu(0.0, 0, 95.0);
    scene.say_all(
        1.0,
        0,
        &[alert("disk", Some(1), begins), alert("disk", Some(2), begins), alert("gpu", None, begins)],
    );
    scene.say(2.0, 0, alert("disk", Some(1), ends));
    scene.say(2.0, 1, alert("memory", None, begins));
    let now = Now { mono: scene.at(3.0), wall: SystemTime::UNIX_EPOCH };
    let mut out = String::new();
    scene.view.remove(ServerId::from_index(0), now, &mut |text| out.push_str(text));
    let rest: Vec<_> = out.lines().filter_map(|line| line.split_once(r#""server":"a","kind":"alert","#)).collect();
    let of = |index: usize, part: &str| rest[index].1.contains(part) && rest[index].1.contains(r#""phase":"ends""#);
    assert!(rest.len() == 3 && of(0, r#""component":"disk""#) && of(0, r#""id":2"#) && of(1, "gpu"), "{out}");
    assert!(of(2, r#""component":"cpu""#), "{out}");
}

#[test]
fn the_filter_applies_to_alerts_but_not_to_the_values_that_rules_look_at() {
    let mut scene = Scene::new("simple", "alert", "cpu=90,up=1:", |_| {});
    assert_eq!(scene.cpu(0.0, 1, 95.0), "b: [ALERT] CRITICAL cpu 95.0% (90)\n");
    assert_eq!(scene.state(1.0, 0, ClientState::Error), "a: [ALERT] CRITICAL up 0 (1:)\n");
    assert_eq!(scene.shown(), [1, 1]);
    let mut scene = Scene::new("simple", "sample", "cpu=90", |_| {});
    assert_eq!(scene.cpu(0.0, 1, 95.0), "b: CPU:  95.0%\n");
}

#[test]
fn an_alert_about_all_servers_counts_for_each_of_them() {
    let mut scene = Scene::new("simple", "alert", "cpu.mean=90", |plan| plan.count = Some(1));
    assert_eq!(scene.cpu(0.0, 0, 95.0), "");
    assert_eq!(scene.cpu(0.0, 1, 96.0), "*: [ALERT] CRITICAL cpu.mean 95.5% (90)\n");
    assert!([0, 1].iter().all(|&index| scene.view.count_reached(ServerId::from_index(index))));
}

#[test]
fn holds_end_by_the_clock() {
    let mut scene = Scene::new("simple", "alert", "cpu=90/5m", |_| {});
    assert_eq!(scene.cpu(0.0, 0, 95.0) + &scene.cpu(200.0, 0, 91.0), "");
    assert_eq!(scene.wait_until(299.0), None);
    assert_eq!(scene.wait_until(300.0).as_deref(), Some("a: [ALERT] CRITICAL cpu 91.0% (90)\n"));
}

#[test]
fn rules_look_at_the_samples_that_every_lets_through() {
    let mut scene = Scene::new("simple", "", "cpu=90", |plan| plan.every = Some(Duration::from_secs(10)));
    assert_eq!(scene.cpu(0.0, 0, 1.0), "a: CPU:   1.0%\n");
    assert_eq!(scene.cpu(1.0, 0, 99.0) + &scene.cpu(2.0, 0, 2.0) + &scene.cpu(9.0, 0, 95.0), "");
    let due = "a: CPU:  95.0%\na: [ALERT] CRITICAL cpu 95.0% (90)\n";
    assert_eq!((scene.wait_until(9.9), scene.wait_until(10.0).as_deref()), (None, Some(due)));
}

#[test]
fn alerts_of_servers_reach_the_rules_at_once_even_if_their_message_is_replaced() {
    for format in ["events", "jsonl"] {
        let every = |plan: &mut Plan| plan.every = Some(Duration::from_secs(10));
        let mut scene = Scene::new(format, "", "alerts=0", every);
        scene.cpu(0.0, 0, 1.0);
        let alert = || Event::Alert(wsmon::Alert { component: "disk".into(), ..wsmon::Alert::default() });
        let sample = || Event::Sample(Box::new(Sample::from_metrics([(Metric::Cpu, 2.0)])));
        scene.say_all(1.0, 0, &[sample(), alert()]);
        scene.cpu(2.0, 0, 3.0);
        let row = |scene: &Scene| {
            scene.view.fleet.as_ref().and_then(|fleet| fleet.board.get(ServerId::from_index(0))?.alerts())
        };
        assert_eq!(row(&scene), Some(1), "{format}");
        scene.wait_until(10.0);
        let cpu =
            scene.view.fleet.as_ref().and_then(|fleet| fleet.board.get(ServerId::from_index(0))?.metric(Metric::Cpu));
        assert_eq!((row(&scene), cpu), (Some(1), Some(3.0)), "{format}");
    }
}

#[test]
fn a_server_whose_count_is_reached_raises_no_more_alerts() {
    let mut scene = Scene::new("simple", "", "up=1:,age=60,cpu=90", |plan| plan.count = Some(1));
    assert_eq!(scene.cpu(0.0, 0, 95.0), "a: CPU:  95.0%\na: [ALERT] CRITICAL cpu 95.0% (90)\n");
    assert_eq!(scene.state(1.0, 0, ClientState::Disconnected) + &scene.cpu(2.0, 0, 5.0), "");
    assert_eq!(scene.wait_until(100.0).unwrap_or_default(), "");
}

#[test]
fn formats_of_whole_messages_have_no_line_for_alerts_of_rules() {
    for (format, lines) in [("json", 1), ("jsonl", 1), ("csv", 1), ("events", 2), ("influx", 2), ("compact", 2)] {
        let mut scene = Scene::new(format, "", "cpu=90", |_| {});
        let out = scene.cpu(0.0, 0, 95.0);
        let lines_of = if format == "json" { 1 } else { out.lines().count() };
        assert_eq!((lines_of, scene.shown()[0]), (lines, lines as u64), "{format}: {out}");
    }
}

#[test]
fn a_check_counts_samples_once_every_named_value_is_there_and_prints_nothing() {
    let check = |plan: &mut Plan| (plan.check, plan.count) = (true, Some(1));
    for (criticals, counts) in [("up=1:", [1, 1]), ("80,cpu=5", [1, 1]), ("memory=5", [0, 0]), ("cpu.max=5", [1, 1])] {
        let mut scene = Scene::new("simple", "", criticals, check);
        scene.state(0.0, 0, ClientState::Connected);
        scene.state(0.0, 1, ClientState::Connected);
        let greeting = Notice { text: "hi".into(), greeting: true, ..Notice::default() };
        assert_eq!(scene.say(0.5, 0, Event::Notice(greeting)), "");
        assert_eq!(scene.say(0.6, 0, Event::Notice(Notice::default())), "");
        assert_eq!(scene.shown(), [0, 0]);
        assert_eq!(scene.cpu(1.0, 0, 95.0) + &scene.cpu(1.0, 1, 1.0), "");
        assert_eq!(scene.shown(), counts, "{criticals}");
    }
}

#[test]
fn the_alerts_of_a_removed_server_end_without_a_fleet_too_and_those_of_others_stay() {
    for every in [None, Some(Duration::from_secs(5))] {
        let mut scene = Scene::new("simple", "", "", |plan| plan.every = every);
        assert!(scene.view.fleet.is_none());
        scene.view.alerts = Some(Board::default());
        let alert = |component: &'static str, phase| {
            Event::Alert(Alert { component: component.into(), phase, ..Alert::default() })
        };
        let gone = ServerId::from_index(0);
        let ends = |scene: &mut Scene| {
            let mut shown = String::new();
            let now = Now { mono: scene.start, wall: SystemTime::UNIX_EPOCH };
            scene.view.remove(gone, now, &mut |text| shown.push_str(text));
            shown
        };
        for (id, component) in [(0, "disk"), (1, "disk"), (0, "memory"), (0, "gpu")] {
            scene.say(0.0, id, alert(component, AlertPhase::Begins));
        }
        scene.say(1.0, 0, alert("memory", AlertPhase::Ends));
        scene.state(2.0, 0, ClientState::Reconnecting);
        assert_eq!(ends(&mut scene).lines().count(), 2);
        assert_eq!(ends(&mut scene), "", "once");
        assert_eq!(scene.view.alerts.as_ref().map(|alerts| alerts.rows().len()), Some(1));
    }
}

#[test]
fn nothing_remains_of_a_server_that_was_removed() {
    let mut scene = Scene::new("simple", "alert,sample", "cpu=90,up.sum=2:", |plan| {
        plan.every = Some(Duration::from_secs(10));
        plan.count = Some(9);
    });
    scene.state(0.0, 0, ClientState::Connected);
    scene.state(0.0, 1, ClientState::Connected);
    assert!(scene.cpu(1.0, 0, 95.0).contains("CRITICAL cpu 95.0%"));
    assert_eq!(scene.cpu(2.0, 0, 50.0), "", "held");
    let gone = ServerId::from_index(0);
    let (mut shown, now) = (String::new(), Now { mono: scene.start, wall: SystemTime::UNIX_EPOCH });
    scene.view.remove(gone, now, &mut |text| shown.push_str(text));
    assert_eq!(shown, "a: [ALERT] 1970-01-01T00:00:00Z cpu: back to normal\n");
    assert!(scene.view.fleet.as_ref().unwrap().board.get(gone).is_none());
    assert_eq!((scene.view.shown(gone), scene.view.held.first()), (0, None));
    assert_eq!(scene.wait_until(100.0).unwrap_or_default(), "*: [ALERT] CRITICAL up.sum 1 (2:)\n");
    assert!(scene.cpu(101.0, 1, 95.0).contains("b: [ALERT] CRITICAL cpu 95.0%"));
}

#[test]
fn the_readiness_is_that_of_the_rules_on_up_or_that_of_any_server() {
    // The servers that are up, the rules, and those numbers of servers for which they hold.
    for (rules, ready) in [
        ("", [false, true, true]),
        ("cpu=0", [false, true, true]),
        ("up=1:", [false, false, true]),
        ("up=1:/2m", [false, false, true]),
        ("up=0", [true, false, false]),
        ("up.sum=2:", [false, false, true]),
        ("up.sum=0:", [true, true, true]),
        ("up.mean=0.5:", [false, true, true]),
        ("up.min=1:", [false, false, true]),
        ("up.max=1:", [false, true, true]),
        ("up.max=1:,up.sum=2:", [false, false, true]),
    ] {
        let address = ([127, 0, 0, 1], 1).into();
        let mut scene = Scene::new("simple", "", rules, |plan| plan.listen = Some(address));
        for (up, ready) in ready.into_iter().enumerate() {
            let readiness = scene.view.fleet.as_ref().map(|fleet| fleet.readiness());
            assert_eq!(readiness, Some((ready, format!("{up} of 2 servers up\n"))), "{rules}");
            scene.state(0.0, up.min(1), ClientState::Connected);
        }
    }
}

#[test]
fn a_rule_that_nobody_has_written_does_not_decide_about_the_readiness() {
    for (rules, implies, ready) in [("up=1:/2m", true, true), ("up=1:/2m", false, false), ("up=1:", true, false)] {
        let mut scene = Scene::new("simple", "", rules, |plan| plan.implies_up = implies);
        scene.state(0.0, 0, ClientState::Connected);
        let readiness = scene.view.fleet.as_ref().map(|fleet| fleet.readiness());
        assert_eq!(readiness, Some((ready, "1 of 2 servers up\n".to_owned())), "{rules} {implies}");
    }
}

#[test]
fn a_scrape_takes_nothing_from_the_file_that_is_to_be_written() {
    let address = ([127, 0, 0, 1], 1).into();
    let mut scene = Scene::new("simple", "", "", |plan| plan.listen = Some(address));
    scene.state(0.0, 0, ClientState::Connected);
    let mut monitor = Monitor::new().unwrap();
    for label in ["a", "b"] {
        monitor.add(Server::default().label(label)).unwrap();
    }
    let servers = crate::cli::servers::Servers { monitor: Box::leak(Box::new(monitor)), saved: None };
    let fleet = scene.view.fleet.as_mut().unwrap();
    assert!(fleet.exposition(&servers).contains("\nwsmon_up{server=\"a\"} 1\n") && fleet.has_changed());
    fleet.forget_changes();
    assert!(!fleet.has_changed());
}

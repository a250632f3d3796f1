use super::*;
use crate::cli::fleet::own_message;
use std::sync::Arc;
use std::time::SystemTime;
use wsmon::{Change, ClientState, Event, Now, Process, Processes, Sample, Thresholds};

/// A board of servers that are connected, with the time of the last update.
struct Scene {
    board: Board,
    looks: Vec<Look>,
    now: Now,
}

impl Scene {
    fn new(labels: &[&str]) -> Scene {
        let now = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let mut scene = Scene { board: Board::default(), looks: Vec::new(), now };
        for (id, label) in labels.iter().enumerate() {
            let index = id;
            let id = ServerId::from_index(id);
            scene.board.add(id, label);
            scene.looks.push(Look { id, failure: None, undecoded: false, at: now.mono });
            scene.changed(index, ClientState::Connected);
        }
        scene
    }

    fn changed(&mut self, id: usize, to: ClientState) {
        let from = ClientState::Connecting;
        let change = Change::new(from, to);
        self.say(id, Event::State(change));
    }

    fn say(&mut self, id: usize, event: Event<'_>) {
        let label: Arc<str> = "-".into();
        self.board.update(&own_message(ServerId::from_index(id), &label, self.now, &[event]));
    }

    fn sample(mut self, id: usize, values: &[(&str, f64)]) -> Scene {
        let values = values.iter().map(|(name, value)| match Quantity::named(name) {
            Some(Quantity::Metric(metric)) => (metric, *value),
            other => panic!("{name}: {other:?}"),
        });
        self.say(id, Event::Sample(Box::new(Sample::from_metrics(values))));
        self
    }

    fn failed(mut self, id: usize, why: &str) -> Scene {
        self.changed(id, ClientState::Error);
        self.looks[id].failure = Some(why.to_owned());
        self
    }

    fn undecoded(mut self, id: usize) -> Scene {
        self.looks[id].undecoded = true;
        self
    }

    /// Returns the exit status and the lines.
    fn result(&self, warnings: &str, criticals: &str) -> (u8, String) {
        let mut thresholds = Thresholds::default();
        if !warnings.is_empty() {
            thresholds.add_warnings(warnings).unwrap();
        }
        if !criticals.is_empty() {
            thresholds.add_criticals(criticals).unwrap();
        }
        let (status, text) = result(&self.board, &Rules::new(thresholds), &self.looks, self.now.mono);
        assert!(text.ends_with('\n') && !text.trim_end().contains(|c: char| c.is_control() && c != '\n'), "{text}");
        (status.code(), text)
    }
}

const REFUSED: &str = "connect to 10.0.0.9:8765: connection refused";

#[test]
fn a_good_server_is_one_line_with_its_values_and_performance_data() {
    let scene = Scene::new(&["web"]);
    let scene = scene.sample(0, &[("cpu", 12.4), ("memory", 38.1), ("disk", 28.5), ("load1", 0.52), ("load5", 1.0)]);
    let expected = "WSMON OK - cpu 12.4%, memory 38.1%, disk 28.5%, load1 0.52 | 'cpu'=12.4%;80;90;0;100 \
                    'memory'=38.1%;85;;0;100 'disk'=28.5%;;;0;100 'load1'=0.52;;;0\n";
    assert_eq!(scene.result("cpu=80,memory=85", "cpu=90"), (0, expected.into()));
}

#[test]
fn of_several_servers_the_worst_come_first_and_each_has_a_line() {
    let scene = Scene::new(&["web", "db", "down"]).sample(0, &[("memory", 38.1), ("cpu", 91.2)]);
    let scene = scene.sample(1, &[("cpu", 12.4), ("memory", 61.0)]).failed(2, REFUSED);
    let expected = "WSMON CRITICAL - down: connect to 10.0.0.9:8765: connection refused; web: cpu 91.2% (90) | \
                    'web::cpu'=91.2%;80;90;0;100 'web::memory'=38.1%;;;0;100 'db::cpu'=12.4%;80;90;0;100 \
                    'db::memory'=61%;;;0;100\n\
                    down CRITICAL - connect to 10.0.0.9:8765: connection refused\n\
                    web CRITICAL - cpu 91.2% (90), memory 38.1%\n\
                    db OK - cpu 12.4%, memory 61.0%\n";
    assert_eq!(scene.result("cpu=80", "cpu=90"), (2, expected.into()));
    let scene = Scene::new(&["a", "b"]).sample(0, &[("cpu", 1.0)]).sample(1, &[("cpu", 2.0)]);
    let (status, text) = scene.result("", "");
    assert_eq!((status, text.split(" | ").next()), (0, Some("WSMON OK - 2 servers")));
}

#[test]
fn the_worst_of_all_findings_is_the_status() {
    let scene = || Scene::new(&["a"]).sample(0, &[("cpu", 85.0), ("memory", 95.0)]);
    for (warnings, criticals, status, text) in [
        ("cpu=80", "", 1, "WARNING - cpu 85.0% (80)"),
        ("cpu=80", "memory=90", 2, "CRITICAL - memory 95.0% (90), cpu 85.0% (80)"),
        ("cpu=80,gpu=80", "", 3, "UNKNOWN - no sample carried gpu, cpu 85.0% (80)"),
        ("gpu=80", "memory=90", 2, "CRITICAL - memory 95.0% (90), no sample carried gpu"),
        ("", "failed=0,ping=1", 3, "UNKNOWN - no processes came for failed, no ping was answered"),
        ("cpu.max=80,gpu.mean=5", "", 3, "UNKNOWN - no sample carried gpu.mean, cpu.max 85.0% (80)"),
        ("up=1:,age=60,alerts=0", "cpu=86", 0, "OK - up 1, age 0s, alerts 0, cpu 85.0%, memory 95.0%"),
        ("90", "99", 1, "WARNING - memory 95.0% (90)"),
    ] {
        let (code, line) = scene().result(warnings, criticals);
        assert_eq!((code, line.split(" | ").next()), (status, Some(&*format!("WSMON {text}"))));
    }
}

#[test]
fn a_server_without_values_is_connected_or_says_why_not() {
    assert_eq!(Scene::new(&["a"]).result("90", ""), (0, "WSMON OK - connected\n".into()));
    let failed = Scene::new(&["a"]).failed(0, "upgrade refused: a|b\u{7}\u{202e}\nc");
    let expected = "WSMON CRITICAL - upgrade refused: a/b \\u{202e} c\n";
    assert_eq!(failed.result("cpu=80", ""), (2, expected.into()));
    let undecoded = Scene::new(&["a"]).failed(0, "closed").undecoded(0);
    assert_eq!(undecoded.result("cpu=80", ""), (3, "WSMON UNKNOWN - no message could be decoded\n".into()));
    assert_eq!(unknown("a|b\nc"), "WSMON UNKNOWN - a/b c\n");
}

#[test]
fn a_rule_on_up_decides_about_servers_that_are_down() {
    let scene = || {
        let scene = Scene::new(&["a", "b", "c"]).sample(0, &[("cpu", 95.0)]).sample(1, &[("cpu", 5.0)]);
        scene.failed(2, REFUSED)
    };
    let (status, text) = scene().result("", "up.sum=2:");
    assert_eq!((status, text.lines().nth(1)), (0, Some(&*format!("c OK - {REFUSED}"))), "{text}");
    assert!(text.starts_with("WSMON OK - 3 servers | ") && text.contains(" 'up.sum'=2;;2:;0\n"), "{text}");
    let (status, text) = scene().result("up.sum=3:", "cpu=90");
    assert!(status == 2 && text.starts_with("WSMON CRITICAL - a: cpu 95.0% (90); *: up.sum 2 (3:) | "), "{text}");
    assert!(text.contains("\n* WARNING - up.sum 2 (3:)\n"), "{text}");
    let (status, text) = scene().result("up=1:", "cpu.max=99");
    assert!(status == 1 && text.starts_with(&format!("WSMON WARNING - c: {REFUSED}, up 0 (1:) | ")), "{text}");
    let (status, text) = Scene::new(&["a"]).failed(0, REFUSED).result("", "up.sum=1:,cpu=9");
    assert_eq!((status, &*text), (2, "WSMON CRITICAL - up.sum 0 (1:) | 'up.sum'=0;;1:;0\n"));
}

#[test]
fn the_first_line_names_five_findings_and_the_number_of_the_others() {
    let mut scene = Scene::new(&["a", "b", "c", "d"]);
    for id in 0..4 {
        scene = scene.sample(id, &[("cpu", 99.0), ("memory", 99.0), ("disk", 99.0)]);
    }
    let (_, text) = scene.result("", "98");
    let one = "cpu 99.0% (98), memory 99.0% (98)";
    let expected = format!("WSMON CRITICAL - a: {one}, disk 99.0% (98); b: {one} and 7 more");
    assert_eq!(text.split(" | ").next(), Some(&*expected));
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn processes_and_ages_are_judged_too() {
    let mut scene = Scene::new(&["pm"]);
    let process = |name: &'static str, state: &'static str| Process {
        name: name.into(),
        state: state.into(),
        ..Process::default()
    };
    let list = vec![process("web", "online"), process("api", "errored")];
    scene.say(0, Event::Processes(Processes { list, first: true, ..Processes::default() }));
    scene = scene.sample(0, &[("cpu", 1.0)]);
    scene.looks[0].at += std::time::Duration::from_secs(61);
    let expected = "WSMON CRITICAL - failed 1 (0), age 1m 1s (60), running 1 (2:) | 'age'=61s;60;;0 \
                    'running'=1;2:;;0 'failed'=1;;0;0 'cpu'=1%;;;0;100\n";
    assert_eq!(scene.result("age=60,running=2:", "failed=0"), (2, expected.into()));
}

#[test]
fn a_check_is_asked_for_by_a_word_before_the_end_of_options() {
    let asked = |line: &str| is_asked_for(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
    assert!(asked("--check") && asked("--nonsense -w x --check"));
    assert!(!asked("-w x") && !asked("-- --check") && !asked("--checks"));
}

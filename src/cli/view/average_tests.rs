//! `--average`, on a simulated clock.

use super::rules_tests::Scene;
use super::*;
use crate::cli::plan::Plan;
use crate::cli::temp_dir::TempDir;
use wsmon::{Alert, ClientState, Metric, Sample};

/// Two servers with `--every 10 --average`.
fn scene(format: &str, criticals: &str, change: impl FnOnce(&mut Plan)) -> Scene {
    Scene::new(format, "", criticals, |plan| {
        (plan.every, plan.average) = (Some(Duration::from_secs(10)), true);
        change(plan);
    })
}

fn sample(values: &[(Metric, f64)]) -> Event<'static> {
    Event::Sample(Box::new(Sample::from_metrics(values.iter().copied())))
}

fn cpu(value: f64) -> Event<'static> {
    sample(&[(Metric::Cpu, value)])
}

fn alert() -> Event<'static> {
    Event::Alert(Alert { component: "disk".into(), level: "WARNING".into(), message: "m".into(), ..Alert::default() })
}

/// Does what is due before each of these times, and shows a message then.
fn play(scene: &mut Scene, messages: &[(f64, usize, &[Event<'_>])]) -> String {
    let mut out = String::new();
    for &(seconds, id, events) in messages {
        out += &scene.wait_until(seconds).unwrap_or_default();
        out += &scene.say_all(seconds, id, events);
    }
    out
}

#[test]
fn a_row_is_the_mean_of_its_interval_and_comes_at_its_end() {
    let mut scene = Scene::new("simple", "", "age=1000", |plan| {
        (plan.every, plan.average) = (Some(Duration::from_secs(3)), true);
    });
    // 0 to 90 in steps of 10, twice a second, again and again.
    let mut rows = Vec::new();
    for step in 0..24_u32 {
        let seconds = f64::from(step) / 2.0;
        let out = scene.wait_until(seconds).unwrap_or_default() + &scene.cpu(seconds, 0, f64::from(step % 10 * 10));
        rows.extend(out.lines().map(|line| (seconds, line.to_owned())));
    }
    let row = |seconds, text: &str| (seconds, format!("a: CPU:  {text}%"));
    assert_eq!(rows, [row(3.0, "25.0"), row(6.0, "51.7"), row(9.0, "45.0")]);
    assert_eq!((scene.end(12.0).as_str(), scene.shown()), ("a: CPU:  38.3%\n", [4, 0]));
}

#[test]
fn it_has_the_time_of_the_last_sample_their_number_and_the_bounds() {
    let both = |cpu, memory| sample(&[(Metric::Cpu, cpu), (Metric::Memory, memory)]);
    let messages: [(f64, usize, &[Event<'_>]); 3] =
        [(1.0, 0, &[both(10.0, 50.0)]), (2.0, 0, &[cpu(20.0)]), (4.5, 0, &[both(60.0, 51.0)])];
    let time = "1970-01-01T00:00:04.500Z";
    let cells = ",".repeat(8) + "50.5" + &",".repeat(18);
    for (format, row) in [
        (
            "events",
            format!(
                "{{\"received_at\":\"{time}\",\"server\":\"a\",\"kind\":\"sample\",\"cpu\":30,\"memory\":50.5,\
                 \"samples\":3,\"cpu_min\":10,\"cpu_max\":60,\"memory_min\":50,\"memory_max\":51}}\n"
            ),
        ),
        (
            "influx",
            "wsmon,server=a cpu=30,memory=50.5,samples=3,cpu_min=10,cpu_max=60,memory_min=50,memory_max=51 4500000000\n"
                .to_owned(),
        ),
        ("csv", format!("{time},a,,30,{cells},3,10,60,50,51,,,,,,\n")),
    ] {
        let mut scene = scene(format, "", |_| {});
        scene.view.options.style.means = true;
        assert_eq!(play(&mut scene, &messages), "");
        assert_eq!(scene.wait_until(11.0).as_deref(), Some(&*row), "{format}");
        let head = scene.view.options.format.head.map(|push_head| {
            let mut head = String::new();
            push_head(&mut head, &scene.view.options.style);
            head
        });
        assert!(head.is_none_or(|head| head.matches(',').count() == row.matches(',').count()));
    }
}

#[test]
fn messages_stay_as_they_came() {
    for format in ["json", "jsonl"] {
        let mut scene = scene(format, "", |_| {});
        assert_eq!(play(&mut scene, &[(0.0, 0, &[cpu(10.0)]), (1.0, 0, &[cpu(20.0)])]), "");
        let line = scene.wait_until(10.0).unwrap();
        assert!(!line.contains("samples") && !line.contains("15"), "{line}");
        assert_eq!(scene.shown(), [1, 0]);
    }
}

#[test]
fn an_interval_begins_with_the_end_of_the_last_one_or_with_the_next_sample() {
    let mut scene = scene("simple", "", |_| {});
    let times = [5.0, 14.9, 15.0, 24.9, 25.2, 46.0, 55.9, 56.0];
    let mut rows = Vec::new();
    for (value, seconds) in (1_u32..).zip(times) {
        while let Some(due) = scene.view.deadline().filter(|due| *due <= scene.at(seconds)) {
            let out = scene.wait_until(scene.since(due)).unwrap_or_default();
            rows.push((scene.since(due), out.trim_end().to_owned()));
        }
        assert_eq!(scene.cpu(seconds, 0, f64::from(value)), "");
    }
    let row = |seconds, text: &str| (seconds, format!("a: CPU:   {text}%"));
    assert_eq!(rows, [row(15.0, "1.5"), row(25.0, "3.5"), row(35.0, "5.0"), row(56.0, "6.5")]);
}

#[test]
fn servers_have_their_own_intervals_and_means_also_across_a_reconnection() {
    let mut scene = scene("simple", "", |_| {});
    play(&mut scene, &[(0.0, 0, &[cpu(10.0)]), (1.0, 1, &[cpu(50.0)]), (2.0, 0, &[cpu(20.0)])]);
    scene.state(3.0, 0, ClientState::Reconnecting);
    scene.state(4.0, 0, ClientState::Connected);
    play(&mut scene, &[(5.0, 0, &[cpu(60.0)]), (6.0, 1, &[cpu(70.0)])]);
    assert_eq!(scene.wait_until(10.0).as_deref(), Some("a: CPU:  30.0%\n"));
    assert_eq!(scene.wait_until(10.9), None);
    assert_eq!(scene.wait_until(11.0).as_deref(), Some("b: CPU:  60.0%\n"));
}

#[test]
fn a_message_with_several_samples_is_one_row() {
    let mut scene = scene("events", "", |_| {});
    play(&mut scene, &[(0.0, 0, &[cpu(10.0), cpu(20.0)]), (1.0, 0, &[cpu(30.0), Event::KeepAlive, cpu(40.0)])]);
    let out = scene.wait_until(10.0).unwrap();
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("\"cpu\":25,\"samples\":4,\"cpu_min\":10,\"cpu_max\":40}"), "{out}");
    assert_eq!(scene.shown(), [1, 0]);
}

#[test]
fn an_alert_is_shown_at_once_and_its_sample_waits_for_the_others() {
    let mut scene = scene("simple", "", |_| {});
    assert_eq!(scene.cpu(0.0, 0, 10.0), "");
    assert_eq!(scene.say_all(1.0, 0, &[cpu(30.0), alert()]), "a: [ALERT] WARNING m\n");
    assert_eq!(scene.wait_until(10.0).as_deref(), Some("a: CPU:  20.0%\n"));
    assert_eq!(scene.shown(), [2, 0]);
}

#[test]
fn the_end_of_a_run_shows_the_mean_of_its_last_part_once() {
    let mut scene = scene("simple", "", |_| {});
    play(&mut scene, &[(0.0, 0, &[cpu(10.0)]), (9.0, 0, &[cpu(20.0)]), (10.0, 0, &[cpu(1.0)]), (11.0, 1, &[cpu(5.0)])]);
    assert_eq!(scene.end(12.0), "a: CPU:   1.0%\nb: CPU:   5.0%\n");
    // Messages that arrive while the connections are closed begin no further row.
    assert_eq!((scene.cpu(12.5, 0, 7.0).as_str(), scene.wait_until(14.0)), ("", None));
}

#[test]
fn the_end_of_a_run_without_means_shows_nothing_more() {
    let mut scene = Scene::new("simple", "", "", |plan| plan.every = Some(Duration::from_secs(10)));
    assert_eq!(scene.cpu(0.0, 0, 10.0), "a: CPU:  10.0%\n");
    assert_eq!(scene.cpu(1.0, 0, 20.0) + &scene.end(2.0), "");
}

#[test]
fn the_count_is_that_of_rows_and_never_exceeded() {
    let mut scene = scene("simple", "", |plan| plan.count = Some(2));
    play(&mut scene, &[(0.0, 0, &[cpu(10.0)]), (5.0, 0, &[cpu(20.0)])]);
    assert_eq!(scene.shown(), [0, 0]);
    assert_eq!(scene.wait_until(10.0).as_deref(), Some("a: CPU:  15.0%\n"));
    scene.cpu(11.0, 0, 1.0);
    assert_eq!(scene.say_all(12.0, 0, &[alert()]), "a: [ALERT] WARNING m\n");
    assert_eq!((scene.shown(), scene.end(13.0).as_str()), ([2, 0], ""));
}

#[test]
fn rules_and_the_board_have_the_mean() {
    let mut scene = scene("simple", "cpu=90", |_| {});
    let out = play(&mut scene, &[(0.0, 0, &[cpu(100.0)]), (1.0, 0, &[cpu(100.0)]), (2.0, 0, &[cpu(85.0)])]);
    assert_eq!(out, "");
    assert_eq!(scene.wait_until(10.0).as_deref(), Some("a: CPU:  95.0%\na: [ALERT] CRITICAL cpu 95.0% (90)\n"));
    play(&mut scene, &[(11.0, 0, &[cpu(100.0)]), (12.0, 0, &[cpu(60.0)])]);
    assert_eq!(scene.wait_until(20.0).as_deref(), Some("a: CPU:  80.0%\na: [ALERT] cpu: back to normal\n"));
    let row = scene.view.fleet.as_ref().and_then(|fleet| fleet.board.get(ServerId::from_index(0))?.metric(Metric::Cpu));
    assert_eq!(row, Some(80.0));
}

#[test]
fn a_check_judges_the_mean_of_its_interval_unless_the_connection_ends_before() {
    let check = |plan: &mut Plan| (plan.check, plan.count) = (true, Some(1));
    let mut scene = scene("simple", "cpu=90", check);
    for id in [0, 1] {
        scene.state(0.0, id, ClientState::Connected);
    }
    play(&mut scene, &[(0.0, 0, &[cpu(100.0)]), (0.0, 1, &[cpu(1.0)]), (5.0, 0, &[cpu(70.0)])]);
    scene.state(6.0, 1, ClientState::Error);
    assert_eq!(scene.shown(), [0, 0]);
    assert_eq!(scene.wait_until(10.0).as_deref(), Some(""));
    assert_eq!(scene.shown(), [1, 0]);
    let row = scene.view.fleet.as_ref().and_then(|fleet| fleet.board.get(ServerId::from_index(0))?.metric(Metric::Cpu));
    assert_eq!(row, Some(85.0));
}

#[test]
fn saved_data_has_the_means_but_for_messages() {
    for (format, part) in [("events", "\"samples\":2"), ("csv", ",2,10,20,"), ("influx", "samples=2"), ("jsonl", "{}")]
    {
        for shown in ["simple", "jsonl"] {
            let dir = TempDir::new();
            let mut scene = scene(shown, "", |_| {});
            scene.view.data = Some(Appender::open(dir.file("data"), None, 0).unwrap());
            scene.view.data_format = wsmon::format(format).unwrap();
            scene.view.options.style.means = true;
            play(&mut scene, &[(0.0, 0, &[cpu(10.0)]), (1.0, 0, &[cpu(20.0), alert()])]);
            scene.wait_until(10.0);
            let text = std::fs::read_to_string(dir.file("data")).unwrap();
            let rows = text.lines().filter(|line| line.contains(part) || format == "jsonl").count();
            assert_eq!(rows, 1, "{format} beside {shown}: {text}");
            assert_eq!(scene.view.saved(), 1);
        }
    }
}

#[test]
fn lists_of_processes_are_the_latest_and_the_first_is_shown_at_once() {
    let list = |name: &'static str| {
        let listed = wsmon::Process { name: name.into(), ..wsmon::Process::default() };
        Event::Processes(wsmon::Processes { list: vec![listed], first: true, ..wsmon::Processes::default() })
    };
    let mut scene = scene("events", "", |_| {});
    assert!(scene.say(0.0, 0, list("one")).contains("\"one\""));
    assert_eq!(play(&mut scene, &[(1.0, 0, &[list("two")]), (2.0, 0, &[list("three")]), (3.0, 0, &[cpu(1.0)])]), "");
    let out = scene.wait_until(10.0).unwrap();
    assert!(out.contains("\"three\"") && !out.contains("\"two\"") && !out.contains("sample"), "{out}");
}

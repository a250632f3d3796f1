//! `--on-alert`: what a command gets, how many there are, and what becomes of them.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::{command, json_lines, log_lines, sample, sending};
use crate::support::PATIENCE;
use crate::support::program::{Run, wsmon};
use crate::support::server::{Peer, Server};
use crate::support::temp_dir::TempDir;

/// Starts a run that watches `server` as `x`, and runs this command.
fn watch(server: &Server, options: &str, on_alert: &str) -> Run {
    Run::start(command(server, options).args(["--on-alert", on_alert]))
}

/// The processes that a process has started and not yet reaped, those that have ended among them.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Returns true for a descriptor of this process that every program it starts has too.
fn is_left_open(number: &str) -> bool {
    const CLOEXEC: u32 = 0o2_000_000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    number.parse().is_ok_and(|number: u32| number > 2)
        && flags.is_some_and(|flags| u32::from_str_radix(flags.trim(), 8).is_ok_and(|flags| flags & CLOEXEC == 0))
}

fn wait_for(what: &str, is_so: &mut dyn FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_command_gets_the_alert_and_is_a_process_like_any_other() {
    let server = sending([sample(95.0)]);
    let about_itself =
        "grep -E 'SigBlk|SigIgn' /proc/self/status; [ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo leader";
    let script =
        format!("cat; cat; env | grep -E 'WSMON|TOKEN|KEPT' | sort; {about_itself}; ls /proc/self/fd; echo over");
    let mut command = command(&server, "-q -f events -c cpu=90/0.1");
    command.env("KEPT", "a b").env("MONITORING_TOKEN", "s3cret").env("WSMON_VALUE", "old").env("WSMON_OPTIONS", "-s");
    let run = Run::start(command.args(["--on-alert", &script]));
    let said = run.wait_stderr("over\n");
    let alert = run.wait_stdout("\"alert\"").lines().find(|line| line.contains("\"alert\"")).unwrap().to_owned();
    let expected = [
        "x: CRITICAL cpu 95.0% (90)",
        "KEPT=a b",
        "WSMON_FOR=0.1",
        "WSMON_HOST=",
        &format!("WSMON_JSON={alert}"),
        "WSMON_LEVEL=CRITICAL",
        "WSMON_METRIC=cpu",
        "WSMON_PHASE=begins",
        "WSMON_RANGE=90",
        "WSMON_SERVER=x",
        "WSMON_TEXT=x: CRITICAL cpu 95.0% (90)",
        "WSMON_VALUE=95",
        "SigBlk:\t0000000000000000",
    ];
    let lines: Vec<_> = said.lines().collect();
    let (told, rest) = lines.split_at(expected.len());
    assert_eq!(told, expected);
    // The program itself ignores SIGPIPE, and it catches SIGXFSZ and others.
    let ignored = u64::from_str_radix(rest[0].strip_prefix("SigIgn:").unwrap().trim(), 16).unwrap();
    assert_eq!((ignored & (1 << 12 | 1 << 24 | 1 << 16), rest[1]), (0, "leader"), "{said}");
    // Its own descriptors stay its own: beside the standard streams there is that of ls, and what was left open to it.
    let own: Vec<_> = rest[2..rest.len() - 1].iter().filter(|number| !is_left_open(number)).collect();
    assert!(own.len() == 4 && own[..3] == [&"0", &"1", &"2"], "{said}");
    run.signal("INT");
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.lines().all(|line| line.starts_with('{')), "{finished:?}");
}

#[test]
fn a_value_that_is_back_within_its_hold_starts_nothing_and_one_that_stays_one_command() {
    let server = Server::start(|mut peer| {
        crate::client::greet(&mut peer);
        for cpu in [12.0, 95.0, 12.0, 95.0, 12.0, 95.0] {
            peer.text(sample(cpu));
        }
        peer.hold();
    });
    // The filter is for stdout alone.
    let run = watch(&server, "-q -f jsonl --only error -w cpu=80/0.3 -c cpu=90/0.3", "cat; echo \"$WSMON_PHASE\"");
    assert_eq!(run.wait_stderr("begins\n"), "x: CRITICAL cpu 95.0% (90)\nbegins\n");
    run.signal("INT");
    let finished = run.finish();
    assert!(!finished.stdout.contains("alert") && finished.stderr.lines().count() == 2, "{finished:?}");
}

#[test]
fn alerts_of_the_server_itself_are_told_too_also_those_between_samples() {
    let alert = r#"{"type":"monitoring_data","data":{"memory":{"percentage":85.5}},"alerts":[{"component":"memory",
        "metric":"usage_percent","value":85.5,"threshold":80.0,"level":"WARNING","message":"High \u0000$(id)\u001b[2J"}]}"#;
    let server = sending([alert]);
    let run = watch(&server, "-q --every 1h", "cat; echo \"$WSMON_METRIC $WSMON_RANGE $WSMON_VALUE\"");
    let said = run.wait_stderr("85.5\n");
    assert_eq!(said, "x: WARNING High \\x00$(id)\\x1b[2J\nmemory 80 85.5\n");
}

#[test]
fn a_failure_is_a_warning_and_the_run_goes_on() {
    for (script, why) in [
        ("exit 3", "ended with status 3"),
        ("kill -9 $$", "was ended by signal 9"),
        ("kill -40 $$", "was ended by a signal"),
        ("no-such-program 2>/dev/null", "ended with status 127"),
    ] {
        let server = sending([sample(95.0)]);
        let run = watch(&server, "-q -c cpu=90", script);
        let log = run.wait_stderr("--on-alert");
        assert_eq!(log_lines(&log, &["WARN"]), [format!("WARN x: --on-alert: the command for cpu {why}")], "{script}");
        run.signal("INT");
        let finished = run.finish();
        assert_eq!((finished.code, finished.stderr.lines().count()), (Some(0), 1), "{finished:?}");
    }
}

#[test]
fn what_a_command_leaves_behind_is_not_waited_for_and_the_command_is_reaped() {
    let dir = TempDir::new();
    let path = dir.path("pid");
    let script = format!("sleep 60 >/dev/null 2>&1 & echo $! >{path}; echo forked");
    let server = sending([sample(95.0)]);
    let run = watch(&server, "-q -c cpu=90", &script);
    run.wait_stderr("forked\n");
    wait_for("the command to be reaped", &mut || children(run.pid()).is_empty());
    run.signal("INT");
    assert_eq!(run.finish().code, Some(0));
    let kill = Command::new("kill").arg(dir.read("pid").trim()).status().unwrap();
    assert!(kill.success(), "what was left behind lives on");
}

#[test]
fn the_command_of_the_last_alert_is_started_and_ends_in_its_own_time() {
    let server = sending([sample(95.0)]);
    let run = watch(&server, "-q -c cpu=90 --only alert -n 1", "sleep 0.5; cat; kill -9 $$");
    let pid = run.pid();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // stderr is open until the command has ended, of which nobody is told any more.
    assert_eq!(finished.stderr, "x: CRITICAL cpu 95.0% (90)\n");
    assert!(children(pid).is_empty());
}

#[test]
fn a_server_that_is_down_is_told_without_a_rule_and_a_closed_stdout_does_not_end_the_run() {
    let mut command = wsmon(["-u", "down=127.0.0.1:1", "-f", "events", "--only", "alert"]);
    command.args(["-c", "up=1:/0.2", "--on-alert", "echo \"$WSMON_SERVER $WSMON_METRIC $WSMON_LEVEL\""]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = Run::start(command.stdout(writer));
    run.wait_stderr("down up CRITICAL\n");
    run.signal("TERM");
    assert_eq!(run.finish().code, Some(0));
}

/// Sends nothing on which the number of commands could depend.
fn silent(mut peer: Peer) {
    peer.upgrade();
    peer.hold();
}

#[test]
fn of_hundreds_of_alerts_at_once_four_commands_run_and_every_loss_is_counted() {
    const SERVERS: usize = 400;
    let dir = TempDir::new();
    let lines: String = (0..SERVERS).map(|n| format!("s{n}=127.0.0.1:1\n")).collect();
    let path = dir.write("servers", &lines);
    let quiet = Server::start(silent);
    let options = ["--servers", &path, "-q", "-f", "events", "--only", "alert", "-c", "up=1:"];
    let mut command = wsmon(options);
    command.args(["-u", &format!("quiet={}", quiet.uri())]);
    let run = Run::start(command.args(["--on-alert", "echo \"told $WSMON_SERVER\"; sleep 0.02"]));
    let mut most = 0;
    let mut idle = 0;
    wait_for("the end of all commands", &mut || {
        let now = children(run.pid()).len();
        most = most.max(now);
        let told = run.wait_stdout("").lines().count();
        idle = if now == 0 && told >= SERVERS { idle + 1 } else { 0 };
        idle > 20
    });
    run.signal("INT");
    let finished = run.finish();
    let alerts = json_lines(&finished.stdout);
    let told = finished.stderr.lines().filter(|line| line.starts_with("told s")).count();
    let dropped = log_lines(&finished.stderr, &["WARN --on-alert: "]).into_iter();
    let number = |line: &str| line.split(' ').nth(2).and_then(|word| word.parse::<usize>().ok());
    let dropped: usize = dropped.map(|line| number(line).unwrap_or_else(|| panic!("{line}"))).sum();
    println!("{told} told, {dropped} dropped, {most} at a time");
    assert_eq!((most, finished.code), (4, Some(1)), "{told} told, {dropped} dropped: {}", finished.stderr);
    assert!(alerts.len() >= SERVERS && dropped > 0 && told >= 68, "{told} told, {dropped} dropped");
    assert!(told + dropped <= alerts.len() && told + dropped >= SERVERS, "{told} told, {dropped} dropped");
}

//! Saved data read back with --read.

use crate::client::{WELCOME, all_json_lines, sample};
use crate::support::program::{Finished, Run, wsmon};
use crate::support::recording::{self, Recorded};
use crate::support::server::{BINARY, CLOSE, Server, TEXT};
use crate::support::temp_dir::TempDir;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// Texts that leave saved data by another way than most: wrapped, replaced, divided.
const ODD: [&str; 18] = [
    r#"{"text": "x"}"#,
    r#"{"value": {"base64": "AAAA"}}"#,
    r#"{"text": "x", "b": 1}"#,
    "5",
    "null",
    "\"a string\"",
    "[1, 2]",
    "{}",
    "",
    "hello \u{9b}1m",
    r#"{"a": NaN, "b": [Infinity], "c": "\ud800"}"#,
    r#"{"received_at": 1, "x": "y"}"#,
    r#"{"type": "state", "from": "connected", "to": "error"}"#,
    r#"{"type": "dropped", "count": 5}"#,
    r#"{"a": undefined}"#,
    r#"{"a": 1} {"b": 2} rest"#,
    r#"[{"type": "x", "v": 1}, {"type": "y"}]"#,
    r#"{"type": "mystery", "timestamp": "2026-01-02T03:04:05", "message": "é\u0007"}"#,
];

/// The recordings of all systems by their names, and the odd texts for a server of no known kind.
fn recordings() -> Vec<(String, Vec<Recorded>)> {
    let mut all = Vec::new();
    for system in ["fastpluggy", "monitoring", "neurograph", "pmdaemon", "sysmedic"] {
        all.extend(recording::all(system).into_iter().map(|(name, recorded)| (format!("{system}-{name}"), recorded)));
    }
    assert!(all.len() > 100, "{}", all.len());
    let frame = |opcode, payload: &[u8]| Recorded {
        at: std::time::Duration::ZERO,
        from_server: true,
        opcode,
        payload: payload.to_vec(),
    };
    let mut odd: Vec<_> = ODD.iter().map(|text| frame(TEXT, text.as_bytes())).collect();
    odd.extend([frame(BINARY, b"\xff\x00"), frame(BINARY, b"{\"a\": 1}")]);
    all.push(("odd".to_owned(), odd));
    all
}

/// A server that replays the recording whose number is the path.
fn playing(recordings: Vec<(String, Vec<Recorded>)>) -> Server {
    Server::start(move |mut peer| {
        let path = peer.request().split(' ').nth(1).unwrap_or_default().to_owned();
        peer.upgrade();
        let number: usize = path.trim_start_matches('/').split('?').next().unwrap_or_default().parse().unwrap();
        let recording = &recordings[number].1;
        // Nobody answers a request before it came.
        let answer = recording.iter().position(|frame| frame.from_server && is_token(&frame.payload));
        let (before, after) = recording.split_at(answer.unwrap_or(recording.len()));
        peer.replay(before);
        let is_user = before.iter().any(|frame| String::from_utf8_lossy(&frame.payload).contains("\"user_id\":\""));
        while is_user && !after.is_empty() && peer.next().is_some_and(|frame| !is_token(&frame.payload)) {}
        peer.replay(after);
        if !recording.iter().any(|frame| frame.from_server && frame.opcode == CLOSE) {
            peer.close(1000, "");
        }
        peer.drain();
    })
}

/// Returns true for a request of a token to reconnect with, and for its answer.
fn is_token(payload: &[u8]) -> bool {
    let text = String::from_utf8_lossy(payload).replace(' ', "");
    [r#""type":"get_reconnection_token""#, r#""type":"reconnection_token""#].iter().any(|part| text.contains(part))
}

/// Makes a pipe that no other child inherits.
fn pipe() -> (OwnedFd, File) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    (reader, File::from(writer))
}

fn read_with(input: Option<&[u8]>, arguments: &[&str]) -> Finished {
    let mut command: Command = wsmon(["--color", "never"].iter().chain(arguments));
    if let Some(input) = input {
        let (reader, mut writer) = pipe();
        command.stdin(Stdio::from(reader));
        let run = Run::start(&mut command);
        drop(command);
        // A run that ends early does not read it all.
        let _ = writer.write_all(input);
        drop(writer);
        return run.finish();
    }
    Run::start(&mut command).finish()
}

/// Lines of saved data of one server, with a second between them.
fn saved(server: &str, messages: &[&str]) -> String {
    let mut text = String::new();
    for (at, message) in messages.iter().enumerate() {
        let head = format!(r#"{{"received_at":"2026-01-02T03:{:02}:{:02}.000Z","server":"{server}""#, at / 60, at % 60);
        text.push_str(&format!("{head},{}\n", &message[1..]));
    }
    text
}

#[test]
fn what_a_run_of_many_servers_printed_comes_out_of_its_saved_data_byte_for_byte() {
    let dir = TempDir::new();
    let recordings = recordings();
    let names: Vec<_> = recordings.iter().map(|(name, _)| name.clone()).collect();
    let server = playing(recordings);
    let uris: Vec<_> =
        names.iter().enumerate().map(|(number, name)| format!("{name}={}/{number}", server.uri())).collect();
    let mut different = Vec::new();
    for format in ["simple", "compact", "detailed", "json", "jsonl", "events", "csv", "influx"] {
        let file = dir.path(format);
        let options = ["-f", format, "--save-data", &file, "--rotate-size", "0", "--no-reconnect", "--queue", "100M"];
        let live = Run::start(&mut wsmon(options.into_iter().chain(uris.iter().map(String::as_str)))).finish();
        assert_eq!(live.code, Some(0), "{}", live.stderr);
        let read = read_with(None, &["-f", format, "--read", &file]);
        assert_eq!(read.code, Some(0), "{}", read.stderr);
        if live.stdout != read.stdout {
            let differs =
                live.stdout.lines().zip(read.stdout.lines()).enumerate().find(|(_, (live, read))| live != read);
            let lengths = [live.stdout.len(), read.stdout.len()];
            different.push(format!("{format}: {differs:?}, bytes: {lengths:?}"));
        }
        assert!(!read.stderr.contains("cannot be read"), "{format}: {}", read.stderr);
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn what_cannot_be_read_is_said_once_and_counted_and_ends_nothing() {
    let good = saved("a", &[WELCOME, &sample(1.0), &sample(2.0)]);
    let mut lines: Vec<Vec<u8>> = good.lines().map(|line| format!("{line}\r\n").into_bytes()).collect();
    lines.insert(0, b"\xef\xbb\xbf\n".to_vec());
    lines.insert(2, b"\xff\xfe\0\n".to_vec());
    lines.insert(3, b"hello\n\n  \n".to_vec());
    lines.insert(4, lines[1][..70].to_vec());
    lines.insert(5, b"\n{\"type\":\"dropped\",\"count\":7}\n".to_vec());
    lines.push(lines.last().unwrap()[..lines.last().unwrap().len() - 6].to_vec());
    let dir = TempDir::new();
    let file = dir.path("data");
    fs::write(&file, lines.concat()).unwrap();
    let finished = read_with(None, &["-f", "jsonl", "--stats", "--read", &file]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let shown = all_json_lines(&finished.stdout);
    assert_eq!(shown.len(), 4, "{finished:?}");
    let statistics = &shown[3]["stats"];
    assert_eq!((&statistics["unread"], &statistics["dropped"]), (&4.into(), &7.into()), "{finished:?}");
    assert_eq!(statistics["messages_received"], 3);
    let said = format!("{file}:3: not UTF-8; further lines that cannot be read are only counted");
    assert!(finished.stderr.contains(&said) && finished.stderr.lines().count() == 1, "{finished:?}");
}

#[test]
fn standard_input_is_read_as_it_comes_and_files_in_their_order_as_one_server() {
    let dir = TempDir::new();
    let text = saved("a", &[WELCOME, &sample(1.0), &sample(2.0), &sample(3.0)]);
    let (first, rest) = text.split_at(text.find("\"usage_percent\": 1").unwrap() + 19 + 5);
    let (first, rest) = text.split_at(first.len() + rest.find('\n').unwrap() + 1);
    fs::write(dir.path("a.1"), first).unwrap();
    let finished = read_with(Some(rest.trim_end().as_bytes()), &["--read", &dir.path("a.1"), "--read", "-", "-s"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let samples: Vec<_> = finished.stdout.lines().filter(|line| line.starts_with("CPU:")).collect();
    assert_eq!(samples, ["CPU:   1.0%", "CPU:   2.0%", "CPU:   3.0%"], "{finished:?}");
    assert!(finished.stdout.contains("Messages: 4 received"), "{finished:?}");

    let (reader, mut writer) = pipe();
    let mut command = wsmon(["--read", "-"]);
    let run = Run::start(command.stdin(Stdio::from(reader)));
    drop(command);
    writer.write_all(first.as_bytes()).unwrap();
    run.wait_stdout("CPU:   1.0%");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, finished.signal), (None, Some(15)), "{finished:?}");
}

#[test]
fn a_file_that_is_no_saved_data_is_refused_with_the_way_out() {
    let dir = TempDir::new();
    let text = saved("a", &[&sample(1.0)]);
    fs::write(dir.path("good"), &text).unwrap();
    fs::write(dir.path("empty"), "").unwrap();
    fs::write(dir.path("rubbish"), [0_u8, 159, 146, 150, 10].repeat(100_000)).unwrap();
    fs::write(dir.path("long"), vec![b'x'; 20 << 20]).unwrap();
    fs::write(dir.path("gz"), b"\x1f\x8b\x08rest").unwrap();
    let [good, empty, rubbish, long, gz, missing] =
        ["good", "empty", "rubbish", "long", "gz", "missing"].map(|name| dir.path(name));
    let folder = dir.path("");
    for (arguments, code, why) in [
        (vec!["--read", &*missing], 3, format!("--read {missing}: no such file or directory")),
        (vec!["--read", &*good, "--read", &folder], 3, format!("--read {folder}: is a directory")),
        (vec!["--read", &*gz], 3, format!("--read {gz}: looks compressed: zcat {gz} | wsmon --read -")),
        (vec!["--read", &*empty], 1, "nothing was received".to_owned()),
        (vec!["--read", "/dev/null"], 1, "nothing was received".to_owned()),
        (vec!["--read", &*rubbish], 1, format!("{rubbish}:1: not UTF-8")),
        (vec!["--read", &*long], 1, format!("{long}:1: too large (--max-message)")),
        (vec!["--read", &*good, "--max-message", "20"], 1, format!("{good}:1: too large (--max-message)")),
        (vec!["--read", &*good, "-n", "2"], 1, "only 1 of 2 messages came".to_owned()),
        (vec!["--read", &*good, "--save-data", &*good], 3, "this run writes to it".to_owned()),
        (vec!["--read", &*good, "-u", "h"], 2, "--uri and --read exclude each other".to_owned()),
        (vec!["--demo", "--read", &*good], 2, "--demo and --read exclude each other".to_owned()),
        (vec!["--read", ""], 2, "--read '': no file is named".to_owned()),
        (vec!["-"], 2, "--read - reads standard input".to_owned()),
    ] {
        let finished = read_with(None, &arguments);
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(&why), "{why}: {finished:?}");
    }
    let finished = read_with(Some(b"\x1f\x8b\x08rest"), &["--read", &good, "--read", "-"]);
    assert!(finished.stderr.contains("zcat FILE | wsmon --read -"), "{finished:?}");
    assert_eq!((finished.code, &*finished.stdout), (Some(3), "CPU:   1.0%\n"), "{finished:?}");
}

#[test]
fn timers_run_on_the_times_that_were_recorded_even_where_the_clock_was_set_back() {
    let samples: Vec<_> = (0..60).map(|n| sample(n.into())).collect();
    let texts: Vec<_> = samples.iter().map(String::as_str).collect();
    let text = saved("a", &texts);
    let usages = |finished: &Finished| -> Vec<u64> {
        let usage = |line: &str| line.split([' ', '.', ':']).filter_map(|word| word.parse().ok()).next();
        finished.stdout.lines().filter_map(usage).collect()
    };
    let run = |text: &str, options: &str| {
        let arguments: Vec<_> = ["--read", "-"].into_iter().chain(options.split(' ')).collect();
        read_with(Some(text.as_bytes()), &arguments)
    };
    assert_eq!(usages(&run(&text, "--every 20 -q")), [0, 19, 39]);
    assert_eq!(usages(&run(&text, "--every 20 -d 30 -q")), [0, 19]);
    assert_eq!(usages(&run(&text, "-n 2 -q")), [0, 1]);
    // The second half again: the clock is set back by half a minute.
    let (_, half) = text.split_at(text.find("03:00:30").unwrap() - "{\"received_at\":\"2026-01-02T".len());
    assert_eq!(usages(&run(&(text.clone() + half), "--every 20 -q")), [0, 19, 39, 30, 50]);
    let held = run(&text, "-f events --only alert -w cpu=29/10 -q");
    assert!(held.stdout.contains("\"received_at\":\"2026-01-02T03:00:40.000Z\""), "{held:?}");
}

#[test]
fn means_are_those_of_the_intervals_that_were_recorded_also_of_the_last_one_and_to_rules() {
    let samples: Vec<_> = (0..50).map(|n| sample(n.into())).collect();
    let texts: Vec<_> = samples.iter().map(String::as_str).collect();
    let text = saved("a", &texts);
    let run = |options: &str| {
        let arguments: Vec<_> = "--read - --every 20 --average".split(' ').chain(options.split(' ')).collect();
        read_with(Some(text.as_bytes()), &arguments).stdout
    };
    assert_eq!(run("-f simple"), "CPU:   9.5%\nCPU:  29.5%\nCPU:  44.5%\n");
    assert_eq!(run("-f simple -d 30"), "CPU:   9.5%\nCPU:  24.5%\n");
    assert_eq!(run("-f simple -n 1"), "CPU:   9.5%\n");
    let events = run("-f events");
    let spread = [(20, 0, 19), (20, 20, 39), (10, 40, 49)];
    for (line, (samples, min, max)) in events.lines().zip(spread) {
        let end = format!(r#","samples":{samples},"cpu_min":{min},"cpu_max":{max}}}"#);
        assert!(line.ends_with(&end), "{line}");
    }
    let alerts = run("-f events --only alert -c cpu=40");
    assert!(alerts.lines().count() == 1 && alerts.contains(r#""received_at":"2026-01-02T03:00:49.000Z""#), "{alerts}");
    assert!(alerts.contains(r#""value":44.5"#), "{alerts}");
    assert!(run("--check -c cpu=40").starts_with("WSMON CRITICAL - cpu 44.5% (40) |"));
}

#[test]
fn a_check_judges_the_last_values_and_an_orderly_end_is_no_failure() {
    let state = |from: &str, to: &str, why: &str| format!(r#"{{"type":"state","from":"{from}","to":"{to}"{why}}}"#);
    let opened = state("connecting", "connected", "");
    let closed = state("connected", "disconnected", "");
    let lost = state("connected", "reconnecting", r#","why":"gone","retry_in":1.5,"attempts":1"#);
    let check = |messages: &[&str], options: &str| {
        let arguments: Vec<_> = ["--check", "--read", "-"].into_iter().chain(options.split(' ')).collect();
        let finished = read_with(Some(saved("a", messages).as_bytes()), &arguments);
        (finished.code, finished.stdout)
    };
    let (high, low) = (sample(95.0), sample(5.0));
    let ends = [&*opened, &*high, &*low, &*closed];
    assert_eq!(
        check(&ends, "-c cpu=90,up=1:"),
        (Some(0), "WSMON OK - cpu 5.0%, up 1 | 'cpu'=5%;;90;0;100 'up'=1;;1:;0\n".into())
    );
    assert_eq!(check(&[&opened, &low, &high], "-c cpu=90").0, Some(2));
    let (code, text) = check(&[&opened, &low, &lost], "-c cpu=90");
    assert_eq!((code, text.contains("gone")), (Some(2), true), "{text}");
    assert_eq!(check(&[], "-c cpu=90"), (Some(3), "WSMON UNKNOWN - no line of saved data was read\n".into()));
}

#[test]
fn saved_data_is_converted_and_a_closed_pipe_ends_the_reading() {
    let dir = TempDir::new();
    let text = saved("a", &[&sample(1.0), &sample(2.0)]);
    fs::write(dir.path("in"), &text).unwrap();
    let (input, out, prom) = (dir.path("in"), dir.path("out"), dir.path("x.prom"));
    let arguments =
        ["--read", &*input, "--only", "alert", "--save-data", &out, "--save-format", "csv", "--textfile", &prom];
    let finished = read_with(None, &arguments);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!((dir.read("out").lines().count(), finished.stdout), (3, String::new()));
    assert!(dir.read("x.prom").contains("wsmon_cpu_ratio{server=\"a\""), "{}", dir.read("x.prom"));

    let (reader, writer) = pipe();
    drop(reader);
    let long = text.repeat(10_000);
    fs::write(dir.path("long"), long).unwrap();
    let mut command = wsmon(["--read", &dir.path("long")]);
    let finished = Run::start(command.stdout(Stdio::from(writer))).finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
}

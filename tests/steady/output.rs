//! Readers of stdout that stall: no ping waits for them, and every message is printed or counted.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Watched, command, quiet_kb};
use crate::support::PATIENCE;
use crate::support::server::{CLOSE, PING, PONG, Peer, Server, text_frame};
use crate::{healthy, until_close};

/// Time in which the reader does not read: here the pause is what is played.
const STALL: Duration = Duration::from_secs(10);
/// Another number of seconds for it, for tests/soak.sh.
const STALL_VARIABLE: &str = "WSMON_STALL_SECONDS";
/// Messages in a millisecond.
const PACE: u64 = 2;
/// Time between two pings of the program.
const EVERY: Duration = Duration::from_millis(500);
/// Delay of a ping that a busy machine may cause.
const LATE: Duration = Duration::from_secs(1);
/// Time in which the server wants its pings answered.
const PONG_WITHIN: Duration = Duration::from_secs(2);

/// The server's record of the client.
#[derive(Debug)]
struct ClientRecord {
    /// Messages sent to it.
    sent: u64,
    pings: u32,
    /// The longest time between two of its pings.
    worst_ping: Duration,
    /// The longest time a pong took.
    worst_pong: Duration,
}

/// 2 000 numbered messages a second for `lasting`, and whether the client stays well meanwhile.
fn flood(peer: &mut Peer, lasting: Duration, demand_pongs: bool) -> ClientRecord {
    peer.upgrade();
    let mut reader = peer.reader();
    let began = Instant::now();
    let listening = spawn(move || listen(&mut reader, began));
    let mut sent = 0;
    let mut pinged = 0;
    while began.elapsed() < lasting {
        let due = began.elapsed().as_millis() as u64 * PACE;
        let batch: Vec<_> = (sent..due).flat_map(|n| text_frame(numbered(n))).collect();
        if !peer.try_raw(batch) {
            break;
        }
        sent = sent.max(due);
        if demand_pongs && began.elapsed().as_secs() >= pinged {
            peer.ping((began.elapsed().as_micros() as u64).to_be_bytes());
            pinged += 1;
        }
        sleep(Duration::from_millis(10));
    }
    peer.try_raw([0x88, 2, 3, 0xe8]);
    ClientRecord { sent, ..listening.join().unwrap() }
}

/// Listens until the client's Close frame.
fn listen(reader: &mut Peer, began: Instant) -> ClientRecord {
    let mut seen = ClientRecord { sent: 0, pings: 0, worst_ping: Duration::ZERO, worst_pong: Duration::ZERO };
    let mut before = began;
    while let Some(frame) = reader.next() {
        match frame.opcode {
            PING => {
                seen.pings += 1;
                seen.worst_ping = seen.worst_ping.max(before.elapsed());
                before = Instant::now();
            }
            PONG => {
                let sent_at = u64::from_be_bytes(frame.payload.try_into().unwrap());
                seen.worst_pong = seen.worst_pong.max(began.elapsed() - Duration::from_micros(sent_at));
            }
            CLOSE => break,
            _ => {}
        }
    }
    seen
}

fn numbered(n: u64) -> String {
    format!(r#"{{"type":"notice","n":{n},"text":"{}"}}"#, "x".repeat(300))
}

fn flooding(lasting: Duration, demand_pongs: bool) -> (Server, Receiver<ClientRecord>) {
    let (tell, told): (Sender<ClientRecord>, _) = channel();
    let server = Server::start(move |mut peer| {
        let seen = flood(&mut peer, lasting, demand_pongs);
        // A test about the reader alone does not ask.
        let _unasked = tell.send(seen);
        // The client may be long in coming to the Close frame.
        peer.drain();
    });
    (server, told)
}

const OPTIONS: [&str; 6] = ["--format", "jsonl", "--no-reconnect", "--ping-interval", "0.5", "--log-level=debug"];

/// Numbers and gaps of what was printed.
fn account(text: &str) -> (Vec<u64>, u64, u32) {
    let (mut numbers, mut dropped, mut markers) = (Vec::new(), 0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["type"] == "dropped" {
            dropped += line["count"].as_u64().unwrap();
            markers += 1;
        } else if line["type"] != "state" {
            numbers.push(line["n"].as_u64().unwrap());
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    (numbers, dropped, markers)
}

/// The program writes to `stdout`, and nobody reads `reader` until the stall is over.
fn stalls(what: &str, stdout: Stdio, mut reader: impl Read + Send + 'static) {
    let stall = std::env::var(STALL_VARIABLE).map_or(STALL, |seconds| Duration::from_secs(seconds.parse().unwrap()));
    let (server, told) = flooding(stall + Duration::from_secs(2), true);
    let run = Watched::start(command(&server.uri(), &OPTIONS).stdout(stdout));
    run.wait_stderr("connected");
    sleep(stall);
    let peak = run.peak_kb();
    let reading = spawn(move || {
        let mut text = Vec::new();
        // A terminal ends with EIO instead of EOF.
        let _ended = reader.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    });
    let finished = run.finish();
    let seen = told.recv_timeout(PATIENCE).unwrap();
    let (numbers, dropped, markers) = account(&reading.join().unwrap());
    println!(
        "{what}: {} sent, {} written, {dropped} dropped in {markers} gaps; {} pings, at worst {:?} late, pongs within \
         {:?}; peak {peak} kB, {} kB in a quiet run",
        seen.sent,
        numbers.len(),
        seen.pings,
        seen.worst_ping.saturating_sub(EVERY),
        seen.worst_pong,
        quiet_kb()
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(numbers.len() as u64 + dropped, seen.sent);
    assert!(dropped > 0 && markers > 0, "the stall was too short to show anything");
    assert_eq!(finished.stderr.matches("the reader of stdout is too slow").count(), 1, "{}", finished.stderr);
    assert!(seen.worst_ping <= EVERY + LATE, "{seen:?}");
    assert!(seen.worst_pong <= PONG_WITHIN, "{seen:?}");
    assert!(peak <= quiet_kb() + 4096, "{peak} kB");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_pipe_that_nobody_reads_delays_no_ping_and_what_is_lost_is_counted() {
    let (reader, writer) = pipe().unwrap();
    stalls("pipe", writer.into(), reader);
}

#[test]
fn a_socket_that_nobody_reads_delays_no_ping_and_what_is_lost_is_counted() {
    let (reader, writer) = UnixStream::pair().unwrap();
    stalls("socket", OwnedFd::from(writer).into(), reader);
}

#[test]
fn a_terminal_that_nobody_reads_delays_no_ping_and_what_is_lost_is_counted() {
    let (ours, terminal) = crate::terminal::open();
    stalls("terminal", terminal.into(), File::from(ours));
}

/// Runs on a terminal of 5 rows and 30 columns. Returns what it wrote, without the carriage returns that a terminal adds.
fn drawn(options: &[&str]) -> String {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.text(r#"{"type": "monitoring_data", "data": {"processor": {"usage_percent": 50}}}"#);
        peer.drain();
    });
    let (ours, terminal) = crate::terminal::open();
    let mut ours = File::from(ours);
    let size = rustix::termios::Winsize { ws_row: 5, ws_col: 30, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let uri = format!("web={}", server.uri());
    let mut command = command(&uri, &[options, &["-n", "1", "--ascii", "--no-color"]].concat());
    let run = Watched::start(command.stdout(terminal.try_clone().unwrap()).stderr(terminal));
    // It holds the program's end open in this process.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal ends with EIO instead of EOF.
    let _ended = ours.read_to_end(&mut bytes);
    assert_eq!(run.finish().code, Some(0));
    String::from_utf8(bytes).unwrap().replace("\r\r\n", "\r\n")
}

#[test]
fn a_table_is_drawn_in_place_and_cut_to_the_screen() {
    let out = drawn(&["-f", "table", "-q"]);
    assert!(out.starts_with("\r\n\r\n\r\n\r\n\r\n\x1b[HSERVER   CPU%  HISTORY     ST\x1b[K\r\n"), "{out:?}");
    let rows = "web      50.0           =  co\x1b[K\r\n1 of 1 up, cpu mean 50 max 50\x1b[J\r\n";
    assert!(out.ends_with(&format!("\x1b[HSERVER   CPU%  HISTORY     ST\x1b[K\r\n{rows}")), "{out:?}");
    assert_eq!(out.matches("\r\n\r\n").count(), 2, "it scrolls once: {out:?}");
}

#[test]
fn the_latest_message_is_drawn_in_place_and_the_log_is_below_it() {
    let out = drawn(&["--live"]);
    assert!(out.contains("\x1b[HCPU:  50.0%\x1b[J\r\n"), "{out:?}");
    let (_, after) = out.rsplit_once("\x1b[J\r\n").unwrap();
    assert!(!after.contains('\x1b') && !out.split_once("\x1b[H").unwrap().0.contains(": connected"), "{out:?}");
}

#[test]
fn waiting_drops_nothing_and_goes_on_pinging() {
    const QUIET: Duration = Duration::from_secs(4);
    let (server, told) = flooding(QUIET + Duration::from_secs(2), false);
    let (mut reader, writer) = pipe().unwrap();
    let options = [&OPTIONS[..], &["--when-full", "wait", "--queue", "100K"]].concat();
    let run = Watched::start(command(&server.uri(), &options).stdout(writer));
    run.wait_stderr("connected");
    sleep(QUIET);
    let peak = run.peak_kb();
    let reading = spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let finished = run.finish();
    let seen = told.recv_timeout(PATIENCE).unwrap();
    let (numbers, dropped, _) = account(&reading.join().unwrap());
    println!(
        "wait: {} sent, {} written; {} pings, at worst {:?} late; peak {peak} kB",
        seen.sent,
        numbers.len(),
        seen.pings,
        seen.worst_ping.saturating_sub(EVERY)
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!((numbers.len() as u64, dropped), (seen.sent, 0));
    assert!(seen.worst_ping <= EVERY + LATE && seen.pings >= 8, "{seen:?}");
    assert!(peak <= quiet_kb() + 2048, "{peak} kB");
}

#[test]
fn a_server_that_drops_us_while_we_wait_is_found_out_after_the_backlog() {
    let (closed, may_read) = channel();
    let server = Server::start(move |mut peer| {
        if peer.number() > 1 {
            return healthy(&mut peer);
        }
        peer.upgrade();
        (0..400).for_each(|n| peer.text(numbered(n)));
        peer.close(1011, "keepalive ping timeout");
        closed.send(()).unwrap();
        until_close(&mut peer);
    });
    let (mut reader, writer) = pipe().unwrap();
    let options = ["--format", "jsonl", "--when-full", "wait", "--queue", "4K"];
    let run = Watched::start(command(&server.uri(), &options).stdout(writer));
    may_read.recv_timeout(PATIENCE).unwrap();
    let reading = spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    run.wait_stderr("closed by the server with 1011 (server error): keepalive ping timeout; retrying in");
    server.wait_accepted(2);
    let finished = run.end();
    let text = reading.join().unwrap();
    let backlog: Vec<_> = text.lines().filter(|line| line.contains("\"n\":")).collect();
    assert_eq!(backlog.len(), 400, "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn one_pipe_for_both_streams_keeps_their_order_and_every_line_whole() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        let number = peer.number() as u64;
        (0..300).for_each(|n| peer.text(numbered(number * 1000 + n)));
        peer.close(1011, "");
        until_close(&mut peer);
    });
    let (reader, writer) = pipe().unwrap();
    let options = ["--format", "jsonl", "--max-reconnects", "2"];
    let mut both = command(&server.uri(), &options);
    both.stdout(writer.try_clone().unwrap()).stderr(writer);
    let run = Watched::start(&mut both);
    // Holds the writer's ends open in this process.
    drop(both);
    let mut expected = Vec::new();
    let mut connections = 0;
    server.wait_accepted(1);
    for line in BufReader::new(reader).lines().map(Result::unwrap) {
        if line.contains(": connected") {
            assert!(expected.is_empty(), "connected before the messages of the connection before");
            connections += 1;
            expected = (0..300).rev().map(|n| connections * 1000 + n).collect();
        } else if line.contains("closed by the server with 1011") {
            assert!(expected.is_empty(), "{} messages after their connection's end", expected.len());
        } else if line.starts_with('{') {
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["type"] != "state" {
                assert_eq!(line["n"].as_u64(), expected.pop());
            }
        }
        if connections == 2 && expected.is_empty() {
            break;
        }
    }
    drop(run);
    assert_eq!(connections, 2);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_at_once_and_quietly() {
    let (server, _told) = flooding(Duration::from_secs(1), false);
    let (reader, writer) = pipe().unwrap();
    let run = Watched::start(command(&server.uri(), &["--quiet"]).stdout(writer));
    let mut line = String::new();
    let mut reader = BufReader::new(reader);
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let closed = Instant::now();
    let finished = run.finish();
    println!("ended after {:?}", closed.elapsed());
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    assert!(closed.elapsed() < Duration::from_millis(900), "it waited for the server");
    assert!(line.contains("notice"), "{line}");
}

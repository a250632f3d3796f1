//! A wall clock that somebody sets while the program runs.

use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime};

use crate::process::{Watched, command};
use crate::support::program::{Run, wsmon};
use crate::support::server::{CLOSE, PING, PONG, Peer, Server, text_frame};
use crate::support::temp_dir::TempDir;
use crate::{SAMPLE, SHOWN};

const SERVERS: usize = 5;
/// Longest wait for a ping, and the time in which none is expected.
const SOON: Duration = Duration::from_secs(2);

/// Sends without a pause, answers pings and tells of them.
fn talk(mut peer: Peer, tell: impl Fn()) {
    let mut reader = peer.reader();
    peer.upgrade();
    let mut writer = peer.reader();
    let writing = spawn(move || {
        while writer.try_raw(text_frame(SAMPLE)) {
            sleep(Duration::from_millis(100));
        }
    });
    while let Some(frame) = reader.next() {
        match frame.opcode {
            PING => {
                tell();
                peer.frame(true, PONG, frame.payload);
            }
            CLOSE => break,
            _ => {}
        }
    }
    drop((peer, reader));
    writing.join().unwrap();
}

/// By a library that stands before the system's: whoever set the clock of the machine would disturb everything else.
fn preload(scratch: &TempDir) -> String {
    let library = scratch.path("wall_clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/steady/wall_clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, source]).status().expect("a C compiler");
    assert!(built.success());
    library
}

fn pings(told: &Receiver<usize>) -> [usize; SERVERS] {
    sleep(SOON);
    let mut pings = [0; SERVERS];
    told.try_iter().for_each(|server| pings[server] += 1);
    pings
}

#[test]
fn a_wall_clock_that_jumps_causes_one_early_ping_of_each_server_and_no_storm() {
    let scratch = TempDir::new();
    let (tell, told) = channel();
    let servers: Vec<_> = (0..SERVERS)
        .map(|n| {
            let tell = tell.clone();
            Server::start(move |peer| talk(peer, || _ = tell.send(n)))
        })
        .collect();
    let uris: Vec<_> = servers[1..].iter().flat_map(|server| ["--uri".to_owned(), server.uri()]).collect();
    let mut options = vec!["--ping-interval", "600", "--stale-after", "5", "--log-level", "debug"];
    options.extend(uris.iter().map(String::as_str));
    let mut command = command(&servers[0].uri(), &options);
    let clock = scratch.path("clock");
    command.env("LD_PRELOAD", preload(&scratch)).env("WSMON_TEST_CLOCK", &clock);
    let run = Watched::start(&mut command);
    for server in &servers {
        run.wait_stdout(&format!("127.0.0.1:{}: {SHOWN}", server.port()));
    }
    assert_eq!(pings(&told), [0; SERVERS], "before");
    scratch.write("clock", "86400");
    assert_eq!(pings(&told), [1; SERVERS], "a day ahead");
    for seconds in ["-86400", "0", "1000000000", "-1000000000"] {
        scratch.write("clock", seconds);
        assert_eq!(pings(&told), [0; SERVERS], "again within a minute, by {seconds} s");
    }
    let finished = run.end();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("the clock jumped by "), "{}", finished.stderr);
    assert!(!finished.stderr.contains(" WARN "), "{}", finished.stderr);
    assert!(servers.iter().all(|server| server.accepted() == 1));
}

/// Seconds of 32 bits end in January 2038.
#[test]
fn the_year_2040_is_a_year_like_any_other() {
    const MAY_2040: Duration = Duration::from_secs(2_220_000_000);
    let scratch = TempDir::new();
    let ahead = MAY_2040 - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let clock = scratch.write("clock", &ahead.as_secs().to_string());
    let mut command = wsmon(["--demo", "-f", "events", "--only", "sample", "-n", "2", "--duration", "60"]);
    command.env("LD_PRELOAD", preload(&scratch)).env("WSMON_TEST_CLOCK", &clock);
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout.matches("{\"received_at\":\"2040-05-").count(), 2, "{finished:#?}");
}

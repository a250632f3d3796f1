//! More of everything than anybody can use.

use std::sync::mpsc::channel;

use crate::support::PATIENCE;
use crate::support::server::{PONG, Peer, Server, TEXT, text_frame};
use crate::{Attack, SAMPLE, SHOWN, process, until_close, upgraded, watch};

/// Many copies of a short frame, so that one write of the server's is a flood by itself.
fn many(frame: &[u8]) -> Vec<u8> {
    frame.repeat((64 << 10) / frame.len())
}

#[test]
fn empty_fragments_without_end_are_a_connection_without_messages() {
    let attack = Attack::new(
        "empty fragments",
        |peer| {
            upgraded(peer, |peer| {
                peer.frame(false, TEXT, "");
                peer.flood(many(&[0, 0]));
            });
        },
        "the connection is alive, but no message came for",
    );
    attack.with(&["--stale-after", "1"]).run(1024);
}

#[test]
fn empty_fragments_are_counted_as_the_one_message_that_they_are() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.frame(false, TEXT, "");
        (0..20).for_each(|_| peer.raw(many(&[0, 0])));
        peer.frame(true, 0, SAMPLE);
        until_close(&mut peer);
    });
    let run = watch(&server.uri(), &["--stats", "--format", "jsonl"]);
    run.wait_stdout("45.2");
    let finished = run.end();
    assert!(finished.stdout.contains(r#""messages_received":1,"#), "{}", finished.stdout);
}

#[test]
fn a_million_pings_are_answered_by_pongs_as_far_as_they_are_read() {
    let (told, done) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        let mut reader = peer.reader();
        let pongs = std::thread::spawn(move || {
            let mut pongs = 0_u64;
            while reader.expect(PONG).payload != b"last" {
                pongs += 1;
            }
            pongs
        });
        let pings = many(&[0x89, 4, b'p', b'i', b'n', b'g']);
        let rounds = 1_000_000 * 6 / pings.len() + 1;
        (0..rounds).for_each(|_| peer.raw(&pings));
        peer.ping("last");
        println!("{} pongs for {} pings", pongs.join().unwrap(), rounds * pings.len() / 6);
        told.send(()).unwrap();
        peer.text(SAMPLE);
        until_close(&mut peer);
    });
    let run = watch(&server.uri(), &["--dialect", "monitoring"]);
    done.recv_timeout(PATIENCE * 4).expect("a pong to the last ping");
    run.wait_stdout(SHOWN);
    let (peak, quiet) = (run.peak_kb(), process::quiet_kb());
    println!("peak {peak} kB, {quiet} kB in a quiet run");
    assert!(peak <= quiet + 1024);
    let finished = run.end();
    assert_eq!(finished.code, Some(0));
    assert!(!finished.stderr.contains("WARN"), "{}", finished.stderr);
    server.finish();
}

#[test]
fn pings_of_a_server_that_does_not_read_cannot_pile_up_pongs() {
    let attack = Attack::new(
        "pings, pongs unread",
        |peer| {
            upgraded(peer, |peer| {
                let ping = [&[0x89, 125][..], &[b'x'; 125]].concat();
                peer.flood(many(&ping));
            });
        },
        "the server accepted no data for 1 s",
    );
    attack.with(&["--ping-timeout", "1"]).run(1024);
}

#[test]
fn a_hundred_thousand_equal_faults_are_one_line_and_a_count() {
    const FAULTS: usize = 100_000;
    for text in ["{no", r#"{"type":"error","message":"denied"}"#] {
        let (told, done) = channel();
        let server = Server::start(move |mut peer| {
            peer.upgrade();
            for _ in 0..100 {
                peer.raw(text_frame(text).repeat(FAULTS / 100));
            }
            peer.ping("");
            peer.expect(PONG);
            told.send(()).unwrap();
            until_close(&mut peer);
        });
        let run = watch(&server.uri(), &["-q", "-s", "--only", "sample", "--ping-interval", "0"]);
        done.recv_timeout(PATIENCE * 4).expect("all taken");
        let finished = run.end();
        assert!(
            finished.stderr.lines().count() <= 4,
            "{} lines: {:.900}",
            finished.stderr.lines().count(),
            finished.stderr
        );
        assert!(finished.stdout.contains("100000"), "{finished:?}");
    }
}

#[test]
fn distinct_types_without_number_leave_nothing_behind() {
    const TYPES: u32 = 1_000_000;
    let (told, done) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        send_types(&mut peer, 0..TYPES / 10);
        peer.text(SAMPLE);
        peer.expect(PONG);
        send_types(&mut peer, TYPES / 10..TYPES);
        peer.text(SAMPLE.replace("45.2", "99.9"));
        peer.expect(PONG);
        told.send(()).unwrap();
        until_close(&mut peer);
    });
    let run = watch(&server.uri(), &["--only", "sample", "--ping-interval", "0"]);
    run.wait_stdout(SHOWN);
    let before = run.now_kb();
    done.recv_timeout(PATIENCE * 4).expect("all types taken");
    run.wait_stdout("99.9%");
    let after = run.now_kb();
    println!("{before} kB after {} types, {after} kB after {TYPES}", TYPES / 10);
    assert!(after <= before + 512);
    assert_eq!(run.end().code, Some(0));
}

/// With a ping at the end, whose pong says that all have been taken.
fn send_types(peer: &mut Peer, numbers: std::ops::Range<u32>) {
    for chunk in numbers.collect::<Vec<_>>().chunks(1000) {
        let frames = chunk.iter().flat_map(|n| text_frame(format!(r#"{{"type":"t{n}","data":{{"k{n}":{n}}}}}"#)));
        peer.raw(frames.collect::<Vec<_>>());
    }
    peer.ping("");
}

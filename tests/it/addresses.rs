//! Names with several addresses of which some accept connections and are of no use. `localhost` is ::1 and 127.0.0.1.

use crate::client::{command_at, greet, log_lines, sample};
use crate::support::program::{Finished, Run};
use crate::support::server::{Peer, Server};

type Script = fn(Peer);

const OPTIONS: &str = "-n 1 --reconnect-interval 0.1 --reconnect-cap 0.2 --connect-timeout 1";

/// Runs the program against ::1 and 127.0.0.1, and returns the port; `None` on a machine without IPv6.
fn watch_both(v6: Script, v4: Script) -> Option<(Finished, [usize; 2], u16)> {
    let v4 = Server::start(v4);
    let v6 = Server::start_v6(v4.port(), v6)?;
    let run = Run::start(&mut command_at(&format!("ws://localhost:{}", v4.port()), OPTIONS));
    let finished = run.finish();
    Some((finished, [v6.accepted(), v4.accepted()], v4.port()))
}

fn good(mut peer: Peer) {
    greet(&mut peer);
    peer.text(sample(1.0));
    peer.hold();
}

#[test]
fn an_address_that_is_of_no_use_is_followed_by_the_next() {
    let table: [(Script, &str); 7] = [
        (|mut peer| peer.wait_gone(), "upgrade at ADDRESS: no answer within 1 s"),
        (
            |mut peer| drop(peer.request().to_owned()),
            "upgrade at ADDRESS: closed without an answer: is this a WebSocket server, or a TLS port?",
        ),
        (|mut peer| peer.answer("503 Busy", &["Retry-After: 3600"], ""), "upgrade at ADDRESS: answered 503 Busy"),
        (|mut peer| peer.answer("401 X", &[], ""), "upgrade at ADDRESS: answered 401 X"),
        (|mut peer| peer.answer("404 X", &[], ""), "upgrade at ADDRESS: answered 404 X"),
        (
            |mut peer| {
                greet(&mut peer);
                peer.close(1008, "");
                peer.drain();
            },
            "closed by the server with 1008 (policy violation)",
        ),
        (
            |mut peer| {
                greet(&mut peer);
                peer.close(1000, "");
                peer.drain();
            },
            "closed by the server with 1000 (normal)",
        ),
    ];
    for (script, why) in table {
        let Some((finished, accepted, port)) = watch_both(script, good) else { return };
        assert_eq!((finished.code, accepted), (Some(0), [1, 1]), "{finished:?}");
        let why = format!("WARN x: {}", why.replace("ADDRESS", &format!("[::1]:{port}")));
        let next = format!("; next 127.0.0.1:{port}; retrying in 0.1 s");
        let said = log_lines(&finished.stderr, &["WARN"]);
        assert!(said.len() == 1 && said[0].starts_with(&why) && said[0].ends_with(&next), "{said:?}");
    }
}

#[test]
fn a_refusal_is_final_once_every_address_has_refused() {
    let refuses: Script = |mut peer| peer.answer("401 X", &[], "");
    let Some((finished, accepted, port)) = watch_both(refuses, refuses) else { return };
    assert_eq!((finished.code, accepted), (Some(1), [1, 1]), "{finished:?}");
    let said = log_lines(&finished.stderr, &["WARN", "ERROR x"]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with(&format!("; next 127.0.0.1:{port}; retrying in 0.1 s")), "{said:?}");
    assert!(said[1].starts_with(&format!("ERROR x: upgrade at 127.0.0.1:{port}: ")), "{said:?}");
    assert!(said[1].ends_with("; giving up") && !said[1].contains("next"), "{said:?}");
}

#[test]
fn an_address_that_cannot_be_reached_does_not_keep_a_refusal_from_being_final() {
    let refusing = Server::start(|mut peer| peer.answer("404 X", &[], ""));
    let finished = Run::start(&mut command_at(&format!("ws://localhost:{}", refusing.port()), OPTIONS)).finish();
    assert_eq!((finished.code, refusing.accepted()), (Some(1), 1), "{finished:?}");
}

//! Lines that stall, trickle and break at every byte of a handshake.

use openssl::ssl::SslVersion;

use crate::certificate::{self, Wanted, authority};
use crate::pipe::Line;
use crate::server::Server;
use crate::ways::Ways;
use crate::{TURNS, echo, trusting, wall};
use wsmon::internal::tls::{Connector, Progress, TlsErrorKind, TlsSettings};

/// Bytes that the server sends in a whole handshake, at least.
const FLIGHTS: usize = 500;
/// Not every byte is tried, which would take long, but some of every record's head and body.
const STEP: usize = 3;

struct Meeting {
    connector: Connector,
    issued: certificate::Issued,
    version: SslVersion,
}

fn meetings(test: &str) -> Vec<Meeting> {
    let issued = certificate::server(&["h.example"]);
    let ours = Wanted { common_name: "Client", issuer: Some(authority()), ..Wanted::default() }.issue();
    let cert = certificate::file(&format!("{test}-both.pem"), ours.cert_pem() + &ours.key_pem());
    let connector = Connector::build(&TlsSettings { cert: Some(cert), ..trusting(test) }).unwrap();
    [SslVersion::TLS1_2, SslVersion::TLS1_3]
        .map(|version| Meeting { connector: connector.clone(), issued: issued.clone(), version })
        .into()
}

impl Meeting {
    fn server(&self, line: &Line) -> Server {
        let versions = (self.version, self.version);
        Server::new(&Ways { wants_certificate: true, versions, ..Ways::new(&self.issued) }, line.server())
    }
}

#[test]
fn a_handshake_that_stalls_anywhere_waits_and_goes_on_when_it_can() {
    for meeting in meetings("stalls") {
        let mut stalled = 0;
        for allowed in (0..).step_by(STEP) {
            let line = Line::default();
            line.down.borrow_mut().allowed = Some(allowed);
            let mut server = meeting.server(&line);
            let mut handshake = meeting.connector.handshake("h.example", line.client());
            let mut done = None;
            for turn in 0..TURNS {
                match handshake.advance(wall()).unwrap() {
                    Progress::Done(stream) => {
                        done = Some((turn, stream));
                        break;
                    }
                    Progress::Waiting(waiting) => handshake = waiting,
                }
                server.turn();
                if turn == TURNS / 2 {
                    stalled += 1;
                    line.down.borrow_mut().allowed = None;
                }
            }
            let (turn, mut stream) = done.expect("the handshake to end once nothing is held back");
            line.down.borrow_mut().allowed = None;
            echo(&mut stream, &mut server).unwrap();
            if turn < TURNS / 2 {
                break;
            }
        }
        assert!(stalled * STEP > FLIGHTS, "{stalled}");
    }
}

#[test]
fn a_line_that_takes_and_gives_single_bytes_is_slow_and_no_more() {
    for meeting in meetings("trickle") {
        let line = Line::default();
        line.up.borrow_mut().room = Some(1);
        let mut server = meeting.server(&line);
        let mut handshake = meeting.connector.handshake("h.example", line.client());
        let mut turns = 0;
        let mut stream = loop {
            line.down.borrow_mut().allowed = Some(1);
            turns += 1;
            match handshake.advance(wall()).unwrap() {
                Progress::Done(stream) => break stream,
                Progress::Waiting(waiting) => handshake = waiting,
            }
            server.turn();
        };
        assert!(turns > FLIGHTS, "{turns}");
        (line.up.borrow_mut().room, line.down.borrow_mut().allowed) = (None, None);
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn a_line_that_breaks_anywhere_is_said_to_have_broken() {
    for meeting in meetings("breaks") {
        let mut broken = 0;
        'lengths: for allowed in (0..).step_by(STEP) {
            let line = Line::default();
            let mut server = meeting.server(&line);
            let mut handshake = meeting.connector.handshake("h.example", line.client());
            line.down.borrow_mut().allowed = Some(allowed);
            for turn in 0.. {
                match handshake.advance(wall()) {
                    Ok(Progress::Done(_)) => break 'lengths,
                    Ok(Progress::Waiting(waiting)) => handshake = waiting,
                    Err(error) => {
                        let word = if allowed == 0 { "instead of answering" } else { "in the middle" };
                        assert!(error.text.contains(word), "after {allowed} bytes: {error}");
                        assert_eq!(error.kind, TlsErrorKind::Usual);
                        break;
                    }
                }
                server.turn();
                line.down.borrow_mut().closed = turn > 3;
            }
            broken += 1;
        }
        assert!(broken * STEP > FLIGHTS, "{broken}");
    }
}

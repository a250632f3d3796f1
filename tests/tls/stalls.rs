//! Connections that stall, trickle and break at every byte of a handshake.

use openssl::ssl::SslVersion;

use crate::certificate::{self, CertificateSpec, authority};
use crate::config::ServerConfig;
use crate::pipe::Pipe;
use crate::server::Server;
use crate::{TURNS, echo, trusting, wall};
use wsmon::internal::tls::{Connector, Progress, TlsErrorKind, TlsSettings};

/// Lower bound on the bytes that the server sends in a handshake.
const FLIGHTS: usize = 500;
/// Trying every byte would take long; this step hits the head and body of every record.
const STEP: usize = 3;

struct Scenario {
    connector: Connector,
    issued: certificate::Issued,
    version: SslVersion,
}

fn scenarios(test: &str) -> Vec<Scenario> {
    let issued = certificate::server(&["h.example"]);
    let ours =
        CertificateSpec { common_name: "Client", issuer: Some(authority()), ..CertificateSpec::default() }.issue();
    let cert = certificate::file(&format!("{test}-both.pem"), ours.cert_pem() + &ours.key_pem());
    let connector = Connector::build(&TlsSettings { cert: Some(cert), ..trusting(test) }).unwrap();
    [SslVersion::TLS1_2, SslVersion::TLS1_3]
        .map(|version| Scenario { connector: connector.clone(), issued: issued.clone(), version })
        .into()
}

impl Scenario {
    fn server(&self, pipe: &Pipe) -> Server {
        let versions = (self.version, self.version);
        Server::new(
            &ServerConfig { requires_certificate: true, versions, ..ServerConfig::new(&self.issued) },
            pipe.server(),
        )
    }
}

#[test]
fn a_handshake_that_stalls_anywhere_waits_and_goes_on_when_it_can() {
    for scenario in scenarios("stalls") {
        let mut stalled = 0;
        for allowed in (0..).step_by(STEP) {
            let pipe = Pipe::default();
            pipe.down.borrow_mut().allowed = Some(allowed);
            let mut server = scenario.server(&pipe);
            let mut handshake = scenario.connector.handshake("h.example", pipe.client());
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
                    pipe.down.borrow_mut().allowed = None;
                }
            }
            let (turn, mut stream) = done.expect("the handshake to end once nothing is held back");
            pipe.down.borrow_mut().allowed = None;
            echo(&mut stream, &mut server).unwrap();
            if turn < TURNS / 2 {
                break;
            }
        }
        assert!(stalled * STEP > FLIGHTS, "{stalled}");
    }
}

#[test]
fn a_handshake_in_single_bytes_succeeds() {
    for scenario in scenarios("trickle") {
        let pipe = Pipe::default();
        pipe.up.borrow_mut().capacity = Some(1);
        let mut server = scenario.server(&pipe);
        let mut handshake = scenario.connector.handshake("h.example", pipe.client());
        let mut turns = 0;
        let mut stream = loop {
            pipe.down.borrow_mut().allowed = Some(1);
            turns += 1;
            match handshake.advance(wall()).unwrap() {
                Progress::Done(stream) => break stream,
                Progress::Waiting(waiting) => handshake = waiting,
            }
            server.turn();
        };
        assert!(turns > FLIGHTS, "{turns}");
        (pipe.up.borrow_mut().capacity, pipe.down.borrow_mut().allowed) = (None, None);
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn a_handshake_that_breaks_anywhere_says_so() {
    for scenario in scenarios("breaks") {
        let mut broken = 0;
        'lengths: for allowed in (0..).step_by(STEP) {
            let pipe = Pipe::default();
            let mut server = scenario.server(&pipe);
            let mut handshake = scenario.connector.handshake("h.example", pipe.client());
            pipe.down.borrow_mut().allowed = Some(allowed);
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
                pipe.down.borrow_mut().closed = turn > 3;
            }
            broken += 1;
        }
        assert!(broken * STEP > FLIGHTS, "{broken}");
    }
}

//! TLS without waiting, against a server in memory with certificates made here.

mod certificate;
mod files;
mod handshake;
mod pipe;
mod server;
mod sockets;
mod stalls;
mod verdicts;
mod ways;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certificate::authority;
use pipe::{End, Line};
use server::Server;
use ways::Ways;
use wsmon::internal::tls::{Connector, Progress, TlsError, TlsSettings, TlsStream};

/// No handshake takes more turns, and no failing one either.
const TURNS: usize = 50;

/// The date that errors show.
fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(86_400)
}

fn ca_file(name: &str) -> PathBuf {
    certificate::file(&format!("{name}-ca.pem"), authority().cert_pem())
}

/// Settings that trust the authority.
fn trusting(test: &str) -> TlsSettings {
    TlsSettings { ca_file: Some(ca_file(test)), ..TlsSettings::default() }
}

/// Both sides in turn, until the client is done or has failed.
fn meet(settings: &TlsSettings, host: &str, ways: &Ways<'_>) -> Result<(TlsStream<End>, Server), TlsError> {
    let line = Line::default();
    let mut server = Server::new(ways, line.server());
    let mut handshake = Connector::build(settings).unwrap().handshake(host, line.client());
    for _ in 0..TURNS {
        handshake = match handshake.advance(wall())? {
            Progress::Done(stream) => return Ok((stream, server)),
            Progress::Waiting(handshake) => handshake,
        };
        server.turn();
    }
    panic!("the handshake does not end");
}

/// The error of a handshake that must fail.
fn refused(settings: &TlsSettings, host: &str, ways: &Ways<'_>) -> TlsError {
    meet(settings, host, ways).map(|_| ()).unwrap_err()
}

/// Sends a text and expects it back.
fn echo(stream: &mut TlsStream<End>, server: &mut Server) -> io::Result<()> {
    stream.write_all(b"hello")?;
    let mut got = Vec::new();
    for _ in 0..TURNS {
        server.turn();
        let mut buffer = [0; 16];
        match stream.read(&mut buffer) {
            Ok(len) => got.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if got == b"hello" {
            return Ok(());
        }
    }
    panic!("no echo, but {got:?}");
}

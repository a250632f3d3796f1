//! Non-blocking TLS against a server in memory, with certificates made here.

mod anchors;
mod certificate;
mod config;
mod errors;
mod files;
mod handshake;
mod memory;
mod pipe;
mod server;
mod sockets;
mod stalls;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certificate::authority;
use config::ServerConfig;
use pipe::{End, Pipe};
use server::Server;
use wsmon::internal::tls::{Connector, Progress, TlsError, TlsSettings, TlsStream};

/// Upper bound on the turns of a handshake, failing ones included.
const TURNS: usize = 50;

/// The date for errors.
fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(86_400)
}

fn ca_file(name: &str) -> PathBuf {
    certificate::file(&format!("{name}-ca.pem"), authority().cert_pem())
}

/// Returns settings that trust the authority.
fn trusting(test: &str) -> TlsSettings {
    TlsSettings { ca_file: Some(ca_file(test)), ..TlsSettings::default() }
}

/// Runs both sides in turn until the client has connected or failed.
fn connect(
    settings: &TlsSettings,
    host: &str,
    config: &ServerConfig<'_>,
) -> Result<(TlsStream<End>, Server), TlsError> {
    let pipe = Pipe::default();
    let mut server = Server::new(config, pipe.server());
    let mut handshake = Connector::build(settings).unwrap().handshake(host, pipe.client());
    for _ in 0..TURNS {
        handshake = match handshake.advance(wall())? {
            Progress::Done(stream) => return Ok((stream, server)),
            Progress::Waiting(handshake) => handshake,
        };
        server.turn();
    }
    panic!("the handshake does not end");
}

/// Returns the error of a handshake that must fail.
fn connect_error(settings: &TlsSettings, host: &str, config: &ServerConfig<'_>) -> TlsError {
    connect(settings, host, config).map(|_| ()).unwrap_err()
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

//! Certificates and keys that the program has in memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use openssl::ssl::{Ssl, SslStream};

use crate::certificate::{self, CertificateSpec, authority};
use crate::config::ServerConfig;
use wsmon::{DisconnectKind, ErrorKind, Monitor, Server, Watch};

/// Time limit for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that requires a client certificate, upgrades each connection and keeps it until the client has gone.
fn serve() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let uri = format!("wss://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let issued = certificate::server(&["127.0.0.1"]);
        let context = ServerConfig { requires_certificate: true, ..ServerConfig::new(&issued) }.context();
        for stream in listener.incoming() {
            let mut stream = SslStream::new(Ssl::new(&context).unwrap(), stream.unwrap()).unwrap();
            // A client that refuses the server, or is refused, is no failure.
            if stream.accept().is_err() {
                continue;
            }
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    break;
                }
                request.extend(byte);
            }
            if let Ok(Some((granted, _))) = wsmon::internal::upgrade::serve(&request) {
                let _gone = stream.write_all(granted.as_bytes());
                let _gone = stream.read(&mut [0; 16]);
            }
        }
    });
    uri
}

#[test]
fn certificates_in_memory_are_used_like_files() {
    let uri = serve();
    let client =
        CertificateSpec { is_for_clients: true, issuer: Some(authority()), ..CertificateSpec::default() }.issue();
    let server = Server::new(&uri).unwrap().max_reconnects(0);
    let trusting = server.clone().ca_pem(authority().cert_pem());
    let complete = trusting.clone().certificate_pem(client.cert_pem(), client.key_pem()).load().unwrap();
    Watch::new(complete).unwrap().connect(PATIENCE).unwrap();

    let mut stranger = Watch::new(server.ca_pem(client.cert_pem())).unwrap();
    assert_eq!(stranger.connect(PATIENCE).unwrap_err().kind(), ErrorKind::NotOpen);
    assert_eq!(stranger.last_disconnect().map(|why| why.kind()), Some(DisconnectKind::Certificate));
    // The server's alert may be lost in the reset that follows it.
    let anonymous = Watch::new(trusting).unwrap().connect(PATIENCE).unwrap_err();
    assert_eq!(anonymous.kind(), ErrorKind::NotOpen);
}

#[test]
fn a_wrong_certificate_in_memory_is_found_when_it_is_loaded_or_added() {
    let (one, other) = (certificate::server(&["a"]), certificate::server(&["b"]));
    let server = Server::default();
    for (server, words) in [
        (server.clone().ca_pem("hello"), "no PEM certificate in it"),
        (server.clone().certificate_pem(one.cert_pem(), "hello"), "no PEM key in it"),
        (server.certificate_pem(one.cert_pem(), other.key_pem()), "does not belong to the certificate"),
    ] {
        for error in [Watch::new(server.clone()).unwrap_err(), Monitor::new().unwrap().add(server.clone()).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        }
        let error = server.load().unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Tls, "{text}");
        assert!(text.contains(words) && text.contains("MEMORY") && !text.contains('\0'), "{text}");
    }
}

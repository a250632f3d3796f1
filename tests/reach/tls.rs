//! wss:// with servers that complete the handshake: trust, errors, sessions.

use std::process::Command;

use openssl::ssl::SslVersion;

use crate::certificate::{self, CertificateSpec, Issued, authority};
use crate::config::ServerConfig;
use crate::front::{Goodbye, tls, tls_ending_with};
use crate::support::program::{Run, wsmon};
use crate::support::server::{PONG, Server, TEXT};
use crate::support::temp_dir::TempDir;
use crate::{
    SAMPLE, SHOWN, assert_contains, assert_gave_up, assert_shows_sample, ca_file, command, file, sample_server, text,
    watch,
};

fn wss(server: &Server) -> String {
    format!("wss://127.0.0.1:{}", server.port())
}

/// Issues a certificate with these first and last days, counted from now.
fn dated(valid: (i64, i64)) -> Issued {
    CertificateSpec { valid, names: &["127.0.0.1"], issuer: Some(authority()), ..CertificateSpec::default() }.issue()
}

#[test]
fn a_private_authority_is_trusted_where_its_file_is_given() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1", "localhost"]));
    let server = tls(&ServerConfig::new(&issued), &inner);
    assert_shows_sample(&watch(&wss(&server), &["--ca-file", &ca_file("good")]));
    let named = format!("WSS://localhost:{}", server.port());
    assert_shows_sample(&watch(&named, &["--ca-file", &ca_file("good-name"), "-4"]));
}

#[test]
fn a_private_authority_is_trusted_where_openssl_is_told_of_it() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let server = tls(&ServerConfig::new(&issued), &inner);
    assert_shows_sample(&Run::start(command(&wss(&server), &[]).env("SSL_CERT_FILE", ca_file("environment"))).finish());
    assert_gave_up(&watch(&wss(&server), &[]), &["--ca-file"]);
}

#[test]
fn the_systems_certificates_are_not_read_where_others_are_given() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let server = tls(&ServerConfig::new(&issued), &inner);
    // Without a writer a pipe cannot even be opened: whoever reads it waits for ever.
    let scratch = TempDir::new();
    let pipe = scratch.path("bundle");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = command(&wss(&server), &["--ca-file", &ca_file("only"), "--duration", "10"]);
    assert_shows_sample(&Run::start(command.env("SSL_CERT_FILE", &pipe)).finish());
}

#[test]
fn a_self_signed_certificate_is_refused_without_a_retry_and_the_way_out_named() {
    let (inner, issued) =
        (sample_server(), CertificateSpec { names: &["127.0.0.1"], ..CertificateSpec::default() }.issue());
    let server = tls(&ServerConfig::new(&issued), &inner);
    assert_gave_up(&watch(&wss(&server), &[]), &["TLS with 127.0.0.1:", "self-signed", "--ca-file"]);
    assert_eq!((server.accepted(), inner.accepted()), (1, 0));
    let itself = file("self-signed.pem", issued.cert_pem());
    assert_shows_sample(&watch(&wss(&server), &["--ca-file", text(&itself)]));
}

#[test]
fn an_intermediate_or_the_servers_own_certificate_is_enough_as_ca_file() {
    let intermediate = CertificateSpec {
        common_name: "Intermediate",
        is_authority: true,
        issuer: Some(authority()),
        ..CertificateSpec::default()
    };
    let intermediate = intermediate.issue();
    let spec = CertificateSpec { names: &["127.0.0.1"], issuer: Some(&intermediate), ..CertificateSpec::default() };
    let (inner, issued) = (sample_server(), spec.issue());
    let server = tls(&ServerConfig::new(&issued), &inner);
    for certificate in [&intermediate, &issued] {
        let ca = file("partial-ca.pem", certificate.cert_pem());
        assert_shows_sample(&watch(&wss(&server), &["--ca-file", text(&ca)]));
    }
    let root = file("root-ca.pem", authority().cert_pem());
    assert_gave_up(&watch(&wss(&server), &["--ca-file", text(&root)]), &["--ca-file must hold the certificate of its"]);
    let both = file("whole-ca.pem", intermediate.cert_pem() + &authority().cert_pem());
    assert_shows_sample(&watch(&wss(&server), &["--ca-file", text(&both)]));
}

#[test]
fn an_expired_certificate_is_refused_without_a_retry() {
    let inner = sample_server();
    let server = tls(&ServerConfig::new(&dated((-2, -1))), &inner);
    assert_gave_up(&watch(&wss(&server), &["--ca-file", &ca_file("expired")]), &["has expired", "the date here is 20"]);
    assert_eq!(inner.accepted(), 0);
}

#[test]
fn a_certificate_that_is_not_yet_valid_is_tried_again_and_the_date_said() {
    let inner = sample_server();
    let server = tls(&ServerConfig::new(&dated((1, 2))), &inner);
    let run = Run::start(&mut command(&wss(&server), &["--ca-file", &ca_file("future")]));
    server.wait_accepted(3);
    assert_contains(&run.wait_stderr("retrying"), &["not yet valid", "the date here is 20", "is the clock right?"]);
}

#[test]
fn a_certificate_for_another_name_is_refused_unless_that_name_is_given() {
    let (inner, issued) = (sample_server(), certificate::server(&["h.example"]));
    let server = tls(&ServerConfig::new(&issued), &inner);
    let ca = ca_file("names");
    assert_gave_up(&watch(&wss(&server), &["--ca-file", &ca]), &["not for 127.0.0.1", "--tls-name"]);
    assert_shows_sample(&watch(&wss(&server), &["--ca-file", &ca, "--tls-name", "h.example"]));
    assert_gave_up(
        &watch(&wss(&server), &["--ca-file", &ca, "--tls-name", "other.example"]),
        &["not for other.example"],
    );
}

#[test]
fn insecure_takes_any_certificate_and_says_so_even_when_quiet() {
    let (inner, issued) =
        (sample_server(), CertificateSpec { names: &["x"], valid: (-9, -8), ..CertificateSpec::default() }.issue());
    let server = tls(&ServerConfig::new(&issued), &inner);
    let finished = watch(&wss(&server), &["--insecure", "-q"]);
    assert_shows_sample(&finished);
    assert_contains(&finished.stderr, &["WARN", "--insecure", "can read and change everything"]);
}

#[test]
fn a_server_that_wants_a_certificate_gets_ours() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let ours =
        CertificateSpec { common_name: "Client", issuer: Some(authority()), ..CertificateSpec::default() }.issue();
    let (cert, key) = (file("client.pem", ours.cert_pem()), file("client.key", ours.key_pem()));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let config =
            ServerConfig { requires_certificate: true, versions: (version, version), ..ServerConfig::new(&issued) };
        let server = tls(&config, &inner);
        let (ca, uri) = (ca_file("client"), wss(&server));
        assert_shows_sample(&watch(&uri, &["--ca-file", &ca, "--cert", text(&cert), "--key", text(&key)]));
        let without = watch(&uri, &["--ca-file", &ca, "--no-reconnect"]);
        assert_eq!(without.code, Some(1), "{without:#?}");
        assert_contains(&without.stderr, &["certificate", "--cert and --key"]);
    }
}

#[test]
fn a_server_that_is_too_old_or_speaks_no_tls_is_said_to_be_so() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let old =
        tls(&ServerConfig { versions: (SslVersion::TLS1, SslVersion::TLS1_1), ..ServerConfig::new(&issued) }, &inner);
    assert_gave_up(&watch(&wss(&old), &["--insecure", "--no-reconnect"]), &["does not support TLS 1.2"]);
    let plain = Server::start(|mut peer| peer.raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    assert_gave_up(&watch(&wss(&plain), &["--no-reconnect"]), &["answered with plain HTTP", "ws://"]);
    let silent = Server::start(|peer| drop(peer.stream().peek(&mut [0])));
    assert_gave_up(&watch(&wss(&silent), &["--no-reconnect"]), &["closed the connection instead of answering in TLS"]);
    let server = tls(&ServerConfig::new(&issued), &inner);
    let wrong = watch(&format!("ws://127.0.0.1:{}", server.port()), &["--no-reconnect"]);
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
}

#[test]
fn invalid_options_of_tls_are_refused_at_the_start() {
    let (no_pem, cert) = (file("no.pem", "hello"), file("lone.pem", authority().cert_pem()));
    for (options, code, word) in [
        (&["--ca-file", "/no/such"][..], 3, "read /no/such: no such file"),
        (&["--ca-file", text(&no_pem)], 2, "no PEM certificate"),
        (&["--cert", text(&cert)], 2, "--key"),
        (&["--cert", text(&cert), "--key", text(&no_pem)], 2, "no PEM key"),
        (&["--tls-name", ".example"], 2, "--tls-name"),
    ] {
        let finished = watch("wss://127.0.0.1:1", options);
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        assert_contains(&finished.stderr, &[word]);
    }
}

/// Tests pings in both directions, a Close of the server's, and a second connection.
#[test]
fn a_session_over_tls_is_like_any_other() {
    let inner = Server::start(|mut peer| {
        peer.upgrade();
        peer.fragments(&[r#"{"type":"monitoring_data","data":"#, r#"{"processor":{"usage_percent":12.5}}}"#]);
        assert_eq!(peer.expect(TEXT).text(), "hello");
        assert_eq!(peer.expect(PONG).payload, b"between");
        let ping = peer.expect(crate::support::server::PING);
        peer.frame(true, PONG, &ping.payload);
        if peer.number() == 1 {
            peer.close(1012, "restart");
        } else {
            peer.text(SAMPLE);
        }
        peer.drain();
    });
    let server = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &inner);
    let mut command =
        wsmon(["-u", &wss(&server), "-n", "3", "--ca-file", &ca_file("session"), "--send", "hello", "-s"]);
    let finished = Run::start(command.args(["--ping-interval", "0.2", "-f", "jsonl", "-v"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_contains(&finished.stderr, &["closed by the server with 1012 (service restart): restart"]);
    assert_contains(&finished.stdout, &[r#""connections":2"#, r#""total_disconnections":1"#]);
}

/// A killed server sends neither Close nor close_notify.
#[test]
fn an_end_without_goodbye_is_the_same_with_tls_and_without() {
    let inner = Server::start(|mut peer| {
        peer.upgrade();
        peer.text(SAMPLE);
    });
    let issued = certificate::server(&["127.0.0.1"]);
    let ca = ca_file("goodbye");
    let mut ends = vec![inner.uri()];
    let fronts =
        [Goodbye::Said, Goodbye::Missing].map(|goodbye| tls_ending_with(goodbye, &ServerConfig::new(&issued), &inner));
    ends.extend(fronts.iter().map(wss));
    for uri in ends {
        let finished =
            Run::start(wsmon(["-u", &uri, "--no-reconnect", "--ca-file", &ca]).args(["-f", "simple"])).finish();
        assert!(finished.stdout.contains(SHOWN), "{finished:#?}");
        assert_contains(&finished.stderr, &["the server closed the connection without a Close frame"]);
    }
}

#[test]
fn a_large_message_arrives_whole() {
    let long = "x".repeat(2 << 20);
    let message = format!(r#"{{"type":"log_line","text":"{long}"}}"#);
    let sent = message.clone();
    let inner = Server::start(move |mut peer| {
        peer.upgrade();
        peer.text(&sent);
        peer.drain();
    });
    let server = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &inner);
    let finished = watch(&wss(&server), &["--ca-file", &ca_file("large"), "-f", "jsonl"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains(&long), "{} bytes", finished.stdout.len());
}

#[test]
fn many_servers_at_once_take_turns_with_their_handshakes() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let servers: Vec<_> = (0..20).map(|_| tls(&ServerConfig::new(&issued), &inner)).collect();
    let mut command = wsmon(["-n", "1", "--ca-file", &ca_file("many"), "--connect-timeout", "15"]);
    servers.iter().for_each(|server| _ = command.args(["-u", &wss(server)]));
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout.matches(SHOWN).count(), 20, "{finished:#?}");
    assert!(servers.iter().all(|server| server.accepted() == 1), "{finished:#?}");
}

#[test]
fn an_upgrade_over_tls_may_fail_or_drip_like_any_other() {
    let inner = Server::start(|mut peer| assert!(peer.request().starts_with("GET / ")));
    let server = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &inner);
    let finished = watch(&wss(&server), &["--ca-file", &ca_file("upgrade"), "--no-reconnect"]);
    assert_gave_up(&finished, &["upgrade at 127.0.0.1:", "closed without an answer"]);
    let slow = Server::start(|mut peer| {
        let granted = peer.granted();
        peer.drip(granted);
        peer.text(SAMPLE);
        peer.drain();
    });
    let server = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &slow);
    assert_shows_sample(&watch(&wss(&server), &["--ca-file", &ca_file("drip")]));
}

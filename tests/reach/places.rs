//! Servers that are not where the user looks: the path `/ws`, and `--probe`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::support::program::{Finished, Run, run, wsmon};
use crate::support::server::{Peer, Server};
use crate::{SAMPLE, assert_contains, assert_gave_up, assert_shows_sample, send_sample, watch};

/// The path and query of the request.
fn target(peer: &mut Peer) -> String {
    peer.request().split(' ').nth(1).unwrap().to_owned()
}

fn bare(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Refuses every path but `/ws`.
fn at_ws(status: &'static str) -> Server {
    Server::start(move |mut peer| match target(&mut peer).split('?').next() {
        Some("/ws") => send_sample(peer),
        _ => peer.answer(status, &[], "<p>hello"),
    })
}

#[test]
fn slash_ws_is_tried_where_slash_is_refused_and_the_uri_has_no_path() {
    for status in ["404 Not Found", "403 Forbidden", "200 OK"] {
        let server = at_ws(status);
        let port = server.port();
        for uri in [format!("127.0.0.1:{port}"), format!("monitoring://127.0.0.1:{port}")] {
            let finished = watch(&uri, &["--no-reconnect"]);
            assert_shows_sample(&finished);
            assert_contains(&finished.stderr, &[": / was refused, trying /ws"]);
        }
        assert_eq!(server.accepted(), 4);
        let code = &status[..3];
        for uri in [format!("127.0.0.1:{port}/"), server.uri()] {
            assert_gave_up(&watch(&uri, &["--no-reconnect"]), &[&format!("answered {code}")]);
        }
        assert_eq!(server.accepted(), 6);
    }
}

#[test]
fn a_path_that_was_found_is_kept_until_it_fails() {
    let server = Server::start(|mut peer| {
        let path = target(&mut peer);
        match (peer.number(), &*path) {
            (1, "/") | (5, "/") => peer.answer("404 Not Found", &[], ""),
            (2 | 3, "/ws") => {
                peer.upgrade();
                peer.text(SAMPLE);
                peer.close(1012, "");
                peer.drain();
            }
            (4, "/ws") => peer.answer("503 Busy", &[], ""),
            (6, "/ws") => send_sample(peer),
            other => panic!("{other:?}"),
        }
    });
    let options = ["-n", "3", "--reconnect-interval", "0.1", "--reconnect-cap", "0.1", "--dialect", "monitoring"];
    let finished = Run::start(wsmon([bare(&server)]).args(options)).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(server.accepted(), 6);
}

#[test]
fn a_server_that_refuses_both_paths_is_given_up_with_both_answers() {
    let server = Server::start(|mut peer| {
        let status = if target(&mut peer) == "/" { "403 Forbidden" } else { "404 Not Found" };
        peer.answer(status, &[], "");
    });
    assert_gave_up(&watch(&bare(&server), &[]), &["answered 403 Forbidden", "; /ws answered 404"]);
    assert_eq!(server.accepted(), 2);
    // The answer of the other path may be more to the point.
    let server = Server::start(|mut peer| {
        let status = if target(&mut peer) == "/" { "404 Not Found" } else { "401 Unauthorized" };
        peer.answer(status, &[], "");
    });
    assert_gave_up(&watch(&bare(&server), &[]), &["answered 401 Unauthorized"]);
}

/// An address of loopback that no other test, and no test of another checkout, uses: the usual ports are free there.
fn own_address(number: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 70 + number, high, low.clamp(1, 254))
}

fn serve(host: Ipv4Addr, port: u16, script: impl Fn(Peer) + Send + Sync + 'static) -> Server {
    Server::listen(SocketAddr::from((host, port)), script).unwrap()
}

/// The line of this port.
fn line(finished: &Finished, port: u16) -> &str {
    let wanted = format!(":{port}/");
    let mut lines = finished.stdout.lines().filter(|line| line.contains(&wanted));
    let line = lines.next().unwrap_or_else(|| panic!("{finished:#?}"));
    assert_eq!(lines.next(), None, "{finished:#?}");
    line.split_once("  ").unwrap().1.trim()
}

#[test]
fn a_probe_says_what_came_of_each_place_and_what_to_use() {
    let host = own_address(0);
    let servers = [
        serve(host, 8765, send_sample),
        serve(host, 8060, |mut peer| peer.answer("401 Unauthorized", &[], "\x1b[2J")),
        serve(host, 9615, |mut peer| {
            peer.upgrade();
            peer.text(r#"{"type":"ProcessList","processes":[]}"#);
            peer.drain();
        }),
    ];
    let finished = Run::start(wsmon(["--probe", &host.to_string()]).env("MONITORING_TOKEN", "hunter2")).finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:#?}");
    assert_eq!(line(&finished, 8765), format!("monitoring: wsmon {host}"));
    assert!(line(&finished, 8060).ends_with(&format!(": wsmon sysmedic://SECRET@{host}")), "{finished:#?}");
    assert_eq!(line(&finished, 8000), format!("connect to {host}:8000: connection refused"));
    assert_eq!(line(&finished, 9615), format!("pmdaemon: wsmon pmdaemon://{host}"));
    assert!(!finished.stdout.contains(['\x1b', '\t']), "{finished:#?}");
    assert!(finished.took < Duration::from_secs(3), "{finished:#?}");
    assert!(servers.iter().all(|server| server.accepted() == 1));
}

#[test]
fn a_probe_of_a_host_that_swallows_everything_ends_after_five_seconds() {
    let host = own_address(1);
    let _silent = [8765, 8060, 8000, 9615].map(|port| {
        serve(host, port, |mut peer| {
            peer.request();
            peer.hold();
        })
    });
    let finished = run(["--probe", &host.to_string()]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert_eq!(finished.stdout.matches("no answer in time\n").count(), 4, "{finished:#?}");
    assert_eq!(finished.stderr, format!("wsmon: no server was found on {host}\n"));
    // One after the other would take twenty.
    assert!(finished.took < Duration::from_secs(12), "{:?}", finished.took);
}

#[test]
fn a_probe_of_a_name_of_any_length_has_an_end() {
    let host = "x".repeat(70_000);
    let finished = run(["--probe", &host]);
    assert_eq!((finished.code, finished.stdout.lines().count()), (Some(1), 4), "{:?}", finished.code);
}

#[test]
fn a_usual_port_that_refuses_is_a_reason_to_probe_the_others() {
    let host = own_address(2);
    let finished = run([&format!("{host}:9615"), "-t", "1", "--reconnect-interval", "0.1"]);
    let hint = format!("nothing listens on this port: wsmon --probe {host} tries the other usual ones");
    assert_eq!(finished.stderr.matches(&hint).count(), 1, "{finished:#?}");
    let finished = run([&format!("{host}:9614"), "--no-reconnect"]);
    assert!(!finished.stderr.contains("--probe"), "{finished:#?}");
}

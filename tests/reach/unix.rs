//! Servers behind Unix sockets, `ws+unix://`.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::support::program::{Run, wsmon};
use crate::support::server::Server;
use crate::{SHOWN, assert_contains, assert_gave_up, assert_shows_sample, front, send_sample, watch};

/// Forwards one connection of a Unix socket to a server.
fn listen(name: &str, inner: &Server) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wsmon-{}-{name}", std::process::id()));
    let _left_behind = std::fs::remove_file(&path);
    let (listener, port) = (UnixListener::bind(&path).unwrap(), inner.port());
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        front::join(client, std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    });
    path
}

/// Makes the URI of a socket.
fn uri(path: &std::path::Path) -> String {
    format!("ws+unix://{}", path.to_str().unwrap().replace(' ', "%20"))
}

#[test]
fn a_socket_is_connected_to_and_its_path_is_the_label() {
    let inner = Server::start(|mut peer| {
        assert!(peer.request().contains("\r\nHost: localhost\r\n"), "{}", peer.request());
        assert!(peer.request().starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}", peer.request());
        send_sample(peer);
    });
    let path = listen("plain.sock", &inner);
    let finished = watch(&format!("{}:/a?b=c", uri(&path)), &[]);
    assert_shows_sample(&finished);
    assert_contains(&finished.stderr, &[&format!("{}: connected", path.display())]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_path_may_hold_what_is_percent_encoded() {
    let inner = crate::sample_server();
    let path = listen("with space.sock", &inner);
    let mut command = wsmon(["-u", &format!("here={}", uri(&path)), "-n", "1", "-f", "jsonl", "-s"]);
    let finished = Run::start(command.env("all_proxy", "http://127.0.0.1:1")).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_contains(&finished.stdout, &[r#""server":"here""#, "with%20space.sock:/\""]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_credential_for_a_socket_causes_no_warning() {
    let inner = crate::sample_server();
    let path = listen("credential.sock", &inner);
    let finished = watch(&uri(&path), &["--header", "Authorization: Bearer x"]);
    assert_shows_sample(&finished);
    assert!(!finished.stderr.contains("WARN"), "{}", finished.stderr);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_socket_that_is_missing_or_dead_is_retried() {
    let path = std::env::temp_dir().join(format!("wsmon-{}-missing.sock", std::process::id()));
    assert_gave_up(
        &watch(&uri(&path), &["--no-reconnect"]),
        &["connect to /", "missing.sock: no such file or directory"],
    );
    drop(UnixListener::bind(&path).unwrap());
    assert_gave_up(&watch(&uri(&path), &["--no-reconnect"]), &["missing.sock: connection refused"]);
    std::fs::remove_file(&path).unwrap();

    let mut command = wsmon(["-u", &uri(&path), "-n", "1", "--reconnect-interval", "0.1"]);
    let run = Run::start(&mut command);
    run.wait_stderr("retrying");
    let inner = crate::sample_server();
    listen("missing.sock", &inner);
    assert!(run.finish().stdout.contains(SHOWN));
    std::fs::remove_file(path).unwrap();
}

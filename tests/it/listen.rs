//! `--listen`: what Prometheus and probes are answered, and who cannot keep them waiting.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::{command, sample, sending, watched};
use crate::support::PATIENCE;
use crate::support::program::{Run, wsmon};

/// A run that listens on a free port of loopback, and its address.
fn listening(command: &mut Command) -> (Run, String) {
    let run = Run::start(command.args(["--listen", "0"]));
    let log = run.wait_stderr("/metrics\n");
    let (_, rest) = log.split_once("listening on http://").expect(&log);
    let address = rest.split('/').next().unwrap().to_owned();
    (run, address)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends these bytes and reads all that comes.
fn ask(address: &str, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address);
    // The answer may come, and the rest of the request be refused, before all of it is sent.
    let _refused = stream.write_all(request.as_ref());
    let mut answer = String::new();
    let _reset = stream.read_to_string(&mut answer);
    answer
}

/// Returns the status and the body of a page.
fn page(address: &str, path: &str) -> (u16, String) {
    let answer = ask(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\nConnection: close", body.len())), "{answer}");
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Asks for a page until its body has this text.
fn wait_page(address: &str, path: &str, wanted: &str) -> (u16, String) {
    wait_until(address, path, &|body| body.contains(wanted))
}

/// Asks for a page until its body is as it should be.
fn wait_until(address: &str, path: &str, is_wanted: &dyn Fn(&str) -> bool) -> (u16, String) {
    let begun = Instant::now();
    loop {
        let (status, body) = page(address, path);
        if is_wanted(&body) {
            return (status, body);
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {body}");
    }
}

#[test]
fn the_pages_show_the_values_and_the_readiness_of_the_servers() {
    let server = sending([sample(12.4)]);
    for (rules, ready, degraded) in
        [("", 200, 200), ("-c up=1:/2m", 200, 503), ("-w up.min=1:", 200, 503), ("-c up.sum=1:,cpu=0", 200, 200)]
    {
        let (_run, address) = listening(&mut command(&server, rules));
        assert_eq!(wait_page(&address, "/readyz", "1 of 1 servers up").0, ready, "{rules}");
        let down = ["-u", "down=127.0.0.1:1"];
        let (run, address) = listening(command(&server, rules).args(down));
        assert_eq!(wait_page(&address, "/readyz", "1 of 2 servers up").0, degraded, "{rules}");
        let (_, metrics) = wait_page(&address, "/metrics", "wsmon_cpu_ratio{server=\"x\"} 0.124\n");
        assert!(metrics.contains("\nwsmon_up{server=\"down\"} 0\n") && metrics.ends_with('\n'), "{metrics}");
        assert_eq!(
            (page(&address, "/healthz"), page(&address, "/livez")),
            ((200, "ok\n".into()), (200, "ok\n".into()))
        );
        run.signal("TERM");
        assert_eq!(run.finish().code, Some(0));
    }
    let (_run, address) = listening(&mut wsmon(["-u", "down=127.0.0.1:1"]));
    assert_eq!(page(&address, "/readyz"), (503, "0 of 1 servers up\n".into()));
}

#[test]
fn a_probe_is_answered_whatever_others_do_and_pings_stay_on_time() {
    let server = sending([sample(12.4)]);
    let (run, address) = listening(&mut command(&server, "--ping-interval 0.2 --ping-timeout 5"));
    let idle: Vec<TcpStream> = (0..20).map(|_| connect(&address)).collect();
    let asked = Instant::now();
    assert_eq!(page(&address, "/healthz"), (200, "ok\n".into()));
    let halves: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = connect(&address);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
            stream
        })
        .collect();
    assert_eq!(page(&address, "/healthz"), (200, "ok\n".into()));
    let huge = format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(20 << 10));
    for (request, status) in [
        ("GARBAGE\r\n\r\n", "400 Bad Request"),
        (&huge, "400 Bad Request"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed\r\nAllow: GET, HEAD"),
        ("GET /x HTTP/1.0\r\n\r\n", "404 Not Found"),
    ] {
        let answer = ask(&address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    assert!(
        ask(&address, "HEAD /healthz HTTP/1.1\r\n\r\n").ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n")
    );
    let mut half = connect(&address);
    half.write_all(b"GET /me").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    let pings = |body: &str| {
        let (_, count) = body.split_once("wsmon_ping_seconds_count{server=\"x\"} ")?;
        count.lines().next()?.parse::<u32>().ok()
    };
    let (_, metrics) = wait_until(&address, "/metrics", &|body| pings(body) >= Some(3));
    drop((idle, halves));
    assert!(metrics.contains("\nwsmon_disconnections_total{server=\"x\"} 0\n"), "{metrics}");
    run.signal("TERM");
    let finished = run.finish();
    assert!(finished.code == Some(0) && !finished.stderr.contains("WARN"), "{finished:?}");
}

#[test]
fn a_taken_address_is_an_error_at_the_start_and_one_that_was_left_is_free() {
    let server = sending([sample(1.0)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = watched(&server, &format!("--listen {address}"));
    let why = format!("wsmon: --listen {address}: address already in use\n");
    assert_eq!((finished.code, finished.stderr), (Some(3), why));
    assert_eq!(server.accepted(), 0);
    drop(taken);
    let mut command = command(&server, &format!("--listen {address}"));
    for _ in 0..2 {
        let run = Run::start(&mut command);
        run.wait_stdout("CPU:");
        // The side that closes first keeps the address for a while.
        assert_eq!(page(&address, "/healthz").0, 200);
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
}

#[test]
fn a_run_whose_reader_is_gone_goes_on_to_answer() {
    let server = sending([sample(12.4), sample(50.0)]);
    let (reader, writer) = io::pipe().unwrap();
    let (run, address) = listening(command(&server, "").stdout(writer));
    drop(reader);
    wait_page(&address, "/metrics", "wsmon_received_messages_total{server=\"x\"} 3\n");
    assert_eq!(page(&address, "/healthz"), (200, "ok\n".into()));
    run.signal("TERM");
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn a_look_ends_as_without_it() {
    let server = sending([sample(12.4)]);
    let finished = watched(&server, "-q -n 1 --listen 0");
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    let finished = watched(&server, "--check --listen 0");
    assert!(finished.code == Some(3) && finished.stdout.contains("--listen and --check exclude"), "{finished:?}");
    for wrong in ["h:1", "65536", "127.0.0.1"] {
        let finished = watched(&server, &format!("--listen {wrong}"));
        let why = format!("wsmon: --listen '{wrong}': write PORT or ADDRESS:PORT, such as ");
        assert!(finished.code == Some(2) && finished.stderr.starts_with(&why), "{finished:?}");
    }
}

//! Names and addresses that do not answer, in the network that tests/netns.sh makes, and the program's system calls.
//!
//! 10.99.0.0/16 and fd99::/16 are black holes. `dual` is fd99::1 and 127.0.0.1, `hole` is fd99::2 and 10.99.0.1.

#[expect(dead_code, reason = "used by other tests")]
#[path = "../support/mod.rs"]
mod support;

mod dns;
mod system_calls;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::program::{Finished, Run, wsmon};
use support::server::{PING, PONG, Server};

const SAMPLE: &str = r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":12.5}}}"#;
/// Upper bound on the delay of a message or ping. A busy machine stays below it; a thread that waits for a server is
/// late by whole timeouts.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Writes a resolv.conf with these servers.
fn set_resolvers(addresses: &[&str]) {
    let lines: String = addresses.iter().map(|address| format!("nameserver {address}\n")).collect();
    std::fs::write("/etc/resolv.conf", lines).unwrap();
}

fn sampling_server() -> Server {
    Server::start(|mut peer| {
        peer.upgrade();
        peer.text(SAMPLE);
        peer.drain();
    })
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The time from the first dial to the open connection, by the log.
fn time_to_connect(finished: &Finished) -> Duration {
    let at = |word: &str| {
        let line = finished.stderr.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{finished:#?}"));
        humantime::parse_rfc3339(line.split(' ').next().unwrap()).unwrap()
    };
    at(": connected").duration_since(at(": connecting to ")).unwrap()
}

/// Sends messages steadily, with pings in between, beside servers that cannot be reached.
#[test]
fn dead_resolvers_and_black_holes_delay_neither_messages_nor_pings() {
    set_resolvers(&["10.99.0.53", "10.99.0.54"]);
    let pinged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let pings = pinged.clone();
    let healthy = Server::start(move |mut peer| {
        peer.upgrade();
        for _ in 0..40 {
            let ping = peer.expect(PING);
            pings.lock().unwrap().push(now());
            peer.frame(true, PONG, &ping.payload);
            peer.text(format!(r#"{{"type":"tick","left_at":{}}}"#, now()));
        }
        peer.drain();
    });
    let mut command = wsmon(["-u", &format!("healthy={}", healthy.uri()), "-f", "jsonl", "--duration", "8"]);
    command.args(["--ping-interval", "0.1", "--connect-timeout", "1", "--reconnect-interval", "0.1"]);
    command.args(["--reconnect-cap", "0.2", "-v", "-s"]);
    for uri in ["bad0=ws://bad0.example", "bad1=wss://bad1.example", "bad2=bad2", "hole=ws://hole", "v4=ws://10.99.0.9"]
    {
        command.args(["-u", uri]);
    }
    let finished = Run::start(&mut command).finish();
    let lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let late = lines.filter(|line| line["type"] == "tick").map(|line| {
        let received = humantime::parse_rfc3339(line["received_at"].as_str().unwrap()).unwrap();
        let received = u64::try_from(received.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        received.saturating_sub(line["left_at"].as_u64().unwrap())
    });
    let late: Vec<_> = late.collect();
    let pings = pinged.lock().unwrap();
    let worst_message = Duration::from_millis(*late.iter().max().unwrap());
    let gaps = pings.windows(2).map(|pair| (pair[1] - pair[0]).saturating_sub(100));
    let worst_ping = Duration::from_millis(gaps.max().unwrap());
    println!(
        "beside 5 servers that cannot be reached: worst message {worst_message:?} late, worst ping {worst_ping:?}"
    );
    assert_eq!((late.len(), pings.len()), (40, 40));
    assert!(worst_message < MAX_DELAY && worst_ping < MAX_DELAY, "{}", finished.stderr);
    for words in [
        "bad0: resolve bad0.example at 10.99.0.53, 10.99.0.54: no answer within 1 s",
        "bad1: resolve bad1.example at 10.99.0.53, 10.99.0.54: no answer within 1 s",
        "bad2: resolve bad2 at ",
        "hole: connect to [fd99::2]:80, 10.99.0.1:80: no answer within 1 s",
        "v4: connect to 10.99.0.9:80: no answer within 1 s",
    ] {
        assert!(finished.stderr.matches(words).count() > 1, "{words}\n{}", finished.stderr);
    }
}

#[test]
fn a_black_holed_family_costs_a_quarter_of_a_second() {
    set_resolvers(&["10.99.0.53"]);
    let server = sampling_server();
    let uri = format!("ws://dual:{}", server.port());
    let finished = Run::start(&mut wsmon(["-u", &uri, "-n", "1"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let took = time_to_connect(&finished);
    println!("black-holed IPv6: connected over IPv4 after {took:?}");
    // An attempt that is not followed by another takes ten seconds.
    assert!((Duration::from_millis(240)..Duration::from_secs(2)).contains(&took), "{took:?}");
    let v4 = Run::start(&mut wsmon(["-u", &uri, "-n", "1", "-4", "-vv"])).finish();
    assert!(v4.stderr.contains("127.0.0.1") && !v4.stderr.contains("fd99::1"), "{v4:#?}");
    let v6 = Run::start(&mut wsmon(["-u", &uri, "--no-reconnect", "-6", "--connect-timeout", "0.5"])).finish();
    let words = format!("connect to [fd99::1]:{}: no answer within 0.5 s; giving up", server.port());
    assert!(v6.stderr.contains(&words), "{v6:#?}");
}

#[test]
fn a_server_that_ignores_ipv6_queries_costs_less_than_half_a_second() {
    set_resolvers(&["127.0.0.1"]);
    let _dns = dns::start(dns::Behaviour::OnlyV4);
    let server = sampling_server();
    let finished = Run::start(&mut wsmon(["-u", &format!("ws://h.example:{}", server.port()), "-n", "1"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let took = time_to_connect(&finished);
    println!("no answer about IPv6: connected over IPv4 after {took:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn the_search_goes_on_where_a_server_denies_the_name_and_ignores_ipv6_queries() {
    std::fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\nsearch wrong.example right.example\n").unwrap();
    let _dns = dns::start(dns::Behaviour::Search);
    let server = sampling_server();
    let finished = Run::start(&mut wsmon(["-u", &format!("ws://h:{}", server.port()), "-n", "1"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let took = time_to_connect(&finished);
    println!("no such name, and no answer about IPv6: connected to the next name after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_resolver_behind_a_dead_one_is_asked() {
    set_resolvers(&["10.99.0.53", "127.0.0.1"]);
    let _dns = dns::start(dns::Behaviour::Both);
    let server = sampling_server();
    let finished = Run::start(&mut wsmon(["-u", &format!("ws://h.example:{}", server.port()), "-n", "1"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    println!("first resolver dead: connected after {:?}", time_to_connect(&finished));
}

/// As on a router that has just booted: the first resolver is dead, and is replaced by another.
#[test]
fn a_resolver_that_changes_is_noticed() {
    set_resolvers(&["10.99.0.53"]);
    let _dns = dns::start(dns::Behaviour::Both);
    let server = sampling_server();
    let mut command = wsmon(["-u", &format!("ws://h.example:{}", server.port()), "-n", "1"]);
    let run = Run::start(command.args(["--connect-timeout", "1", "--reconnect-interval", "0.1"]));
    run.wait_stderr("resolve h.example at 10.99.0.53: no answer within 1 s");
    set_resolvers(&["127.0.0.1"]);
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

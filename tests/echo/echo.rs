//! A client that sends back what it gets, over the library's own connections and loop: what a suite of conformance
//! tests asks of a client. Used by tests/autobahn.sh.
//!
//! `echo URI AGENT`: asks the fuzzing server at URI for the number of its cases, runs each, and has the reports written.

use std::error::Error;
use std::time::Duration;

use wsmon::{Monitor, Raw, Server, Stale};

/// The suite's largest messages have 16 MiB; fragments of them are put together.
const LARGEST: usize = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [uri, agent] = &arguments[..] else { return Err("usage: echo URI AGENT".into()) };
    let cases: u32 = heard(server(&format!("{uri}/getCaseCount"))?)?.trim().parse()?;
    if cases == 0 {
        return Err("the server has no cases".into());
    }
    for case in 1..=cases {
        heard(server(&format!("{uri}/runCase?case={case}&agent={agent}"))?.echo(LARGEST))?;
        if case % 50 == 0 || case == cases {
            println!("{case} of {cases} cases run");
        }
    }
    heard(server(&format!("{uri}/updateReports?agent={agent}"))?)?;
    Ok(())
}

/// One connection, which the server ends. The certificate of a test is nobody's.
fn server(uri: &str) -> Result<Server, Box<dyn Error>> {
    Ok(Server::new(uri)?
        .dialect(wsmon::Dialect::Generic)
        .max_reconnects(Some(0))
        .max_message(LARGEST)
        .ping_timeout(Duration::from_secs(60))
        .ping_interval(None)
        .stale_after(Stale::Never)
        .insecure(true))
}

/// Returns the text that the server sends until the connection ends; an echo hears nothing.
fn heard(server: Server) -> Result<String, Box<dyn Error>> {
    let mut monitor = Monitor::new()?;
    let id = monitor.add(server)?;
    let mut said = String::new();
    while !monitor.is_done() {
        monitor.turn(None, |shown| {
            if let Raw::Json(text) | Raw::Text(text) = shown.raw {
                said.push_str(text);
            }
        })?;
    }
    match monitor.statistics_of(id).connections {
        0 => Err(format!("never connected: {:?}", monitor.last_disconnect(id).map(ToString::to_string)).into()),
        _ => Ok(said),
    }
}

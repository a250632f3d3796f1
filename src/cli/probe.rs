//! `--probe HOST`: tries the places where the known systems usually listen, and prints what came of each.

use std::io;
use std::time::{Duration, Instant};

use rustix::stdio;
use wsmon::{ClientState, Dialect, Monitor, ServerId};

use super::Failure;
use super::plan::Plan;
use super::plan::places::place_uri;
use super::setup;

/// Upper bound on all tries together.
const WITHIN: Duration = Duration::from_millis(4900);
/// Share of it that is left for the closing handshakes.
const FOR_CLOSING: Duration = Duration::from_secs(1);

/// Upper bound on the column of the URIs, in bytes. Formatting panics at 64 KiB.
const MAX_WIDTH: usize = 255;

/// Tries the URIs of the plan and prints a line for each. Returns the exit status: 0 if a server was found.
pub fn run(mut plan: Box<Plan>) -> Result<u8, Failure> {
    let host = plan.probe.take().unwrap_or_default();
    plan.server = std::mem::take(&mut plan.server).max_reconnects(Some(0));
    let monitor = setup::monitor()?;
    setup::add_servers(monitor, &mut plan)?;
    let give_up_at = monitor.clock().mono + WITHIN;
    let close_at = give_up_at - FOR_CLOSING;
    while monitor.clock().mono < close_at && monitor.ids().any(|id| is_open(monitor, id)) {
        turn(monitor, close_at)?;
    }
    let width = plan.uris.iter().map(String::len).max().unwrap_or_default().min(MAX_WIDTH);
    let (mut lines, mut any) = (String::new(), false);
    for (id, uri) in monitor.ids().zip(&plan.uris) {
        let (text, found) = outcome(monitor, id, &host, uri);
        lines.push_str(&format!("{uri:width$}  {text}\n"));
        any |= found;
    }
    monitor.stop();
    while !monitor.is_done() && monitor.clock().mono < give_up_at {
        turn(monitor, give_up_at)?;
    }
    match super::print(stdio::stdout(), &lines) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Failure::io("stdout", &error)),
        _ => {}
    }
    if !any {
        // If stderr fails too, the status remains.
        let _ignored = super::print(stdio::stderr(), &format!("wsmon: no server was found on {host}\n"));
    }
    Ok(u8::from(!any))
}

/// Returns true while a try may come to something: it has not failed, and the server is not recognised.
fn is_open(monitor: &Monitor, id: ServerId) -> bool {
    monitor.dialect(id).is_none() && monitor.state(id) != ClientState::Error
}

fn turn(monitor: &mut Monitor, until: Instant) -> Result<(), Failure> {
    let wait = until.saturating_duration_since(monitor.clock().mono);
    monitor.turn(Some(wait), |_| ()).map_err(|error| Failure::io("epoll", &error))
}

/// Returns what came of a try, and true if there is a server.
fn outcome(monitor: &Monitor, id: ServerId, host: &str, uri: &str) -> (String, bool) {
    let is_usual =
        |dialect: &str| wsmon::usual_places().any(|place| place.0 == dialect && place_uri(host, place) == uri);
    let why = monitor.last_disconnect(id);
    match monitor.dialect(id).map_or("auto", Dialect::name) {
        "monitoring" if is_usual("monitoring") => (format!("monitoring: wsmon {host}"), true),
        "auto" if monitor.statistics_of(id).connections > 0 => {
            (format!("a server of no known kind: wsmon {uri}"), true)
        }
        "auto" => match why {
            Some(why) if why.status == Some(401) && is_usual("sysmedic") => {
                (format!("{why}: wsmon sysmedic://SECRET@{host}"), true)
            }
            Some(why) if why.status == Some(401) => (format!("{why}: wsmon {uri} --token-file FILE"), true),
            Some(why) => (why.to_string(), false),
            None => ("no answer in time".to_owned(), false),
        },
        dialect if is_usual(dialect) => (format!("{dialect}: wsmon {dialect}://{host}"), true),
        dialect => (format!("{dialect}: wsmon {uri} --dialect {dialect}"), true),
    }
}

//! The mean over a cluster, by the latest sample of each server, at an interval: `cluster_mean SECONDS URI…`.

use std::error::Error;
use std::time::Duration;

use wsmon::{ClientState, Monitor, Server};

/// Returns the mean of the processors, and the number of servers that it is of. A server that is down has no part in it.
fn mean(monitor: &Monitor) -> Option<(f64, usize)> {
    let up = monitor.peers().filter(|peer| peer.state() == ClientState::Connected);
    let loads: Vec<f64> = up.filter_map(|peer| peer.last_sample()?.cpu()).collect();
    (!loads.is_empty()).then(|| (loads.iter().sum::<f64>() / loads.len() as f64, loads.len()))
}

fn print(mean: Option<(f64, usize)>) {
    match mean {
        Some((mean, servers)) => println!("mean of {servers} servers: {mean:.1} %"),
        None => println!("no server has sent a sample"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().ok_or("usage: cluster_mean SECONDS URI…")?;
    let every = Duration::from_secs_f64(seconds.parse()?);
    let mut monitor = Monitor::new()?;
    for uri in arguments {
        monitor.add(Server::new(&uri)?)?;
    }
    let mut next = monitor.clock().mono + every;
    while !monitor.is_done() {
        let now = monitor.clock().mono;
        if now >= next {
            print(mean(&monitor));
            next = now + every;
        }
        monitor.turn(next.saturating_duration_since(now), |_| ())?;
    }
    Ok(())
}

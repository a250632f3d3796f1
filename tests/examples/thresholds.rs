//! Warns about servers and about the fleet: `thresholds LABEL=URI…`. Exits with 0 to 2, as a check does.

use std::error::Error;
use std::process::ExitCode;

use wsmon::{Board, Monitor, Rules, Server, Thresholds};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut thresholds = Thresholds::default();
    thresholds.add_warnings("cpu=75,memory=80,disk=90")?;
    // Of each server; of the mean over all that are connected; for a minute.
    thresholds.add_criticals("cpu=90,cpu.mean=85,load1=8/1m")?;
    let (mut rules, mut board) = (Rules::new(thresholds), Board::default());

    let mut monitor = Monitor::new()?;
    for argument in std::env::args().skip(1) {
        let (label, uri) = argument.split_once('=').ok_or("usage: thresholds LABEL=URI…")?;
        let id = monitor.add(Server::new(uri)?.label(label).max_reconnects(0))?;
        board.add(id, label);
    }
    let mut worst = rules.fleet_level();
    while !monitor.is_done() {
        // A rule that has to hold for some time is decided between messages, too.
        let wait = rules.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
        let mut changes = Vec::new();
        monitor.turn(wait, |message| {
            board.update(message);
            changes.extend(rules.step(message.received_mono, &mut board));
        })?;
        changes.extend(rules.step(monitor.now().mono, &mut board));
        for change in changes {
            worst = worst.max(change.to);
            println!("{change}");
        }
    }
    Ok(ExitCode::from(worst as u8))
}

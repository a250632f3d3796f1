//! Changes the plan for `--check`: what it implies, and what cannot be combined with it.

use std::time::Duration;

use log::LevelFilter;
use wsmon::{Quantity, Server};

use super::Plan;
use crate::cli::args::Args;

/// The duration, as the guidelines of the Monitoring Plugins have it.
const DURATION: Duration = Duration::from_secs(10);

/// The period of pings where a rule is about them: the usual one is longer than a check.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Sets what `--check` implies and was not given. `plan` holds the options that were.
///
/// # Errors
/// An option was given that has no meaning in a check.
pub fn apply(plan: &mut Plan, args: &Args) -> Result<(), String> {
    refuse_options(args)?;
    refuse_holds(plan)?;
    plan.check = true;
    if args.duration.is_none() {
        // A sample that --every shows first, or the mean of several, may come as late as that.
        plan.duration = Some(DURATION + plan.every.unwrap_or_default());
    }
    plan.count = plan.count.or(Some(1));
    if plan.log_file.is_none() {
        plan.log_level = LevelFilter::Off;
    }
    Ok(())
}

/// Returns the default settings of servers.
pub fn server(plan: &Plan, args: &Args) -> Server {
    let mut server = Server::default();
    if args.check && args.max_reconnects.is_none() {
        server = server.max_reconnects(Some(0));
    }
    let is_ping = |threshold: &wsmon::Threshold| threshold.subject.quantity == Quantity::Ping;
    if args.check && plan.thresholds.list().iter().any(is_ping) {
        server = server.ping_interval(Some(PING_INTERVAL));
    }
    server
}

fn refuse_options(args: &Args) -> Result<(), String> {
    for (option, given) in [
        ("--format", args.format.is_some()),
        ("--only", args.only.is_some()),
        ("--time", args.time),
        ("--stats", args.stats),
        ("--save-data", args.save_data.is_some()),
        ("--textfile", args.textfile.is_some()),
    ] {
        if given {
            return Err(format!("{option} and --check exclude each other: a check prints its result and nothing else"));
        }
    }
    match args.require {
        Some(_) => Err("--require and --check exclude each other: write -c up.sum=N:".to_owned()),
        None => Ok(()),
    }
}

/// Refuses `/D`: in one look nothing lasts.
fn refuse_holds(plan: &Plan) -> Result<(), String> {
    for threshold in plan.thresholds.list() {
        for (option, rule) in [("--warning", &threshold.warning), ("--critical", &threshold.critical)] {
            if let Some((rule, hold)) = rule.as_ref().and_then(|rule| rule.text().split_once('/')) {
                return Err(format!("{option} '{rule}/{hold}': with --check nothing lasts, leave out '/{hold}'"));
            }
        }
    }
    Ok(())
}

//! Changes the plan for `--check`: what it implies, and what cannot be combined with it.

use std::time::Duration;

use log::LevelFilter;
use wsmon::{Quantity, Server, Thresholds};

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
    refuse_holds(&plan.thresholds)?;
    plan.check = true;
    // The variable may name one with a header.
    plan.format = super::FORMAT;
    if !plan.read.is_empty() {
        // All of the file is read, and its last values are judged.
        plan.log_level = LevelFilter::Error;
        return Ok(());
    }
    if !args.has("--duration") {
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
    let mut server = Server::default().proxy_from_env();
    if args.has("--check") && !args.has("--max-reconnects") {
        server = server.max_reconnects(Some(0));
    }
    if args.has("--check") { ping_often(server, &plan.thresholds) } else { server }
}

/// Shortens the period of pings if one of the rules is about them.
pub fn ping_often(server: Server, thresholds: &Thresholds) -> Server {
    match thresholds.list().iter().any(|threshold| threshold.subject.quantity == Quantity::Ping) {
        true => server.ping_interval(Some(PING_INTERVAL)),
        false => server,
    }
}

/// Refuses what has no meaning with `--probe`, which watches nothing.
///
/// # Errors
/// Names an option that was given.
pub fn refuse_with_probe(args: &Args) -> Result<(), String> {
    match OF_OUTPUT.iter().chain(&OF_RUNS).find(|option| args.has(option)) {
        Some(option) => Err(format!("{option} and --probe exclude each other: it looks for servers and watches none")),
        None => Ok(()),
    }
}

/// The options of what is printed and saved of messages.
const OF_OUTPUT: [&str; 13] = [
    "--format",
    "--template",
    "--only",
    "--time",
    "--live",
    "--stats",
    "--stats-every",
    "--save-data",
    "--save-format",
    "--flush-every",
    "--textfile",
    "--listen",
    "--on-alert",
];

/// Other options that a run without output has, too.
const OF_RUNS: [&str; 5] = ["--check", "--duration", "--count", "--every", "--require"];

fn refuse_options(args: &Args) -> Result<(), String> {
    if let Some(option) = OF_OUTPUT.iter().find(|option| args.has(option)) {
        return Err(format!("{option} and --check exclude each other: a check prints its result and nothing else"));
    }
    match args.has("--require") {
        true => Err("--require and --check exclude each other: write -c up.sum=N:".to_owned()),
        false => Ok(()),
    }
}

/// Refuses `/D`: in one look nothing lasts.
pub fn refuse_holds(thresholds: &Thresholds) -> Result<(), String> {
    for threshold in thresholds.list() {
        for (option, rule) in [("--warning", &threshold.warning), ("--critical", &threshold.critical)] {
            if let Some((rule, hold)) = rule.as_ref().and_then(|rule| rule.text().split_once('/')) {
                return Err(format!("{option} '{rule}/{hold}': with --check nothing lasts, leave out '/{hold}'"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::{Exit, plan};
    use std::ffi::OsString;

    fn read(line: &str) -> Result<Plan, String> {
        let env = |name: &str| (name == "MONITORING_FORMAT").then(|| OsString::from("json"));
        match plan(&mut line.split_whitespace().map(OsString::from), &env) {
            Ok(plan) => Ok(*plan),
            Err(Exit::Usage(why) | Exit::Asked(why)) => Err(why),
        }
    }

    #[test]
    fn what_is_implied_gives_way_to_what_is_given() {
        let implied = read("--check").unwrap();
        assert_eq!((implied.duration, implied.count, implied.format), (Some(DURATION), Some(1), "simple"));
        assert_eq!(
            (implied.log_level, implied.server),
            (LevelFilter::Off, Server::default().proxy_from_env().max_reconnects(Some(0)))
        );
        let given = read("--check -t 3 -n 2 --max-reconnects 5 -v").unwrap();
        assert_eq!((given.duration, given.count), (Some(Duration::from_secs(3)), Some(2)));
        let server = Server::default().proxy_from_env().max_reconnects(Some(5)).verbose(true);
        assert_eq!((given.log_level, given.server), (LevelFilter::Debug, server));
        assert_eq!(read("--check -d 0").unwrap().duration, None);
        assert_eq!(read("--check --every 10").unwrap().duration, Some(Duration::from_secs(20)));
        assert_eq!(read("--check --log-file f").unwrap().log_level, LevelFilter::Info);
    }

    #[test]
    fn pings_come_often_enough_for_a_rule_about_them() {
        let server = Server::default().proxy_from_env().max_reconnects(Some(0));
        let often = server.clone().ping_interval(Some(PING_INTERVAL));
        assert_eq!(read("--check -w ping=0.1").unwrap().server, often);
        assert_eq!(read("--check -c ping.max=0.1").unwrap().server, often);
        let given = server.ping_interval(Some(Duration::from_secs(5)));
        assert_eq!(read("--check -w ping=1 --ping-interval 5").unwrap().server, given);
        assert_eq!(read("-w ping=1").unwrap().server, Server::default().proxy_from_env());
    }

    #[test]
    fn what_a_check_cannot_do_is_refused() {
        for option in [
            "--format json",
            "--template x",
            "--only alert",
            "--time",
            "--live",
            "--stats",
            "--stats-every 9",
            "--save-data f",
            "--textfile f",
            "--listen 1",
            "--on-alert x",
        ] {
            let (name, _) = option.split_once(' ').unwrap_or((option, ""));
            let why = format!("{name} and --check exclude each other: a check prints its result and nothing else");
            assert_eq!(read(&format!("--check {option}")), Err(why));
        }
        let why = read("--check --require 1").unwrap_err();
        assert_eq!(why, "--require and --check exclude each other: write -c up.sum=N:");
        for (rules, why) in [
            ("-w cpu=80/5m", "--warning 'cpu=80/5m': with --check nothing lasts, leave out '/5m'"),
            ("-w cpu=80 -c 90/0", "--critical 'cpu=90/0': with --check nothing lasts, leave out '/0'"),
            ("-c up=1:,cpu=x", "--critical 'cpu=x': 'x' is not a number such as 80 or 7.5"),
        ] {
            assert_eq!(read(&format!("--check {rules}")), Err(why.to_owned()));
        }
    }
}

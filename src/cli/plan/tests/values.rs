//! Values of options: those that are refused, and those that mean "never" or "all".

use super::*;

#[test]
fn a_wrong_value_is_an_error_that_names_option_and_value() {
    let anything_goes = [
        "--template",
        "--uri",
        "--only",
        "--save-data",
        "--log-file",
        "--textfile",
        "--on-alert",
        "--token-file",
        "--subprotocol",
        "--subscribe",
        "--process",
        "--request",
        "--send",
        "--heartbeat-reply",
        "--header",
        "--ca-file",
        "--cert",
        "--key",
        "--tls-name",
        "--proxy",
        "--servers",
        "--probe",
        "--read",
    ];
    for row in OPTIONS.iter().filter(|row| row.value.is_some()) {
        if !anything_goes.contains(&row.long) {
            let why = usage(read(&format!("{}=rubbish", row.long)));
            assert!(why.starts_with(&format!("wsmon: {} 'rubbish': ", row.long)), "{why}");
        }
    }
    assert_eq!(usage(read("--save-data=")), "wsmon: --save-data '': no file is named");
    assert_eq!(usage(read("--on-alert=")), "wsmon: --on-alert '': no command is given");
    assert_eq!(
        usage(read("--template {cpus}")),
        "wsmon: --template '{cpus}': no metric or text is called 'cpus', did you mean {cpu}?"
    );
    assert_eq!(usage(read("--log-format JSON")), "wsmon: --log-format 'JSON': choose from text, json");
    assert_eq!(usage(read("--only Alerts")), "wsmon: --only 'Alerts': did you mean alert?");
    assert_eq!(usage(read("--subprotocol a,a")), "wsmon: --subprotocol 'a,a': a stands there twice");
}

#[test]
fn zero_is_an_error_where_it_makes_no_sense() {
    for name in [
        "--count",
        "--connect-timeout",
        "--ping-timeout",
        "--reconnect-interval",
        "--reconnect-cap",
        "--max-message",
        "--queue",
    ] {
        let why = usage(read(&format!("{name} 0")));
        assert!(why.starts_with(&format!("wsmon: {name} '0': must be ")), "{why}");
    }
}

#[test]
fn zero_is_never_or_no_limit_elsewhere() {
    assert_eq!(good("--stale-after 0").server, Server::default().proxy_from_env().stale_after(Stale::Never));
    assert_eq!(good("--stale-after 0 --stale-after auto").server, Server::default().proxy_from_env());
    assert_eq!(good("--duration 5 --duration 0").duration, None);
    assert_eq!(good("--every 0").every, None);
    assert_eq!(good("--stats-every 0").stats_every, None);
    for line in ["--average", "--average --every 0", "--check --average"] {
        let why = "wsmon: --average needs an interval to take means of: add --every D, such as --every 1m";
        assert_eq!(usage(read(line)), why, "{line}");
    }
}

#[test]
fn minutes_written_as_months_are_refused_with_a_hint() {
    assert_eq!(usage(read("--every 10M")), "wsmon: --every '10M': months are not accepted, did you mean 10m?");
}

#[test]
fn an_interval_above_the_usual_cap_raises_it() {
    let raised = Server::default().proxy_from_env().reconnect_interval(secs(300));
    assert_eq!(good("--reconnect-interval 5m").server, raised.clone().reconnect_cap(secs(300)));
    assert_eq!(good("--reconnect-cap 30 --reconnect-interval 5m").server, raised.reconnect_cap(secs(30)));
}

#[test]
fn a_wrong_format_names_the_choices() {
    let choices = format!("choose from {}", help::formats());
    assert_eq!(usage(read("-f xml")), format!("wsmon: --format 'xml': {choices}"));
    let from_variable = usage(read_with(&[("MONITORING_FORMAT", "xml")], ""));
    assert_eq!(from_variable, format!("wsmon: $MONITORING_FORMAT 'xml': {choices}"));
}

#[test]
fn a_template_replaces_the_format_and_its_error_has_a_bound() {
    assert_eq!(read_with(&[("MONITORING_FORMAT", "json")], "--template {cpu}").unwrap().format, "json");
    let both = usage(read("--template {cpu} -f csv"));
    assert_eq!(both, "wsmon: --format and --template exclude each other: leave one of them out");
    let long = "é".repeat(50_000) + "{nonsense}";
    let why = usage(read(&format!("--template {long}")));
    assert_eq!(
        why,
        format!(
            "wsmon: --template '{}...': no metric or text is called 'nonsense': write {{{{ for a brace",
            "é".repeat(200)
        )
    );
}

#[test]
fn data_is_saved_in_formats_that_exist_and_a_wrong_one_names_them() {
    assert!(SAVE_FORMATS.iter().all(|name| wsmon::format(name).is_some()));
    let why = "choose from jsonl, events, csv, influx";
    for name in ["simple", "json", "CSV", ""] {
        assert_eq!(usage(read(&format!("--save-format={name}"))), format!("wsmon: --save-format '{name}': {why}"));
    }
}

#[test]
fn a_number_of_servers_that_there_are_not_cannot_be_required() {
    for (line, required) in [("", Some(1)), ("a b --require 2", Some(2)), ("a b --require all", None)] {
        assert_eq!(good(line).require, required, "{line}");
    }
    for (line, why) in [
        ("a b --require 3", "--require '3': this run has 2 servers"),
        ("--require 2", "--require '2': this run has 1 server"),
        ("--demo --require 2", "--require '2': this run has 1 server"),
        ("--demo=fleet --require 6", "--require '6': this run has 5 servers"),
        ("a --require 99999999999999999999", "--require '99999999999999999999': not a number of servers, nor all"),
        ("a --require 0", "--require '0': must be at least 1"),
        ("a --require -1", "--require '-1': not a number of servers, nor all"),
        ("a --require ALL", "--require 'ALL': not a number of servers, nor all"),
        ("a --require=", "--require '': not a number of servers, nor all"),
    ] {
        assert_eq!(usage(read(line)), format!("wsmon: {why}"), "{line}");
    }
}

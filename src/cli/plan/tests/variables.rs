//! Variables of the environment beside options.

use std::ffi::OsString;

use log::LevelFilter;

use super::{good, plan, read, read_with, usage};

#[test]
fn variables_stand_in_for_options() {
    let env = [
        ("MONITORING_WEBSOCKET_URI", "ws://from.env"),
        ("MONITORING_FORMAT", "detailed"),
        ("MONITORING_LOG_LEVEL", "DEBUG"),
        ("MONITORING_LOG_FILE", "env.log"),
    ];
    let plan = read_with(&env, "").unwrap();
    assert_eq!(plan.uris, ["ws://from.env"]);
    assert_eq!(plan.uris_from, "$MONITORING_WEBSOCKET_URI");
    assert_eq!(plan.format, "detailed");
    assert_eq!(plan.log_level, LevelFilter::Debug);
    assert_eq!(plan.log_file, Some("env.log".into()));
}

#[test]
fn an_option_beats_its_variable_even_a_wrong_one() {
    let env = [
        ("MONITORING_WEBSOCKET_URI", "ws://from.env"),
        ("MONITORING_FORMAT", "xml"),
        ("MONITORING_LOG_LEVEL", "loud"),
        ("MONITORING_LOG_FILE", "env.log"),
    ];
    let plan = read_with(&env, "-u ws://h -f json --log-level info --log-file a.log").unwrap();
    let same = good("-u ws://h -f json --log-level info --log-file a.log");
    assert_eq!(plan, same);
}

#[test]
fn an_empty_variable_is_none() {
    let env = [
        ("MONITORING_WEBSOCKET_URI", ""),
        ("MONITORING_FORMAT", ""),
        ("MONITORING_LOG_LEVEL", ""),
        ("MONITORING_LOG_FILE", ""),
    ];
    assert_eq!(read_with(&env, ""), read(""));
}

#[test]
fn a_wrong_variable_is_named() {
    let why = usage(read_with(&[("MONITORING_LOG_LEVEL", "loud")], ""));
    assert!(why.starts_with("wsmon: $MONITORING_LOG_LEVEL 'loud': choose from trace, "), "{why}");

    use std::os::unix::ffi::OsStringExt;
    let raw = |name: &str| (name != "WSMON_OPTIONS").then(|| OsString::from_vec(vec![0xff]));
    let why = usage(plan(&mut std::iter::empty(), &raw).map(|plan| *plan));
    assert_eq!(why, "wsmon: $MONITORING_WEBSOCKET_URI is not UTF-8");
}

#[test]
fn options_in_the_variable_come_before_those_of_the_command_line() {
    let plain = read;
    let read = |options: &str, line: &str| read_with(&[("WSMON_OPTIONS", options)], line);
    for (options, line, same) in [
        ("-f json -d 5", "-f events x", "-d 5 -f events x"),
        ("\u{feff}-u a\n--insecure # -s\nb=h:1\n", "c", "a b=h:1 c --insecure"),
        ("-w cpu=80", "-w cpu=90 -c up=1:", "-w cpu=80,cpu=90 -c up=1:"),
        ("-- a", "-s", "-s a"),
        ("--average", "--every 5", "--average --every 5"),
        ("--dialect x", "--dialect generic", "--dialect generic"),
        (" ", "a", "a"),
    ] {
        assert_eq!(read(options, line), plain(same), "{options} {line}");
    }
    for (options, line, why) in [
        ("--every x", "", "$WSMON_OPTIONS: --every 'x': "),
        ("--every", "5", "$WSMON_OPTIONS: --every needs a value"),
        ("--every 5", "--every x", "--every 'x': "),
        ("-u a", "--demo", "--demo watches servers of its own"),
        ("-H A:b", "a b", "--header would be sent to all"),
        ("-V", "", "$WSMON_OPTIONS: --version belongs on the command line"),
        ("a -", "", "$WSMON_OPTIONS: unexpected argument '-'"),
        ("\"", "", "$WSMON_OPTIONS: a quote is not closed"),
    ] {
        let why = format!("wsmon: {why}");
        let usage = usage(read(options, line));
        assert!(usage.starts_with(&why), "{options} {line}: {usage}");
    }
    let env = [("WSMON_OPTIONS", "-s"), ("MONITORING_FORMAT", "x")];
    assert!(usage(read_with(&env, "")).starts_with("wsmon: $MONITORING_FORMAT 'x': "));
    assert_eq!(read("-s", "--help"), plain("--help"));
}

#[test]
fn the_log_level_is_option_then_switch_then_variable() {
    let env = [("MONITORING_LOG_LEVEL", "error")];
    for (line, level) in [
        ("", LevelFilter::Error),
        ("-v", LevelFilter::Debug),
        ("-q", LevelFilter::Warn),
        ("-v --log-level warn", LevelFilter::Warn),
        ("--log-level=Critical -v", LevelFilter::Error),
        ("-q --log-level off", LevelFilter::Off),
        ("--log-level trace", LevelFilter::Trace),
    ] {
        assert_eq!(read_with(&env, line).unwrap().log_level, level, "{line}");
    }
}

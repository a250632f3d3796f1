//! Every option by itself, and options that go together.

mod examples;
mod values;
mod variables;

use super::*;
use crate::cli::args::{OPTIONS, OptionRow};
use std::collections::BTreeMap;
use wsmon::{Family, Rule, Stale};

fn read(line: &str) -> Result<Plan, Exit> {
    read_with(&[], line)
}

fn read_with(env: &[(&str, &str)], line: &str) -> Result<Plan, Exit> {
    let env: BTreeMap<_, _> = env.iter().copied().collect();
    let lookup = |name: &str| env.get(name).map(OsString::from);
    plan(&mut line.split_whitespace().map(OsString::from), &lookup).map(|plan| *plan)
}

fn good(line: &str) -> Plan {
    read(line).unwrap_or_else(|exit| panic!("{line}: {exit:?}"))
}

/// The first line of a usage error.
fn usage(result: Result<Plan, Exit>) -> String {
    match result {
        Err(Exit::Usage(why)) => {
            assert!(!why.contains('\n'), "{why}");
            format!("wsmon: {why}")
        }
        other => panic!("no usage error: {other:?}"),
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let defaults = Plan {
        time: false,
        live: false,
        uris: Vec::new(),
        uris_from: "--uri",
        demo: 0,
        servers: None,
        probe: None,
        read: Vec::new(),
        server: Server::default().proxy_from_env(),
        has_requests: false,
        has_interval: false,
        no_reconnect: false,
        insecure: false,
        format: "simple",
        template: None,
        every: None,
        average: false,
        only: None,
        thresholds: Thresholds::default(),
        check: false,
        color: When::Auto,
        glyphs: Glyphs::Auto,
        save_data: None,
        save_format: "jsonl",
        flush_every: None,
        rotate_size: Some(10 << 20),
        rotate_keep: 5,
        fsync: false,
        textfile: None,
        listen: None,
        on_alert: None,
        implies_up: false,
        queue: 1 << 20,
        when_full: WhenFull::Drop,
        duration: None,
        count: None,
        require: Some(1),
        stats: false,
        stats_every: None,
        log_level: LevelFilter::Info,
        log_json: false,
        log_file: None,
    };
    assert_eq!(good(""), defaults);
}

/// Changes the settings of the servers.
fn set(plan: &mut Plan, change: impl FnOnce(Server) -> Server) {
    plan.server = change(std::mem::take(&mut plan.server));
}

/// An option, a value that is not its default, and the change that it makes to the plan.
type Case = (&'static str, &'static str, fn(&mut Plan));

const CASES: &[Case] = &[
    ("--uri", "a=ws://h/", |plan| plan.uris = vec!["a=ws://h/".to_owned()]),
    ("--dialect", "generic", |plan| set(plan, |server| server.dialect(wsmon::Dialect::Generic))),
    ("--header", "A:b", |plan| set(plan, |server| server.header("A:b").unwrap())),
    ("--ca-file", "c", |plan| set(plan, |server| server.ca_file("c"))),
    ("--tls-name", "n", |plan| set(plan, |server| server.tls_name("n"))),
    ("--insecure", "", |plan| {
        plan.insecure = true;
        set(plan, |server| server.insecure(true));
    }),
    ("--proxy", "http://p/", |plan| set(plan, |server| server.proxy("http://p/").unwrap())),
    ("--max-redirects", "0", |plan| set(plan, |server| server.max_redirects(0))),
    ("--subprotocol", "a,b", |plan| set(plan, |server| server.subprotocols(["a", "b"]).unwrap())),
    ("--ipv4", "", |plan| set(plan, |server| server.family(Family::V4))),
    ("--ipv6", "", |plan| set(plan, |server| server.family(Family::V6))),
    ("--token-file", "t", |plan| set(plan, |server| server.token_file("t"))),
    ("--subscribe", "a,b", |plan| set(plan, |server| server.subscribe(["a", "b"]))),
    ("--process", "a", |plan| set(plan, |server| server.processes(["a"]))),
    ("--interval", "2", |plan| {
        plan.has_interval = true;
        set(plan, |server| server.interval(Some(secs(2))));
    }),
    ("--request", "get={\"a\":1}", |plan| {
        plan.has_requests = true;
        set(plan, |server| server.request("get", Some("{\"a\":1}")).unwrap());
    }),
    ("--request-every", "1m", |plan| set(plan, |server| server.request_every(Some(secs(60))))),
    ("--request-timeout", "3", |plan| set(plan, |server| server.request_timeout(secs(3)))),
    ("--send", "x", |plan| set(plan, |server| server.send("x"))),
    ("--heartbeat-reply", "y", |plan| set(plan, |server| server.heartbeat_reply(Some("y".into())))),
    ("--no-reconnect", "", |plan| {
        plan.no_reconnect = true;
        set(plan, |server| server.max_reconnects(Some(0)));
    }),
    ("--reconnect-interval", "2.5", |plan| set(plan, |server| server.reconnect_interval(Duration::from_millis(2500)))),
    ("--reconnect-cap", "5m", |plan| set(plan, |server| server.reconnect_cap(secs(300)))),
    ("--max-reconnects", "0", |plan| {
        plan.no_reconnect = true;
        set(plan, |server| server.max_reconnects(Some(0)));
    }),
    ("--connect-timeout", "3", |plan| set(plan, |server| server.connect_timeout(secs(3)))),
    ("--ping-interval", "0", |plan| set(plan, |server| server.ping_interval(None))),
    ("--ping-timeout", "500ms", |plan| set(plan, |server| server.ping_timeout(Duration::from_millis(500)))),
    ("--stale-after", "2m", |plan| set(plan, |server| server.stale_after(Stale::After(secs(120))))),
    ("--lossy-utf8", "", |plan| set(plan, |server| server.lossy_utf8(true))),
    ("--no-compression", "", |plan| set(plan, |server| server.compression(false))),
    ("--max-message", "64K", |plan| set(plan, |server| server.max_message(65_536))),
    ("--format", "jsonl", |plan| plan.format = "jsonl"),
    ("--template", "{cpu}", |plan| plan.template = wsmon::Template::parse("{cpu}").ok()),
    ("--every", "10", |plan| plan.every = Some(secs(10))),
    ("--only", "sample,logs", |plan| plan.only = Filter::read("sample,logs").ok()),
    ("--warning", "cpu=80", |plan| plan.thresholds.add_warnings("cpu=80").unwrap()),
    ("--critical", "90/5m", |plan| plan.thresholds.add_criticals("90/5m").unwrap()),
    ("--check", "", |plan| {
        (plan.check, plan.count, plan.duration, plan.log_level) = (true, Some(1), Some(secs(10)), LevelFilter::Off);
        set(plan, |server| server.max_reconnects(Some(0)));
    }),
    ("--textfile", "x.prom", |plan| plan.textfile = Some("x.prom".into())),
    ("--listen", "9109", |plan| plan.listen = Some(([127, 0, 0, 1], 9109).into())),
    ("--on-alert", "true", |plan| {
        (plan.on_alert, plan.implies_up) = (Some("true".to_owned()), true);
        plan.thresholds.add_criticals("up=1:/2m").unwrap();
    }),
    ("--color", "always", |plan| plan.color = When::Always),
    ("--no-color", "", |plan| plan.color = When::Never),
    ("--time", "", |plan| plan.time = true),
    ("--live", "", |plan| plan.live = true),
    ("--ascii", "", |plan| plan.glyphs = Glyphs::Ascii),
    ("--unicode", "", |plan| plan.glyphs = Glyphs::Unicode),
    ("--save-data", "x.log", |plan| plan.save_data = Some("x.log".into())),
    ("--save-format", "csv", |plan| plan.save_format = "csv"),
    ("--flush-every", "10m", |plan| plan.flush_every = Some(secs(600))),
    ("--rotate-size", "0", |plan| plan.rotate_size = None),
    ("--rotate-keep", "0", |plan| plan.rotate_keep = 0),
    ("--fsync", "", |plan| plan.fsync = true),
    ("--queue", "2M", |plan| plan.queue = 2 << 20),
    ("--when-full", "wait", |plan| plan.when_full = WhenFull::Wait),
    ("--history", "", |plan| set(plan, |server| server.history(1000))),
    ("--duration", "60", |plan| plan.duration = Some(secs(60))),
    ("--count", "3", |plan| plan.count = Some(3)),
    ("--require", "all", |plan| plan.require = None),
    ("--stats", "", |plan| plan.stats = true),
    ("--stats-every", "30", |plan| plan.stats_every = Some(secs(30))),
    ("--log-format", "json", |plan| plan.log_json = true),
    ("--verbose", "", |plan| {
        plan.log_level = LevelFilter::Debug;
        set(plan, |server| server.verbose(true));
    }),
    ("--quiet", "", |plan| plan.log_level = LevelFilter::Warn),
    ("--log-level", "ERROR", |plan| plan.log_level = LevelFilter::Error),
    ("--log-file", "c.log", |plan| plan.log_file = Some("c.log".into())),
    ("--probe", "h", |plan| {
        (plan.probe, plan.uris_from) = (Some("h".to_owned()), "--probe");
        plan.uris = places::uris("h");
    }),
    ("--read", "f", |plan| plan.read = vec!["f".to_owned()]),
    ("--servers", "f", |plan| (plan.servers, plan.uris) = (Some("f".into()), vec![])),
    ("--demo", "", |plan| (plan.demo, plan.uris, plan.uris_from) = (1, vec![], "--demo")),
];

#[test]
fn every_option_changes_its_part_of_the_plan_in_every_spelling() {
    let mut untested: Vec<_> = OPTIONS.iter().map(|row| row.long).collect();
    // They need --every.
    assert!(good("--every 1m --average").average && !good("--every 1m").average);
    // These two go together.
    assert_eq!(
        usage(read("--cert c")),
        "wsmon: --cert and --key are given together: the certificate, and its private key"
    );
    assert_eq!(good("--cert c --key k").server, Server::default().proxy_from_env().certificate("c", "k"));
    untested.retain(|long| !["--average", "--cert", "--key", "--help", "--version"].contains(long));
    for (long, value, change) in CASES {
        let row = OPTIONS.iter().find(|row| row.long == *long).expect(long);
        let mut expected = good("");
        change(&mut expected);
        assert_ne!(expected, good(""), "{long}");
        for line in spellings(row, value) {
            assert_eq!(good(&line), expected, "{line}");
        }
        untested.retain(|other| other != long);
    }
    assert!(untested.is_empty(), "{untested:?}");
}

/// Such as `5` in "(default 5)" and `simple` in "(default $MONITORING_FORMAT, else simple)".
#[test]
fn a_default_that_the_help_names_changes_nothing() {
    let mut tried = 0;
    for row in OPTIONS.iter().filter(|row| row.value.is_some()) {
        let Some((_, default)) = row.about.split_once("(default ") else { continue };
        let default = if default.starts_with('$') {
            default.split_once(", else ").map(|(_, value)| value)
        } else {
            Some(default)
        };
        let Some(value) = default.and_then(|text| text.split([')', ',', ';', ' ']).next()) else { continue };
        let value = value.trim_end_matches(':');
        let mut plan = good(&format!("{} {value}", row.long));
        // It is this address that is watched, but it was named.
        if row.long == "--uri" {
            assert_eq!(plan.uris, ["ws://localhost:8765"]);
            plan.uris.clear();
        }
        assert_eq!(plan, good(""), "{} {value}", row.long);
        tried += 1;
    }
    assert!(tried >= 20, "only {tried}");
}

fn spellings(row: &OptionRow, value: &str) -> Vec<String> {
    let long = row.long;
    let mut lines = vec![format!("{long} {value}")];
    if row.value.is_some() {
        lines.push(format!("{long}={value}"));
    }
    for short in row.shorts {
        lines.extend([format!("-{short} {value}"), format!("-{short}{value}")]);
    }
    lines
}

#[test]
fn a_file_of_servers_takes_the_place_of_the_default_and_no_common_credential() {
    let env = [("MONITORING_WEBSOCKET_URI", "x")];
    assert_eq!(read_with(&env, "--servers f"), read("--servers f"));
    assert_eq!(good("--servers f --require 9").require, Some(9));
    for (line, why) in [
        ("--demo", "--demo watches servers of its own: leave out the others"),
        ("--probe h", "--probe looks for servers on one host: leave out the others"),
        (
            "--token-file t",
            "--token-file would be sent to all of the servers: in the file of --servers, each has its own",
        ),
    ] {
        assert_eq!(usage(read(&format!("--servers f {line}"))), format!("wsmon: {why}"));
    }
    let token = usage(read_with(&[("MONITORING_TOKEN", "t")], "--servers f"));
    assert!(token.starts_with("wsmon: $MONITORING_TOKEN would be sent to all"), "{token}");
    assert_eq!(usage(read("--servers=")), "wsmon: --servers '': no file is named");
}

#[test]
fn servers_stand_in_the_order_given() {
    for line in ["-u b=h:1 --uri=@list -u a", "b=h:1 -s @list a", "b=h:1 -u @list -- a"] {
        assert_eq!(good(line).uris, ["b=h:1", "@list", "a"], "{line}");
    }
}

#[test]
fn the_demo_takes_no_uri_and_ignores_the_variable() {
    let why = usage(read("--demo ws://h"));
    assert_eq!(why, "wsmon: --demo watches servers of its own: leave out the others");
    let plan = read_with(&[("MONITORING_WEBSOCKET_URI", "ws://h")], "--demo").unwrap();
    assert!(plan.uris.is_empty() && plan.demo == 1);
    assert_eq!(read("--demo=fleet").unwrap().demo, 5);
    for text in ["fleets", "5", "Fleet"] {
        let why = usage(read(&format!("--demo={text}")));
        assert_eq!(why, format!("wsmon: --demo '{text}': --demo or --demo=fleet"));
    }
}

#[test]
fn a_command_for_alerts_implies_a_rule_on_up_where_none_is_given() {
    let rules = |line: &str| {
        let plan = good(&format!("--on-alert x {line}"));
        let texts: Vec<_> = plan.thresholds.list().iter().flat_map(|row| row.rules().map(Rule::text)).collect();
        (texts.join(" "), plan.implies_up)
    };
    for (line, expected, implied) in [
        ("", "up=1:/2m", true),
        ("-w cpu=80 -c 95,age=60", "cpu=80 cpu=95 memory=95 disk=95 gpu=95 age=60 up=1:/2m", true),
        ("-w up=1:", "up=1:", false),
        ("-c cpu=80,up.sum=2:", "cpu=80 up.sum=2:", false),
    ] {
        assert_eq!(rules(line), (expected.to_owned(), implied), "{line}");
    }
    assert!(good("-w cpu=80").thresholds.list().len() == 1);
}

#[test]
fn a_probe_takes_a_host_alone_and_no_credential_goes_with_it() {
    assert_eq!(good("--probe ::1").uris, good("--probe [::1]").uris);
    let plan = read_with(&[("MONITORING_TOKEN", "t"), ("MONITORING_WEBSOCKET_URI", "a")], "--probe h").unwrap();
    assert_eq!(plan.server, Server::default().proxy_from_env());
    let expected = ["ws://h:8765/", "ws://h:8060/ws", "ws://h:8000/ws", "ws://h:9615/ws"];
    assert_eq!(plan.uris, expected);
    for bad in ["", "h:1", "ws://h", "h/p", "h?q", "a@h", "a=h", "h#f"] {
        let why = usage(read(&format!("--probe={bad}")));
        assert!(why.ends_with("name a host alone, without scheme, port and path"), "{why}");
    }
    for option in [
        "--check",
        "-d 1",
        "-n 1",
        "-f json",
        "--only alert",
        "-s",
        "--save-data x",
        "--textfile x.prom",
        "--listen 1",
        "--on-alert x",
    ] {
        let why = usage(read(&format!("--probe h {option}")));
        assert!(why.contains("--probe exclude each other"), "{why}");
    }
    for line in ["--probe h a", "--probe h --demo", "a --probe h"] {
        assert!(usage(read(line)).contains("leave out the others"), "{line}");
    }
    for line in ["--probe h --token-file t", "--probe h -H A:b", "--probe h --send @f"] {
        assert!(usage(read(line)).contains("would be sent to all"), "{line}");
    }
}

#[test]
fn a_credential_is_refused_with_several_servers() {
    let env = [("MONITORING_TOKEN", "t")];
    for (result, option) in [
        (read("-u a -u b --token-file t"), "--token-file"),
        (read("-u a -u b --header A:b"), "--header"),
        (read("-u a -u b --cert c --key k"), "--cert"),
        (read("-u a -u b --proxy http://u:p@h/"), "the user information of --proxy"),
        (read_with(&env, "-u a -u b"), "$MONITORING_TOKEN"),
    ] {
        let why = format!("wsmon: {option} would be sent to all of the servers: watch one server at a time with it");
        assert_eq!(usage(result), why);
    }
    assert_eq!(read_with(&env, "-u a").unwrap().server, Server::default().proxy_from_env().token("t"));
    assert_eq!(read_with(&env, "--token-file f").unwrap().server, Server::default().proxy_from_env().token_file("f"));
}

#[test]
fn an_error_does_not_quote_a_value_that_may_hold_a_secret() {
    for (line, expected) in [
        ("-H hunter2", "--header: a header is NAME: VALUE, and the colon is missing"),
        ("--header hunter2=1:2", "--header: \"hunter2=1\" is not a header name"),
        ("--proxy ftp://u:hunter2@h", ""),
        ("--request a=hunter2", "--request a: the body must be JSON"),
    ] {
        let why = usage(read(line));
        assert!(expected.contains("hunter2") || !why.contains("hunter2"), "{line}");
        assert!(why.starts_with(&format!("wsmon: {expected}")), "{why}");
    }
}

#[test]
fn help_and_version_are_answers_and_no_errors() {
    let version = concat!("wsmon ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(read("-sV"), Err(Exit::Asked(version.to_owned())));
    let Err(Exit::Asked(help)) = read("--help") else { panic!("no help") };
    assert!(help.starts_with("Usage: wsmon [OPTIONS] [URI ...]\n"), "{help}");
}

#[test]
fn control_characters_of_a_command_line_stay_off_the_terminal() {
    let words = ["--format", "\u{1b}[31m\n\u{202e}"].map(OsString::from);
    let why = usage(plan(&mut words.into_iter(), &|_| None).map(|plan| *plan));
    assert!(why.contains(r"'\x1b[31m\n\u{202e}'"), "{why}");
}

#[test]
fn verbose_counts_unless_quiet_comes_later() {
    for (line, level) in [
        ("-v", LevelFilter::Debug),
        ("-vv", LevelFilter::Trace),
        ("-v -s --verbose", LevelFilter::Trace),
        ("-vvvv", LevelFilter::Trace),
        ("-vv -q", LevelFilter::Warn),
        ("-vv -q -v", LevelFilter::Debug),
        ("-vv --log-level info", LevelFilter::Info),
    ] {
        assert_eq!(good(line).log_level, level, "{line}");
    }
    assert_eq!(good(&"-v ".repeat(1000)).log_level, LevelFilter::Trace);
}

use super::*;
use crate::cli::args::OPTIONS;
use std::ffi::OsString;

/// The plan of these options, beside `--servers`.
fn plan(options: &str) -> Plan {
    let words = ["--servers", "servers"].into_iter().chain(options.split_whitespace());
    match crate::cli::plan::plan(&mut words.map(OsString::from), &|_| None) {
        Ok(plan) => *plan,
        Err(exit) => panic!("{options}: {exit:?}"),
    }
}

fn read_with(options: &str, text: impl AsRef<[u8]>) -> Result<Vec<ServerLine>, String> {
    read("servers", text.as_ref(), &plan(options), &|label| label == "taken", &mut |_| None)
}

fn lines(text: impl AsRef<[u8]>) -> Vec<ServerLine> {
    read_with("", text).unwrap()
}

fn why(text: impl AsRef<[u8]>) -> String {
    read_with("", text).map(|lines| lines.len()).unwrap_err()
}

#[test]
fn the_example_of_the_manual_is_understood() {
    let text = "# place                      options\n\
        web=10.0.0.2                 -w cpu=80 -c cpu=95/5m\n\
        db=10.0.0.3:9000             --dialect pmdaemon --process postgres -c failed=0\n\
        \n\
        vpn=wss://mon.example.com/ws --token-file /etc/wsmon/vpn.token   # comment\n\
        neuro=10.0.0.7 --dialect neurograph --subscribe metrics,logs --header 'X-Team: a b'\n\
        @/run/secrets/sysmedic.uri\n";
    let text = if wsmon::internal::tls::AVAILABLE { text.to_owned() } else { text.replace("wss:", "ws:") };
    let lines = lines(text);
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    let labels: Vec<_> = lines.iter().map(|line| line.label.as_deref()).collect();
    assert_eq!(numbers, [2, 3, 5, 6, 7]);
    assert_eq!(labels, [Some("web"), Some("db"), Some("vpn"), Some("neuro"), None]);
    let db = Server::default()
        .proxy_from_env()
        .dialect(wsmon::Dialect::Pmdaemon)
        .processes(["postgres"])
        .place("db=10.0.0.3:9000")
        .unwrap();
    assert_eq!(lines[1].server, Some(db));
    let mut rules = Thresholds::default();
    rules.add_warnings("cpu=80").unwrap();
    rules.add_criticals("cpu=95/5m").unwrap();
    assert_eq!(lines[0].thresholds, rules);
    assert!(lines[3].holds_secret && !lines[2].holds_secret);
}

#[test]
fn a_line_begins_with_the_settings_of_the_command_line() {
    let lines = read_with("--ping-interval 7 --dialect pmdaemon --max-message 1M", "a --dialect generic\nb").unwrap();
    let common = plan("--ping-interval 7 --max-message 1M").server;
    assert_eq!(lines[0].server, common.clone().dialect(wsmon::Dialect::Generic).place("a").ok());
    assert_eq!(lines[1].server, common.dialect(wsmon::Dialect::Pmdaemon).place("b").ok());
}

#[test]
fn every_option_is_one_of_a_server_or_named_in_the_error() {
    for row in OPTIONS.iter().filter(|row| row.long != "--uri") {
        let value = row.value.map_or("", |_| " 1");
        let result = read_with("", format!("h {}{value}", row.long)).map(|_| ());
        let refusal = format!("servers:1: {} is for all servers: it belongs on the command line", row.long);
        assert_eq!(result == Err(refusal), !row.per_server, "{} {result:?}", row.long);
    }
    // Needed by a connection, and not the same for all servers.
    for long in ["--dialect", "--token-file", "--header", "--cert", "--insecure", "--warning", "--send", "--ipv6"] {
        assert!(OPTIONS.iter().any(|row| row.long == long && row.per_server), "{long}");
    }
}

#[test]
fn a_mistake_is_told_with_its_line_in_the_words_of_the_option() {
    let dialect =
        "--dialect 'nonsense': choose from auto, monitoring, sysmedic, fastpluggy, pmdaemon, neurograph, generic";
    for (text, expected) in [
        ("a\n\nb --dialect nonsense".to_owned(), format!("servers:3: {dialect}")),
        ("a --every 5".to_owned(), "servers:1: --every is for all servers: it belongs on the command line".to_owned()),
        ("a --help".to_owned(), "servers:1: --help is for all servers: it belongs on the command line".to_owned()),
        ("a --header 'X: y".to_owned(), "servers:1: a quote is not closed".to_owned()),
        ("a=h\na=i".to_owned(), "servers:2: two servers are called a: labels must differ".to_owned()),
        ("taken=h".to_owned(), "servers:1: two servers are called taken: labels must differ".to_owned()),
        (String::new(), "servers: no server is named".to_owned()),
        ("# a\r\n \r\n\u{feff}".to_owned().replace('\u{feff}', ""), "servers: no server is named".to_owned()),
        (
            "a\n--insecure".to_owned(),
            "servers:2: no server is named: a line begins with one, as after --uri".to_owned(),
        ),
        (
            "a --header X: y".to_owned(),
            "servers:1: one line names one server: a value with blanks needs quotes around it".to_owned(),
        ),
        ("a --dialct x".to_owned(), "servers:1: unknown option --dialct, did you mean --dialect?".to_owned()),
        ("a --proxy".to_owned(), "servers:1: --proxy needs a value: --proxy URL".to_owned()),
        ("a\nb\0".to_owned(), "servers:2: the control character U+0000 stands in it".to_owned()),
        ("a -w cpu=x".to_owned(), "servers:1: --warning 'cpu=x': 'x' is not a number such as 80 or 7.5".to_owned()),
        (
            "a -c cpu.mean=5".to_owned(),
            "servers:1: cpu.mean is over all servers: it belongs on the command line".to_owned(),
        ),
        ("a\nws://h:0".to_owned(), why("\nws://h:0")),
        (format!("a\n{}", "x".repeat(MAX_LINE + 1)), format!("servers:2: the line is longer than {MAX_LINE} bytes")),
    ] {
        assert_eq!(why(&text), expected, "{}", text.get(..60).unwrap_or(&text));
    }
    assert!(why("\nws://h:0").starts_with("servers:2: invalid URI ws://h:0: "), "{}", why("\nws://h:0"));
    assert_eq!(why(b"a\nb\xff\n"), "servers:2: it is not UTF-8");
    assert!(why("a --cert f").starts_with("servers:1: --cert and --key are given together"));
    let secret = why("web=ws://user:secret@h:0 --header 'A: secret'");
    assert!(!secret.contains("secret"), "{secret}");
}

#[test]
fn byte_order_mark_and_line_ends_of_windows_do_not_matter() {
    let unix = lines("a=h -w cpu=5\nb\n");
    assert_eq!(lines("\u{feff}a=h -w cpu=5\r\nb\r\n"), unix);
    assert_eq!(lines("a=h -w cpu=5\nb"), unix);
}

#[test]
fn lines_that_mean_the_same_are_equal_and_rules_stand_apart() {
    let line = |text: &str| lines(text).remove(0);
    let plain = line("web=h --dialect pmdaemon --header 'A: b' --insecure -w cpu=80");
    for text in [
        "  web=h -k --header='A: b'  --dialect=pmdaemon --warning cpu=80 # a comment",
        "--dialect generic --dialect pmdaemon -H \"A: b\" -w cpu=80 --insecure -u web=h",
    ] {
        assert_eq!(line(text), plain, "{text}");
    }
    let other = line("web=h --dialect pmdaemon --header 'A: b' --insecure -c cpu=80");
    assert!(other.connection == plain.connection && other.rules != plain.rules);
    for text in ["web=h2 --dialect pmdaemon", "web=h", "db=h --dialect pmdaemon --header 'A: b' -k"] {
        assert_ne!(line(text).connection, plain.connection, "{text}");
    }
}

#[test]
fn a_check_pings_where_a_line_asks_for_it_and_has_no_holds() {
    let lines = read_with("--check", "a -w ping=0.1\nb").unwrap();
    let often = plan("--check -w ping=0.1").server;
    assert_eq!(lines[0].server, often.place("a").ok());
    assert_eq!(lines[1].server, plan("--check").server.place("b").ok());
    let why = read_with("--check", "a -w cpu=80/5m").unwrap_err();
    assert_eq!(why, "servers:1: --warning 'cpu=80/5m': with --check nothing lasts, leave out '/5m'");
}

#[test]
fn the_settings_of_a_connection_that_is_known_are_checked_and_not_kept() {
    let known = lines("a=h -k").remove(0).connection;
    let read = |text: &str| {
        super::read("f", text.as_bytes(), &plan(""), &|_| false, &mut |connection| (connection == known).then_some(7))
    };
    let lines = read("b=h\n--insecure a=h -w cpu=5").unwrap();
    assert_eq!((lines[0].known, lines[1].known), (None, Some(7)));
    assert!(lines[0].server.is_some() && lines[1].server.is_none() && lines[1].label.as_deref() == Some("a"));
    assert_eq!(read("a=h -k\na=i").unwrap_err(), "f:2: two servers are called a: labels must differ");
}

#[test]
fn ten_thousand_servers_are_accepted_and_one_more_is_not() {
    let text = |count: usize| (0..count).map(|n| format!("s{n}=10.0.0.1\n")).collect::<String>();
    assert_eq!(lines(text(MAX_SERVERS)).len(), MAX_SERVERS);
    assert_eq!(why(text(MAX_SERVERS + 1)), "servers:10001: more than 10000 servers");
}

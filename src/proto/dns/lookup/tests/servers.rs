//! Servers that fail, lie or truncate, and the search list.

use super::*;

fn ask_v4(servers: Vec<DnsServer>) -> Vec<String> {
    LookupSim::with("h.example", Family::V4, "", servers).run()
}

#[test]
fn the_next_server_is_asked_at_once_when_one_fails_or_refuses() {
    for code in [1, 2, 4, 5, 9] {
        let transcript = ask_v4(vec![responding(code), honest(5)]);
        let all = ["0 10.0.0.1 A h.example", "1 10.0.0.2 A h.example", "6 found 192.0.2.1:9"];
        assert_eq!(transcript, all, "{code}");
    }
}

#[test]
fn when_every_server_fails_each_error_is_listed() {
    let transcript = ask_v4(vec![responding(2), silent(), responding(5)]);
    let why = "10.0.0.1: server failure; 10.0.0.2: no answer; 10.0.0.3: refused to answer";
    assert_eq!(transcript.last().unwrap(), &format!("10004 failed: resolve h.example: {why}"));
}

#[test]
fn a_server_that_cannot_be_reached_is_skipped_at_once() {
    let mut sim = LookupSim::with("h.example", Family::V4, "", vec![silent(), honest(5)]);
    let (id, now) = (sim.open_tries[0], sim.instant());
    sim.lookup.failed(id, "connection refused", now, &mut || 1);
    sim.lookup.failed(id, "connection refused", now, &mut || 1);
    sim.run_actions();
    assert_eq!(sim.run(), ["0 10.0.0.1 A h.example", "0 10.0.0.2 A h.example", "5 found 192.0.2.1:9"]);
}

#[test]
fn a_missing_configuration_is_named_when_the_local_server_fails() {
    let conf = Conf::parse("", PORT, &|_| None);
    let query = HostQuery { host: "h.example", port: 9, family: Family::V4, within: Duration::from_secs(10) };
    let now = Instant::now();
    let mut lookup = Lookup::begin(query, &conf, now, &mut || 1);
    let mut last = None;
    while let Some(next) = lookup.next_action() {
        if let LookupAction::Send(query) = &next {
            lookup.failed(query.id, "connection refused", now, &mut || 1);
        }
        last = Some(next);
    }
    let why = "resolve h.example: 127.0.0.1: connection refused (/etc/resolv.conf names no server)";
    assert_eq!(last, Some(LookupAction::Fail(why.into())));
}

#[test]
fn no_name_no_address_and_no_server_have_different_errors() {
    let failed = |servers| LookupSim::new("h.example", servers).run().pop().unwrap();
    assert_eq!(failed(vec![responding(3), silent()]), "1 failed: resolve h.example: no such name, says 10.0.0.1");
    assert_eq!(failed(vec![responding(0)]), "1 failed: resolve h.example: the name has no address, says 10.0.0.1");
    assert_eq!(failed(vec![silent()]), "10000 failed: resolve h.example: no answer from 10.0.0.1");
    // RFC 4074 section 4.2: for one record type the name does not exist, for the other it does.
    let odd = answering(1, |query, _, record_type| {
        Reply::to(&query.message).code(if record_type == RecordType::A { 0 } else { 3 })
    });
    assert_eq!(failed(vec![odd]), "1 failed: resolve h.example: the name has no address, says 10.0.0.1");
    let transcript = LookupSim::with("h.example", Family::V6, "", vec![responding(0)]).run();
    assert_eq!(transcript[1], "1 failed: resolve h.example: the name has no IPv6 address, says 10.0.0.1");
}

/// Answers one record type with this response code after a delay in ms, and ignores the other.
fn ignoring(ignored: RecordType, after: u64, code: u8) -> DnsServer {
    let mut answers = answering(after, move |query, _, _| Reply::to(&query.message).code(code));
    Box::new(move |query| answers(query).filter(|_| question_of(&query.message).1 != ignored))
}

#[test]
fn that_there_is_no_such_name_is_about_both_record_types() {
    let search = "search example.net lan";
    for ignored in [RecordType::A, RecordType::Aaaa] {
        let mut unknown = ignoring(ignored, 5, 3);
        let mut known = honest(5);
        let server: DnsServer = Box::new(move |query| match question_of(&query.message).0.as_str() {
            "h.lan" => known(query),
            _ => unknown(query),
        });
        let transcript = LookupSim::with("h", Family::Both, search, vec![server]).run();
        assert_eq!(transcript[2..4], ["505 10.0.0.1 Aaaa h.lan", "505 10.0.0.1 A h.lan"], "{ignored:?}");
        assert_eq!(transcript.len(), 6, "{transcript:?}");
        // The other server is not asked either: it would say the same.
        let servers = vec![ignoring(ignored, 5, 3), silent()];
        let transcript = LookupSim::new("h.example", servers).run();
        assert_eq!(transcript[2..], ["505 failed: resolve h.example: no such name, says 10.0.0.1"], "{ignored:?}");
    }
}

#[test]
fn a_server_that_denies_the_name_for_one_record_type_may_still_answer_for_the_other() {
    let mut honest = honest(400);
    let mut denies = responding(3);
    let odd: DnsServer = Box::new(move |query| match question_of(&query.message).1 {
        RecordType::A => honest(query),
        RecordType::Aaaa => denies(query),
    });
    let transcript = LookupSim::new("h.example", vec![odd]).run();
    assert_eq!(transcript[2..], ["400 found 192.0.2.1:9"]);
}

#[test]
fn a_name_without_addresses_of_one_family_is_asked_for_the_other_by_quick_tries() {
    let transcript = LookupSim::new("h.example", vec![ignoring(RecordType::Aaaa, 5, 0), silent()]).run();
    let all = [
        "505 10.0.0.2 Aaaa h.example",
        "1005 10.0.0.1 Aaaa h.example",
        "1505 10.0.0.2 Aaaa h.example",
        "2005 failed: resolve h.example: the name has no IPv4 address, says 10.0.0.1",
    ];
    assert_eq!(transcript[2..], all);
    let transcript = LookupSim::new("h.example", vec![ignoring(RecordType::A, 5, 0)]).run();
    let why = "1005 failed: resolve h.example: the name has no IPv6 address, says 10.0.0.1";
    assert_eq!(transcript.last().unwrap(), why);
    // A lost datagram costs half a second.
    let (mut honest, mut lost) = (honest(5), 0);
    let lossy: DnsServer = Box::new(move |query| {
        if question_of(&query.message).1 == RecordType::A {
            return Some((5, Reply::to(&query.message).bytes()));
        }
        lost += 1;
        honest(query).filter(|_| lost > 1)
    });
    let transcript = LookupSim::new("h.example", vec![lossy]).run();
    assert_eq!(transcript[2..], ["505 10.0.0.1 Aaaa h.example", "510 found [2001:db8::1]:9"]);
}

#[test]
fn the_search_goes_on_where_one_record_type_was_answered() {
    for code in [0, 3] {
        let mut odd = ignoring(RecordType::Aaaa, 5, code);
        let mut known = honest(5);
        let server: DnsServer = Box::new(move |query| match question_of(&query.message).0.as_str() {
            "h.lan" => known(query),
            _ => odd(query),
        });
        let transcript = LookupSim::within(10, "h", Family::Both, "search example.net lan", vec![server]).run();
        assert!(transcript.last().unwrap().ends_with(" found 192.0.2.1:9"), "{transcript:?}");
    }
}

#[test]
fn no_answer_is_said_only_where_no_question_about_the_name_was_answered() {
    for code in [0, 2, 3, 5] {
        for ignored in [RecordType::A, RecordType::Aaaa] {
            let transcript = LookupSim::new("h.example", vec![ignoring(ignored, 5, code)]).run();
            let last = transcript.last().unwrap();
            assert!(!last.contains("no answer"), "{last}");
        }
    }
}

#[test]
fn names_for_mdns_are_asked_for_and_explained() {
    let transcript = LookupSim::with("printer.local", Family::V4, "", vec![responding(3)]).run();
    let why = "no such name, says 10.0.0.1; names in .local are for mDNS, which is not asked: write the address";
    assert_eq!(transcript[1], format!("1 failed: resolve printer.local: {why}"));
}

#[test]
fn forged_replies_are_ignored_until_the_genuine_one_comes() {
    let mut sim = LookupSim::with("h.example", Family::V4, "", vec![honest(20)]);
    let (at, id, server, genuine) = sim.in_flight.pop().unwrap();
    let question = genuine[..27].to_vec();
    let other = message::encode_query(7, "evil.example", RecordType::A).unwrap();
    let forged = |reply: Reply| reply.a("", "6.6.6.6").bytes();
    for (from, bytes) in [
        (address(1), forged(Reply::to(&question))),
        (SocketAddr::new(server.ip(), 5353), forged(Reply::to(&question))),
        (server, forged(Reply::to(&other))),
        (server, forged(Reply::to(&other).with_id_of(&question))),
        (server, vec![0xff; 500]),
        (server, Vec::new()),
    ] {
        sim.in_flight.push((at - 10, id, from, bytes));
    }
    sim.in_flight.push((at, id, server, genuine));
    assert_eq!(sim.run(), ["0 10.0.0.1 A h.example", "20 found 192.0.2.1:9"]);
}

#[test]
fn every_try_has_an_id_of_its_own() {
    let (sender, ids) = std::sync::mpsc::channel();
    let silent = || -> DnsServer {
        let sender = sender.clone();
        Box::new(move |query| {
            sender.send((query.message[..2].to_vec(), query.id.0)).unwrap();
            None
        })
    };
    LookupSim::new("h.example", vec![silent(), silent()]).run();
    let (mut ids, mut tries): (Vec<_>, Vec<_>) = ids.try_iter().unzip();
    assert_eq!(ids.len(), 8);
    ids.sort();
    ids.dedup();
    tries.sort();
    tries.dedup();
    assert_eq!((ids.len(), tries.len()), (8, 8));
}

#[test]
fn a_truncated_reply_is_repeated_over_tcp() {
    let long = answering(5, |query, _, _| match query.transport {
        DnsTransport::Udp => Reply::to(&query.message).a("", "6.6.6.6").truncated(),
        DnsTransport::Tcp => Reply::to(&query.message).a("", "192.0.2.1").a("", "192.0.2.2"),
    });
    let transcript = ask_v4(vec![long, silent()]);
    let all = ["0 10.0.0.1 A h.example", "5 10.0.0.1 A h.example over TCP", "10 found 192.0.2.1:9 192.0.2.2:9"];
    assert_eq!(transcript, all);
}

#[test]
fn a_server_that_truncates_over_tcp_or_is_silent_there_is_skipped() {
    let always = answering(5, |query, _, _| Reply::to(&query.message).truncated());
    let transcript = ask_v4(vec![always, honest(5)]);
    assert_eq!(transcript[2..], ["10 10.0.0.2 A h.example", "15 found 192.0.2.1:9"]);
    let no_tcp: DnsServer = Box::new(|query| {
        (query.transport == DnsTransport::Udp).then(|| (5, Reply::to(&query.message).truncated().bytes()))
    });
    let transcript = ask_v4(vec![no_tcp, honest(5)]);
    assert_eq!(transcript[2..], ["5005 10.0.0.2 A h.example", "5010 found 192.0.2.1:9"]);
}

#[test]
fn a_short_name_is_looked_for_in_the_search_list() {
    let find = |host| LookupSim::with(host, Family::V4, "search example.net lan", vec![honest(5)]).run();
    assert_eq!(find("h"), ["0 10.0.0.1 A h.example.net", "5 10.0.0.1 A h.lan", "10 found 192.0.2.1:9"]);
    let why = "no such name, says 10.0.0.1 (asked for x.example.net, x.lan, x)";
    assert_eq!(find("x")[3], format!("15 failed: resolve x: {why}"));
    assert_eq!(find("x.")[1], "5 failed: resolve x.: no such name, says 10.0.0.1");
    assert_eq!(find("h.example"), ["0 10.0.0.1 A h.example", "5 found 192.0.2.1:9"]);
}

/// Answers one name of the search list with an error.
fn fails_for_one_name() -> Vec<DnsServer> {
    let mut honest = honest(5);
    vec![Box::new(move |query| match question_of(&query.message).0.as_str() {
        "h.broken.net" => Some((1, Reply::to(&query.message).code(2).bytes())),
        _ => honest(query),
    })]
}

#[test]
fn the_search_goes_on_after_an_error_but_not_after_silence() {
    let lines = "search broken.net lan\noptions attempts:1";
    let transcript = LookupSim::with("h", Family::V4, lines, fails_for_one_name()).run();
    assert_eq!(transcript[1..], ["1 10.0.0.1 A h.lan", "6 found 192.0.2.1:9"]);
    let transcript = LookupSim::with("h", Family::V4, lines, vec![silent()]).run();
    assert_eq!(transcript[1..], ["5000 failed: resolve h: no answer from 10.0.0.1"]);
}

#[test]
fn of_the_failures_for_several_names_the_most_significant_is_reported() {
    let lines = "search broken.net\noptions attempts:1";
    let transcript = LookupSim::with("h", Family::V4, lines, fails_for_one_name()).run();
    let why = "10.0.0.1: server failure (asked for h.broken.net, h)";
    assert_eq!(transcript[2], format!("6 failed: resolve h: {why}"));
}

#[test]
fn candidates_that_are_no_names_are_not_asked_for() {
    let lines = format!("search {} lan", "x".repeat(64));
    let transcript = LookupSim::with("h", Family::V4, &lines, vec![honest(5)]).run();
    assert_eq!(transcript[0], "0 10.0.0.1 A h.lan");
}

//! Servers that fail, lie, truncate, and know other names.

use super::*;

fn ask_v4(servers: Vec<DnsServer>) -> Vec<String> {
    LookupSim::with("h.example", Family::V4, "", servers).run()
}

#[test]
fn the_next_server_is_asked_at_once_when_one_fails_or_refuses() {
    for code in [1, 2, 4, 5, 9] {
        let said = ask_v4(vec![saying(code), honest(5)]);
        let all = ["0 10.0.0.1 A h.example", "1 10.0.0.2 A h.example", "6 found 192.0.2.1:9"];
        assert_eq!(said, all, "{code}");
    }
}

#[test]
fn when_no_server_is_of_use_each_is_quoted() {
    let said = ask_v4(vec![saying(2), silent(), saying(5)]);
    let why = "10.0.0.1: server failure; 10.0.0.2: no answer; 10.0.0.3: refused to answer";
    assert_eq!(said.last().unwrap(), &format!("10004 failed: resolve h.example: {why}"));
}

#[test]
fn a_server_that_cannot_be_reached_is_passed_over_at_once() {
    let mut sim = LookupSim::with("h.example", Family::V4, "", vec![silent(), honest(5)]);
    let (id, now) = (sim.open[0], sim.instant());
    sim.lookup.failed(id, "connection refused", now, &mut || 1);
    sim.lookup.failed(id, "connection refused", now, &mut || 1);
    sim.obey();
    assert_eq!(sim.run(), ["0 10.0.0.1 A h.example", "0 10.0.0.2 A h.example", "5 found 192.0.2.1:9"]);
}

#[test]
fn the_local_server_that_nobody_configured_is_named_as_such() {
    let conf = Conf::parse("", PORT, &|_| None);
    let wish = HostQuery { host: "h.example", port: 9, family: Family::V4, within: Duration::from_secs(10) };
    let now = Instant::now();
    let mut lookup = Lookup::begin(wish, &conf, now, &mut || 1);
    let mut last = None;
    while let Some(next) = lookup.todo() {
        if let LookupAction::Send(ask) = &next {
            lookup.failed(ask.id, "connection refused", now, &mut || 1);
        }
        last = Some(next);
    }
    let why = "resolve h.example: 127.0.0.1: connection refused (/etc/resolv.conf names no server)";
    assert_eq!(last, Some(LookupAction::Fail(why.into())));
}

#[test]
fn no_name_no_address_and_no_server_are_told_apart() {
    let failed = |servers| LookupSim::new("h.example", servers).run().pop().unwrap();
    assert_eq!(failed(vec![saying(3), silent()]), "1 failed: resolve h.example: no such name, says 10.0.0.1");
    assert_eq!(failed(vec![saying(0)]), "1 failed: resolve h.example: the name has no address, says 10.0.0.1");
    assert_eq!(failed(vec![silent()]), "10000 failed: resolve h.example: no answer from 10.0.0.1");
    // RFC 4074 section 4.3: for one kind the name does not exist, for the other it does.
    let odd = answering(1, |ask, _, kind| Reply::to(&ask.message).code(if kind == RecordType::A { 0 } else { 3 }));
    assert_eq!(failed(vec![odd]), "1 failed: resolve h.example: the name has no address, says 10.0.0.1");
    let said = LookupSim::with("h.example", Family::V6, "", vec![saying(0)]).run();
    assert_eq!(said[1], "1 failed: resolve h.example: the name has no IPv6 address, says 10.0.0.1");
}

#[test]
fn names_for_mdns_are_asked_and_explained() {
    let said = LookupSim::with("printer.local", Family::V4, "", vec![saying(3)]).run();
    let why = "no such name, says 10.0.0.1; names in .local are for mDNS, which is not asked: write the address";
    assert_eq!(said[1], format!("1 failed: resolve printer.local: {why}"));
}

#[test]
fn lies_are_ignored_until_the_truth_comes() {
    let mut sim = LookupSim::with("h.example", Family::V4, "", vec![honest(20)]);
    let (at, id, server, truth) = sim.wire.pop().unwrap();
    let question = truth[..27].to_vec();
    let other = message::query(7, "evil.example", RecordType::A).unwrap();
    let lie = |reply: Reply| reply.a("", "6.6.6.6").bytes();
    for (from, bytes) in [
        (address(1), lie(Reply::to(&question))),
        (SocketAddr::new(server.ip(), 5353), lie(Reply::to(&question))),
        (server, lie(Reply::to(&other))),
        (server, lie(Reply::to(&other).with_id_of(&question))),
        (server, vec![0xff; 500]),
        (server, Vec::new()),
    ] {
        sim.wire.push((at - 10, id, from, bytes));
    }
    sim.wire.push((at, id, server, truth));
    assert_eq!(sim.run(), ["0 10.0.0.1 A h.example", "20 found 192.0.2.1:9"]);
}

#[test]
fn every_try_has_an_id_of_its_own() {
    let (sender, ids) = std::sync::mpsc::channel();
    let deaf = || -> DnsServer {
        let sender = sender.clone();
        Box::new(move |ask| {
            sender.send((ask.message[..2].to_vec(), ask.id.0)).unwrap();
            None
        })
    };
    LookupSim::new("h.example", vec![deaf(), deaf()]).run();
    let (mut ids, mut tries): (Vec<_>, Vec<_>) = ids.try_iter().unzip();
    assert_eq!(ids.len(), 8);
    ids.sort();
    ids.dedup();
    tries.sort();
    tries.dedup();
    assert_eq!((ids.len(), tries.len()), (8, 8));
}

#[test]
fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let long = answering(5, |ask, _, _| match ask.over {
        Over::Udp => Reply::to(&ask.message).a("", "6.6.6.6").truncated(),
        Over::Tcp => Reply::to(&ask.message).a("", "192.0.2.1").a("", "192.0.2.2"),
    });
    let said = ask_v4(vec![long, silent()]);
    let all = ["0 10.0.0.1 A h.example", "5 10.0.0.1 A h.example over TCP", "10 found 192.0.2.1:9 192.0.2.2:9"];
    assert_eq!(said, all);
}

#[test]
fn a_server_that_truncates_over_tcp_too_or_says_nothing_there_is_passed_over() {
    let always = answering(5, |ask, _, _| Reply::to(&ask.message).truncated());
    let said = ask_v4(vec![always, honest(5)]);
    assert_eq!(said[2..], ["10 10.0.0.2 A h.example", "15 found 192.0.2.1:9"]);
    let mute: DnsServer =
        Box::new(|ask| (ask.over == Over::Udp).then(|| (5, Reply::to(&ask.message).truncated().bytes())));
    let said = ask_v4(vec![mute, honest(5)]);
    assert_eq!(said[2..], ["5005 10.0.0.2 A h.example", "5010 found 192.0.2.1:9"]);
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

/// Fails for one name of the search list.
fn half_broken() -> Vec<DnsServer> {
    let mut honest = honest(5);
    vec![Box::new(move |ask| match asked(&ask.message).0.as_str() {
        "h.broken.net" => Some((1, Reply::to(&ask.message).code(2).bytes())),
        _ => honest(ask),
    })]
}

#[test]
fn the_search_goes_on_after_an_error_but_not_after_silence() {
    let lines = "search broken.net lan\noptions attempts:1";
    let said = LookupSim::with("h", Family::V4, lines, half_broken()).run();
    assert_eq!(said[1..], ["1 10.0.0.1 A h.lan", "6 found 192.0.2.1:9"]);
    let said = LookupSim::with("h", Family::V4, lines, vec![silent()]).run();
    assert_eq!(said[1..], ["5000 failed: resolve h: no answer from 10.0.0.1"]);
}

#[test]
fn of_the_reasons_for_several_names_the_weightiest_is_told() {
    let lines = "search broken.net\noptions attempts:1";
    let said = LookupSim::with("h", Family::V4, lines, half_broken()).run();
    let why = "10.0.0.1: server failure (asked for h.broken.net, h)";
    assert_eq!(said[2], format!("6 failed: resolve h: {why}"));
}

#[test]
fn what_a_search_list_spoils_is_not_asked_for() {
    let lines = format!("search {} lan", "x".repeat(64));
    let said = LookupSim::with("h", Family::V4, &lines, vec![honest(5)]).run();
    assert_eq!(said[0], "0 10.0.0.1 A h.lan");
}
